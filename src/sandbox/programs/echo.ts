/**
 * `fairlead.dev/echo:1`: an HTTP server for trying what a tunnel carries. `/` answers the request as JSON; `/bytes?n=` a
 * known pattern with its hash in `x-sha256`; `/stream?n=&ms=` server-sent events; `/upload` the count and hash of the
 * body; `/slow?ms=` an answer that takes its time; `/abort` breaks off in mid-answer; `/status/CODE`; `/log?line=`
 * prints a line; `/exit?code=` ends the program; `/healthz`.
 */
import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { serve } from "./serve.ts";

const pod = process.env.POD_NAME ?? "unknown";
const block = Buffer.from(Array.from({ length: 65_536 }, (_, i) => (i * 31 + (i >> 8)) & 0xff));

await serve((request, response) => {
  const url = new URL(request.url ?? "/", "http://echo");
  if (url.pathname !== "/log" && url.pathname !== "/healthz") console.log(`${request.method} ${request.url}`);
  answer(request, response, url).catch((error: unknown) => {
    if (!response.destroyed) console.error(`failed: ${String(error)}`);
    response.destroy();
  });
});

async function answer(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
  const number = (name: string, otherwise: number): number => Number(url.searchParams.get(name) ?? otherwise);
  const [, route = "", argument = ""] = url.pathname.split("/");
  switch (route) {
    case "bytes":
      return sendBytes(request, response, number("n", 1024));
    case "stream":
      return sendEvents(response, number("n", 10), number("ms", 100));
    case "upload":
      return void json(response, await digest(request));
    case "slow":
      await delay(number("ms", 1000));
      return void json(response, { slept: number("ms", 1000) });
    case "abort":
      response.writeHead(200, { "Content-Length": "1000000" });
      response.write(block);
      await delay(50);
      return void response.destroy();
    case "status":
      response.statusCode = Number(argument) || 500;
      return void json(response, { status: response.statusCode });
    case "log":
      console.log(url.searchParams.get("line") ?? "");
      return void json(response, { logged: true });
    case "exit":
      json(response, { exiting: true });
      return void setTimeout(() => process.exit(number("code", 0)), 20);
    case "healthz":
      return void response.end("ok\n");
    default: {
      const body = await read(request);
      return void json(response, {
        method: request.method,
        path: url.pathname,
        query: url.search.slice(1),
        headers: request.headers,
        body: body.toString("utf8"),
        pod,
      });
    }
  }
}

function json(response: ServerResponse, value: unknown): void {
  response.setHeader("Content-Type", "application/json");
  response.end(`${JSON.stringify(value)}\n`);
}

async function read(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) if (chunk instanceof Buffer) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** `n` bytes of the pattern, in pieces, as fast as they are taken. */
async function sendBytes(request: IncomingMessage, response: ServerResponse, n: number): Promise<void> {
  const hash = createHash("sha256");
  for (let left = n; left > 0; left -= block.length) hash.update(block.subarray(0, Math.min(left, block.length)));
  response.writeHead(200, {
    "Content-Type": "application/octet-stream",
    "Content-Length": n,
    "X-Sha256": hash.digest("hex"),
  });
  if (request.method === "HEAD") return void response.end();
  for (let left = n; left > 0 && !response.destroyed; left -= block.length) {
    const isTaken = response.write(block.subarray(0, Math.min(left, block.length)));
    if (!isTaken) await drained(response);
  }
  response.end();
}

async function sendEvents(response: ServerResponse, n: number, ms: number): Promise<void> {
  response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
  for (let i = 0; i < n && !response.destroyed; i++) {
    response.write(`id: ${i}\ndata: ${JSON.stringify({ i, pod })}\n\n`);
    await delay(ms);
  }
  response.end();
}

async function digest(request: IncomingMessage): Promise<object> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of request) {
    if (!(chunk instanceof Buffer)) continue;
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, sha256: hash.digest("hex") };
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off("drain", done).off("close", done);
      resolve();
    };
    response.on("drain", done).on("close", done);
  });
}
