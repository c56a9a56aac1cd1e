/** What stands between two agents in real networks, small. */
import { createServer as createHttpServer } from "node:http";
import { connect, type Socket } from "node:net";
import type { TestContext } from "node:test";
import { createServer as createTlsServer } from "node:tls";
import { newAuthority, newLeaf } from "../identity/forge-chain.ts";
import { listen } from "./agents.ts";

export interface ConnectProxy {
  readonly port: number;
  /** What it was asked to connect to, in order, with the credentials that came with it. */
  readonly asked: { authority: string; authorization: string | undefined }[];
}

/** An HTTP proxy that connects whatever it is asked for to one port of loopback: only it knows where the names lead. */
export async function startConnectProxy(
  t: TestContext,
  target: number,
  o: { status?: number; credentials?: string; tls?: boolean } = {},
): Promise<ConnectProxy & { rootCaPem: string }> {
  const asked: ConnectProxy["asked"] = [];
  const http = createHttpServer((_request, response) => response.writeHead(405).end());
  http.on("connect", (request, socket: Socket, head: Buffer) => {
    const authorization = request.headers["proxy-authorization"];
    asked.push({ authority: request.url ?? "", authorization });
    const expected = o.credentials && `Basic ${Buffer.from(o.credentials).toString("base64")}`;
    const status = o.status ?? (expected && authorization !== expected ? 407 : 200);
    socket.write(`HTTP/1.1 ${status} Whatever\r\n\r\n`);
    if (status === 200) join(socket, target, head);
    else socket.end();
  });
  if (!o.tls) return { port: await listen(t, http), asked, rootCaPem: "" };
  const { server, rootCaPem } = tlsServer((socket) => http.emit("connection", socket));
  return { port: await listen(t, server), asked, rootCaPem };
}

/** An ingress: ends TLS with a certificate for `localhost` and `peer.example` from a root of its own, and passes the bytes on. */
export async function startTlsFront(t: TestContext, target: number): Promise<{ port: number; rootCaPem: string }> {
  const { server, rootCaPem } = tlsServer((socket) => join(socket, target, Buffer.alloc(0)));
  return { port: await listen(t, server), rootCaPem };
}

function tlsServer(onSocket: (socket: Socket) => void) {
  const root = newAuthority(Date.now());
  const leaf = newLeaf(root, Date.now(), { names: [{ dns: "localhost" }, { dns: "peer.example" }] });
  const server = createTlsServer({ cert: leaf.pem + root.certPem, key: leaf.keyPem, ALPNProtocols: ["http/1.1"] });
  server.on("secureConnection", (socket) => {
    socket.on("error", () => {});
    onSocket(socket);
  });
  return { server, rootCaPem: root.certPem };
}

function join(socket: Socket, target: number, head: Buffer): void {
  const on = connect(target, "127.0.0.1");
  on.write(head);
  on.on("error", () => socket.destroy());
  socket.on("error", () => on.destroy());
  socket.on("close", () => on.destroy());
  on.on("close", () => socket.destroy());
  socket.pipe(on).pipe(socket);
}
