/**
 * `fairlead/client` in Node: the typed client of an agent's API, the same that the console and the CLI use.
 *
 * @example
 * ```ts
 * import { createFairleadClient } from "fairlead/client";
 *
 * const fairlead = createFairleadClient({ url: "https://fairlead.example.org", token });
 * const { apps } = await fairlead.apps.listApps({ labelSelector: "team=shop" });
 * ```
 */
import type { Agent } from "node:http";
import type { Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { type FairleadClient, type FairleadClientOptions, createFairleadClient as overTransport } from "./index.ts";

export * from "./both.ts";

/** Where the agent is. */
export interface FairleadAddress {
  /** The console's, as in "https://fairlead.example.org". */
  readonly url: string;
  /** An API token, sent with every call. */
  readonly token?: string;
  /** PEM of the roots to believe the agent's certificate by, in place of those that Node knows. */
  readonly ca?: string;
  /** Makes the connections; Node's own unless given. Only without `http2`. */
  readonly agent?: Agent;
  /**
   * HTTP/2, which calls that stream both ways need; false unless given, for many ingresses and proxies pass HTTP/1.1 alone. Over those, a
   * session of `fairlead/client/session` has these calls, too.
   */
  readonly http2?: boolean;
}

/** Makes the client. Nothing is sent before the first call. */
export function createFairleadClient(options: FairleadAddress | FairleadClientOptions): FairleadClient {
  if ("transport" in options) return overTransport(options);
  const { token } = options;
  return overTransport({ transport: transportTo(options), ...(token !== undefined && { token }) });
}

function transportTo({ url, ca, agent, http2 = false }: FairleadAddress): Transport {
  const baseUrl = url.replace(/\/+$/, "");
  const roots = ca === undefined ? {} : { ca };
  if (http2) return createConnectTransport({ baseUrl, httpVersion: "2", nodeOptions: roots });
  const nodeOptions = { ...roots, ...(agent && { agent }) };
  return createConnectTransport({ baseUrl, httpVersion: "1.1", nodeOptions });
}
