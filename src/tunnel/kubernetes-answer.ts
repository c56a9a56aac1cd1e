/** The API server's answers on their way to who asked: bodies stream, a broken one looks broken; a refusal says what to do. */
import type { ClientRequest, IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { join } from "../base/join.ts";
import { answerHeaders } from "./kubernetes-headers.ts";
import { badRequest, forbidden, renderStatus, type StatusAnswer, unavailable } from "./kubernetes-status.ts";

/** A refusal is read so far before it is passed on, in bytes; what is longer is passed on as it comes. */
const mostOfRefusal = 64 * 1024;

/** `target` is what was asked for. */
export function sendStatus(res: ServerResponse, answer: StatusAnswer, target: string): void {
  if (res.headersSent || res.destroyed) {
    res.destroy();
    return;
  }
  const { headers, body } = renderStatus(answer, target);
  res.writeHead(answer.code, Object.fromEntries(headers));
  res.end(body);
}

/** On a connection that has left HTTP on this side, which ends with it. */
export function writeStatus(socket: Duplex, answer: StatusAnswer): void {
  const { headers: all, body } = renderStatus(answer, ""); // No list of APIs is an upgrade.
  const headers = [...all, ["Connection", "close"]].map(([name, value]) => `${name}: ${value}`);
  socket.end(`HTTP/1.1 ${answer.code} ${answer.reason}\r\n${headers.join("\r\n")}\r\n\r\n${body}`);
}

/** What an answer of the API server says of the agent instead of the caller. */
export function ofTheAgent(peer: string, status: number, body: string): StatusAnswer | undefined {
  if (status === 401) {
    return unavailable("The agent of that cluster is not signed in at its API server; its log says more.");
  }
  if (status !== 403 || !body.includes("cannot impersonate resource")) return undefined;
  const what = /cannot impersonate resource \\?"(groups)/.test(body) ? " in all groups that a PeerPolicy names" : "";
  return forbidden(
    `kubectl of peer ${peer} is not switched on in that cluster: its agent may not speak for the peer${what}. Its operator can allow it: fairlead peer allow-kubectl ${peer} (rule: kubernetes/not-allowed)`,
  );
}

/** Resolves when the exchange is over. `req` is what came from the peer, `out` the request to the API server. */
export function exchange(peer: string, req: IncomingMessage, res: ServerResponse, out: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    res.once("close", () => {
      out.destroy();
      resolve();
    });
    out.on("error", (error) => {
      req.unpipe(out);
      req.resume();
      if (!res.headersSent) sendStatus(res, unreachable(error), req.url ?? "");
    });
    out.on("response", (answer) => void relay(peer, answer, res, req.url ?? ""));
    if (req.headers["transfer-encoding"] !== undefined || Number(req.headers["content-length"] ?? 0) > 0) req.pipe(out);
    else out.end();
  });
}

async function relay(peer: string, answer: IncomingMessage, res: ServerResponse, target: string): Promise<void> {
  answer.on("error", () => undefined);
  const refusal = await readRefusal(answer);
  const ours = refusal && ofTheAgent(peer, answer.statusCode ?? 0, refusal.text);
  if (ours) {
    answer.destroy();
    sendStatus(res, ours, target);
    return;
  }
  if (res.destroyed) return;
  res.writeHead(answer.statusCode ?? 502, answer.statusMessage ?? "", answerHeaders(answer.rawHeaders));
  res.flushHeaders();
  for (const chunk of refusal?.chunks ?? []) res.write(chunk);
  if (answer.readableEnded) {
    if (answer.complete) res.end();
    else res.destroy();
    return;
  }
  answer.once("end", () => answer.complete && res.end());
  answer.once("close", () => answer.complete || res.destroy());
  answer.pipe(res, { end: false });
}

/** The beginning of a refusal, which is all of it but for a very long one; undefined for other answers. */
async function readRefusal(answer: IncomingMessage): Promise<{ text: string; chunks: Buffer[] } | undefined> {
  if (answer.statusCode !== 403 && answer.statusCode !== 401) return undefined;
  const chunks: Buffer[] = [];
  let size = 0;
  for (;;) {
    const chunk: Buffer | null = answer.read();
    if (chunk) {
      chunks.push(chunk);
      size += chunk.length;
    }
    if (size > mostOfRefusal || answer.readableEnded || answer.destroyed) break;
    if (!chunk) await new Promise<void>((resolve) => settleOnce(answer, resolve));
  }
  return { text: Buffer.concat(chunks).toString("latin1"), chunks };
}

function settleOnce(answer: IncomingMessage, resolve: () => void): void {
  const done = (): void => {
    for (const event of ["readable", "end", "close"]) answer.removeListener(event, done);
    resolve();
  };
  for (const event of ["readable", "end", "close"]) answer.once(event, done);
}

/** An upgrade: once the API server agrees, bytes pass both ways unread. Resolves when the connection has ended. */
export function exchangeUpgrade(
  peer: string,
  client: { socket: Duplex; head: Uint8Array },
  out: ClientRequest,
): Promise<void> {
  const { socket, head } = client;
  return new Promise((resolve) => {
    const onGone = (): void => {
      out.destroy();
      resolve();
    };
    socket.once("close", onGone);
    out.on("error", (error) => writeStatus(socket, unreachable(error)));
    out.once("upgrade", (answer, stream, early) => {
      socket.removeListener("close", onGone);
      const headers = [
        "Connection",
        "Upgrade",
        "Upgrade",
        answer.headers.upgrade ?? "",
        ...answerHeaders(answer.rawHeaders),
      ];
      let text = "HTTP/1.1 101 Switching Protocols\r\n";
      for (let i = 0; i + 1 < headers.length; i += 2) text += `${headers[i]}: ${headers[i + 1]}\r\n`;
      socket.write(`${text}\r\n`);
      if (early.length > 0) socket.write(early);
      if (head.length > 0) stream.write(head);
      join(socket, stream).then(() => resolve());
    });
    out.once("response", (answer) => {
      socket.once("finish", resolve);
      void refuseUpgrade(peer, answer, socket);
    });
    out.end();
  });
}

/** The API server answered instead of switching. */
async function refuseUpgrade(peer: string, answer: IncomingMessage, socket: Duplex): Promise<void> {
  const code = answer.statusCode ?? 502;
  let text = "";
  try {
    for await (const chunk of answer) {
      text += Buffer.from(chunk).toString("latin1");
      if (text.length > mostOfRefusal) break;
    }
  } catch {
    // What came has to do.
  }
  const ours = ofTheAgent(peer, code, text);
  if (ours) return writeStatus(socket, ours);
  const type = answer.headers["content-type"] ?? "application/json";
  const body = Buffer.from(text, "latin1");
  socket.write(
    `HTTP/1.1 ${code} ${answer.statusMessage ?? ""}\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`,
  );
  socket.end(body);
}

function unreachable(error: Error & { code?: string }): StatusAnswer {
  if (error.code?.startsWith("HPE_")) return badRequest("The API server's answer cannot be understood.");
  const why = error.code === undefined ? "" : ` (${error.code})`;
  return unavailable(`The API server of that cluster cannot be reached by its agent${why}.`);
}
