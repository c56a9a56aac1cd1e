/**
 * Requests of others for the API server, on connections of ours: their headers and bodies pass as they are given, without a time
 * limit, and our credentials come last. Whoever uses it has to say in whose name it is, or it is in ours.
 */
import http, { type ClientRequest } from "node:http";
import https from "node:https";
import type { Endpoint } from "./requests.ts";

export interface GatewayRequest {
  readonly method: string;
  /** With the query. */
  readonly target: string;
  /** Name after value. What says who asks is the caller's to put there, but for Authorization and Host. */
  readonly headers: readonly string[];
  readonly signal: AbortSignal;
}

export interface ApiGateway {
  /** Starts a request, whose body is still to be written. Rejects when there are no credentials, or the signal has aborted. */
  request(request: GatewayRequest): Promise<ClientRequest>;
  close(): void;
}

export function createApiGateway(endpoint: Endpoint): ApiGateway {
  const { server } = endpoint;
  const secure = server.protocol === "https:";
  // What is open is bounded by who uses this.
  const keepAlive = { keepAlive: true, keepAliveMsecs: 15_000, maxFreeSockets: 16, scheduling: "lifo" as const };
  const agent = secure ? new https.Agent(keepAlive) : new http.Agent(keepAlive);
  const prefix = server.pathname.replace(/\/$/, "");
  return {
    async request({ method, target, headers, signal }) {
      const { headers: own, ...options } = await endpoint.options();
      signal.throwIfAborted();
      const sent = ["Host", server.host, ...withoutOurs(headers)];
      for (const [name, value] of Object.entries(own ?? {})) {
        if (value !== undefined && !Array.isArray(value)) sent.push(name, String(value));
      }
      return (secure ? https : http).request({
        ...options,
        agent: options.agent ?? agent,
        protocol: server.protocol,
        hostname: server.hostname.replace(/^\[|\]$/g, ""),
        port: server.port,
        method,
        path: prefix + target,
        headers: sent,
        setHost: false,
        signal,
      });
    },
    close: () => agent.destroy(),
  };
}

function withoutOurs(headers: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const [name = "", value = ""] = headers.slice(i, i + 2);
    if (!/^(host|authorization)$/i.test(name)) kept.push(name, value);
  }
  return kept;
}
