/**
 * `fairlead/client` in browsers, and wherever there is `fetch` and no Node: the typed client of an agent's API, the same that the console and the
 * CLI use. It imports nothing of Node.
 *
 * @example
 * ```ts
 * import { createFairleadClient } from "fairlead/client";
 *
 * const fairlead = createFairleadClient({ url: location.origin });
 * const { peers } = await fairlead.peers.listPeers({});
 * ```
 */
import { createConnectTransport } from "@connectrpc/connect-web";
import { type FairleadClient, type FairleadClientOptions, createFairleadClient as overTransport } from "./index.ts";

export * from "./both.ts";

/** Where the agent is. */
export interface FairleadAddress {
  /** The console's: the page's own origin, since it answers no page of another. */
  readonly url: string;
  /** An API token, sent with every call; none where a session's cookie does. */
  readonly token?: string;
}

/** Makes the client. Nothing is sent before the first call. Calls that stream requests reject: browsers cannot make them. */
export function createFairleadClient(options: FairleadAddress | FairleadClientOptions): FairleadClient {
  if ("transport" in options) return overTransport(options);
  const { url, token } = options;
  const transport = createConnectTransport({ baseUrl: url.replace(/\/+$/, ""), useBinaryFormat: true });
  return overTransport({ transport, ...(token !== undefined && { token }) });
}
