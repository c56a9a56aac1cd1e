/**
 * Requests to kubelets themselves. The API server's proxy to them asks for `nodes/proxy`, which is to run programs in all pods of a node;
 * a kubelet asks by what is read: `nodes/metrics`, `nodes/stats`, `nodes/healthz`.
 */
import https, { type RequestOptions } from "node:https";
import type { Clock } from "../base/clock.ts";
import { KubeError } from "./errors.ts";
import type { KubeletToken } from "./kubelet-token.ts";
import type { KubeletPlace } from "./node-list.ts";
import { type ApiAnswer, createRequests } from "./requests.ts";

export interface KubeletRequest {
  /** With the query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Kubelets {
  /**
   * GET. The answer whatever its status, when its head has come; aborting ends it. Rejects with a `KubeError`: Untrusted when the
   * kubelet does not prove that it is at this address, NoToken when there is none to show.
   */
  get(place: KubeletPlace, request: KubeletRequest, signal: AbortSignal): Promise<ApiAnswer>;
  close(): void;
}

/** By what a kubelet's certificate verifies, which has to be one of its address. */
export type KubeletTrust = "cluster" | "none" | { readonly ca: string };

export interface KubeletsDeps {
  readonly token: KubeletToken;
  readonly trust: KubeletTrust;
  /** Under which the API server's certificate verifies; undefined where that is not known. */
  clusterCa(): Promise<RequestOptions["ca"]>;
  readonly clock: Clock;
  /** Until the head of an answer, in milliseconds; 10,000 unless given. */
  readonly timeoutMs?: number;
}

export function createKubelets(deps: KubeletsDeps): Kubelets {
  const { trust, clock, timeoutMs = 10_000 } = deps;
  // Of a session that is resumed nobody shows a certificate.
  const agent = new https.Agent({ keepAlive: true, maxFreeSockets: 4, maxTotalSockets: 256, maxCachedSessions: 0 });

  async function tls(): Promise<RequestOptions> {
    if (trust === "none") return { rejectUnauthorized: false };
    const ca = trust === "cluster" ? await deps.clusterCa() : trust.ca;
    if (ca !== undefined && ca !== "") return { ca, rejectUnauthorized: true };
    const message = "This agent knows no CA of its cluster under which a kubelet's certificate could verify.";
    throw new KubeError({ status: 0, reason: "Untrusted", message });
  }

  async function showToken(signal: AbortSignal): Promise<string> {
    try {
      return await deps.token(signal);
    } catch (cause) {
      signal.throwIfAborted();
      throw new KubeError({ status: 0, reason: "NoToken", message: "There is no token for kubelets." }, { cause });
    }
  }

  return {
    async get({ address, port }, { path, headers }, signal) {
      const verified = await tls();
      const token = await showToken(signal);
      const server = new URL(`https://${address.includes(":") ? `[${address}]` : address}:${port}`);
      const options = async () => ({ ...verified, agent, headers: { authorization: `Bearer ${token}` } });
      const { accept = "*/*", ...rest } = headers;
      const to = createRequests({ endpoint: { server, options }, clock, timeoutMs });
      return to.send({ method: "GET", path, accept, headers: rest, what: "read a kubelet" }, signal);
    },
    close: () => agent.destroy(),
  };
}
