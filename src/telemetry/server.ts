/**
 * The telemetry port: `/livez`, `/readyz` and `/metrics`, and nothing that could be worth attacking. It is a server of
 * its own, so that strangers who flood the peer port cannot take the probes' place, and it bounds its own callers.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Health, HealthReport } from "./health.ts";
import type { Metrics } from "./metrics.ts";

export interface TelemetryServer {
  /** Resolves when it listens; `port` 0 takes a free one. */
  listen(port: number, host?: string): Promise<{ port: number }>;
  /** Stops listening and ends what is open. */
  close(): Promise<void>;
}

export interface TelemetryServerDeps {
  health: Pick<Health, "livez" | "readyz">;
  metrics: Pick<Metrics, "expose" | "contentType">;
}

export function createTelemetryServer(deps: TelemetryServerDeps): TelemetryServer {
  const server = createServer({ maxHeaderSize: 8_192, keepAliveTimeout: 5_000 }, (request, response) => {
    answer(deps, request, response).catch(() => response.destroy());
  });
  // A probe every few seconds and a scraper or two need a handful; 64 is where somebody else must be at work.
  server.maxConnections = 64;
  server.headersTimeout = 5_000;
  server.requestTimeout = 5_000;
  return { listen: (port, host) => listen(server, port, host), close: () => close(server) };
}

async function answer(deps: TelemetryServerDeps, request: IncomingMessage, response: ServerResponse): Promise<void> {
  request.resume(); // A body, if there is one, is of no interest and must not hold the connection.
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.setHeader("allow", "GET, HEAD");
    return send(response, 405, "text/plain", "Only GET and HEAD are answered here.\n");
  }
  const path = (request.url ?? "/").split("?", 1)[0];
  if (path === "/livez") return sendReport(response, deps.health.livez());
  if (path === "/readyz") return sendReport(response, deps.health.readyz());
  if (path === "/metrics") return send(response, 200, deps.metrics.contentType, await deps.metrics.expose());
  return send(response, 404, "text/plain", "There are /livez, /readyz and /metrics.\n");
}

/** In the form that Kubernetes' own `/readyz?verbose` has. */
function sendReport(response: ServerResponse, report: HealthReport): void {
  const lines = report.checks.map((check) =>
    check.ok ? `[+] ${check.name} ok` : `[-] ${check.name} ${check.problem}`,
  );
  send(response, report.ok ? 200 : 503, "text/plain", `${[...lines, report.ok ? "ok" : "failed"].join("\n")}\n`);
}

function send(response: ServerResponse, status: number, contentType: string, body: string): void {
  response.writeHead(status, {
    "content-type": contentType.includes("charset") ? contentType : `${contentType}; charset=utf-8`,
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
  });
  response.end(body);
}

function listen(server: Server, port: number, host?: string): Promise<{ port: number }> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, ...(host === undefined ? {} : { host }) }, () => {
      server.off("error", reject);
      const address = server.address();
      resolve({ port: typeof address === "object" && address !== null ? address.port : port });
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
