/** Answers `GET /metrics` on streams of peers, with what this agent tells of itself. Nothing else is there. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Clock } from "../base/clock.ts";
import { serveOnStreams } from "../base/http-on-streams.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { StreamServer } from "./way.ts";

/** Of a connection that is kept between two scrapes, in milliseconds. */
const idleMs = 90_000;

export function createMetricsServer(metrics: Pick<Metrics, "expose" | "contentType">, clock: Clock): StreamServer {
  const server = createServer({ maxHeaderSize: 8_192 }, (request, response) => {
    request.resume(); // A body, if there is one, is of no interest.
    answer(metrics, request, response).catch(() => response.destroy());
  });
  const streams = serveOnStreams(server, { clock, idleMs });
  return { serve: (_caller, stream, signal) => streams.serve(stream, signal) };
}

async function answer(
  metrics: Pick<Metrics, "expose" | "contentType">,
  { method, url = "" }: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (method !== "GET" && method !== "HEAD") {
    return send(response, 405, "text/plain", "Only GET and HEAD are answered here.\n", { allow: "GET, HEAD" });
  }
  if (url.split("?", 1)[0] !== "/metrics") return send(response, 404, "text/plain", "There is /metrics.\n");
  send(response, 200, metrics.contentType, await metrics.expose());
}

function send(
  response: ServerResponse,
  status: number,
  type: string,
  body: string,
  more: Readonly<Record<string, string>> = {},
): void {
  const length = Buffer.byteLength(body);
  response.writeHead(status, { "content-type": type, "content-length": length, "cache-control": "no-store", ...more });
  response.end(body);
}
