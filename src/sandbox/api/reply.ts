import type { ServerResponse } from "node:http";
import type { StatusError } from "../status-error.ts";

/** What a handler answers: JSON, or a stream that it writes itself until `signal` of the request aborts. */
export type Reply =
  | { code: number; body: unknown; type?: string }
  | { stream(response: ServerResponse): Promise<void> };

export function ok(body: unknown, code = 200): Reply {
  return { code, body };
}

export function sendReply(
  response: ServerResponse,
  reply: { code: number; body: unknown; type?: string },
  warnings: readonly string[],
): void {
  const content = typeof reply.body === "string" ? reply.body : JSON.stringify(reply.body);
  if (warnings.length > 0)
    response.setHeader(
      "Warning",
      warnings.map((text) => `299 - ${JSON.stringify(text)}`),
    );
  response.writeHead(reply.code, {
    "Content-Type": reply.type ?? "application/json",
    "Content-Length": Buffer.byteLength(content),
    "Cache-Control": "no-cache, private",
  });
  response.end(content);
}

export function sendError(response: ServerResponse, error: StatusError): void {
  sendReply(response, { code: error.code, body: error.toStatus() }, []);
}
