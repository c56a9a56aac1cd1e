/**
 * The door of the sandbox: one loopback port that speaks HTTP, and TLS when the first byte says so (kubectl sends its
 * token over https only). Authenticates, routes, and turns errors into Status bodies.
 */
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, createServer as createNetServer, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { errorText } from "../../base/error-text.ts";
import type { Log } from "../../base/log.ts";
import { StatusError, unauthorized } from "../status-error.ts";
import { type Reply, sendError, sendReply } from "./reply.ts";
import type { ApiRequest } from "./request.ts";
import { apiServerAudience, type User, type Users } from "./users.ts";

export interface ServerDeps {
  log: Log;
  users: Users;
  certificate: { keyPem: string; certPem: string };
  route(request: ApiRequest): Promise<Reply>;
  /** Takes over the socket of a WebSocket request: exec and port-forward. */
  upgrade(request: ApiRequest, socket: Duplex, head: Buffer): Promise<void>;
}

export interface ApiServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Listens on 127.0.0.1; port 0 takes any free one. */
export async function startApiServer(deps: ServerDeps, port: number): Promise<ApiServer> {
  const closing = new AbortController();
  const sockets = new Set<Socket>();
  const onRequest: RequestListener = (raw, response) => void answer(deps, raw, response, closing.signal);
  const onUpgrade = (raw: IncomingMessage, socket: Duplex, head: Buffer): void =>
    void takeOver(deps, raw, socket, head, closing.signal);
  const http = createHttpServer({ keepAliveTimeout: 65_000 }, onRequest).on("upgrade", onUpgrade);
  const { keyPem: key, certPem: cert } = deps.certificate;
  const https = createHttpsServer({ key, cert, ALPNProtocols: ["http/1.1"], keepAliveTimeout: 65_000 }, onRequest).on(
    "upgrade",
    onUpgrade,
  );
  https.on("tlsClientError", () => undefined);
  const door = createNetServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
    socket.once("data", (first) => {
      socket.pause();
      socket.unshift(first);
      const isTls = typeof first !== "string" && first[0] === 0x16;
      (isTls ? https : http).emit("connection", socket);
      // The server reads by itself from here on; data must not be lost between.
      process.nextTick(() => socket.resume());
    });
  });
  await new Promise<void>((resolve, reject) => {
    door.once("error", reject);
    door.listen(port, "127.0.0.1", resolve);
  });
  return {
    port: portOf(door.address()),
    close: () =>
      new Promise((resolve) => {
        closing.abort();
        door.close(() => resolve());
        http.close();
        https.close();
        for (const socket of sockets) socket.destroy();
      }),
  };
}

function portOf(address: AddressInfo | string | null): number {
  if (!address || typeof address === "string") throw new Error("a listening server has a port");
  return address.port;
}

async function answer(
  deps: ServerDeps,
  raw: IncomingMessage,
  response: ServerResponse,
  closing: AbortSignal,
): Promise<void> {
  const gone = new AbortController();
  const leave = (): void => gone.abort();
  response.on("close", leave);
  closing.addEventListener("abort", leave, { once: true });
  try {
    const request = requestOf(raw, authenticate(raw, deps.users), gone.signal);
    const reply = await deps.route(request);
    if ("stream" in reply) await reply.stream(response);
    else sendReply(response, reply, request.warnings);
  } catch (error) {
    const status = toStatusError(error, deps.log, raw);
    if (response.headersSent) response.destroy();
    else sendError(response, status);
    raw.resume();
  } finally {
    closing.removeEventListener("abort", leave);
  }
}

async function takeOver(
  deps: ServerDeps,
  raw: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  closing: AbortSignal,
): Promise<void> {
  const gone = new AbortController();
  const leave = (): void => gone.abort();
  socket.on("error", leave).on("close", leave);
  closing.addEventListener("abort", leave, { once: true });
  try {
    await deps.upgrade(requestOf(raw, authenticate(raw, deps.users), gone.signal), socket, head);
  } catch (error) {
    const status = toStatusError(error, deps.log, raw);
    const body = JSON.stringify(status.toStatus());
    if (socket.writable) {
      socket.end(
        `HTTP/1.1 ${status.code} ${status.reason}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
      );
    }
  } finally {
    closing.removeEventListener("abort", leave);
  }
}

function requestOf(raw: IncomingMessage, user: User, signal: AbortSignal): ApiRequest {
  const url = new URL(raw.url ?? "/", "http://sandbox");
  return { method: raw.method ?? "GET", path: url.pathname, query: url.searchParams, user, raw, signal, warnings: [] };
}

function authenticate(raw: IncomingMessage, users: Users): User {
  if (["/healthz", "/livez", "/readyz", "/version"].includes(raw.url ?? ""))
    return { name: "system:anonymous", groups: [], verbs: [] };
  const token = /^Bearer (.+)$/i.exec(raw.headers.authorization ?? "")?.[1];
  const known = token ? users.byToken(token) : undefined;
  // A token for somebody else opens nothing here.
  if (!known?.audiences.includes(apiServerAudience)) throw unauthorized();
  return known.user;
}

function toStatusError(error: unknown, log: Log, raw: IncomingMessage): StatusError {
  if (error instanceof StatusError) return error;
  log.error({ err: error, method: raw.method, url: raw.url }, "a request to the sandbox failed");
  return new StatusError(500, "InternalError", `Internal error occurred: ${errorText(error)}`);
}
