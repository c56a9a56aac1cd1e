/** An HTTP server that answers as a test tells it to, and remembers what it was asked. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { text } from "node:stream/consumers";
import type { TestContext } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { createKubeClient, type KubeClient } from "../../src/kube/client.ts";
import { createRequests, type Requests } from "../../src/kube/requests.ts";

export interface Asked {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage["headers"];
  body: string;
}

export type Answer = (asked: Asked, response: ServerResponse) => void | Promise<void>;

export interface FakeServer {
  url: string;
  asked: Asked[];
  sockets: Set<Socket>;
  requests: Requests;
  client: KubeClient;
}

/** Each request is answered by `answer`; everything is closed when the test ends. */
export async function startFakeServer(t: TestContext, answer: Answer, timeoutMs?: number): Promise<FakeServer> {
  const asked: Asked[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    void (async () => {
      const url = new URL(request.url ?? "/", "http://localhost");
      const { method = "", headers } = request;
      const one = { method, path: url.pathname, query: url.searchParams, headers, body: await text(request) };
      asked.push(one);
      await answer(one, response);
    })();
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo; // It listens on TCP.
  const url = `http://127.0.0.1:${port}`;
  const endpoint = { server: new URL(url), options: async () => ({ headers: { authorization: "Bearer t" } }) };
  const requests = createRequests({ endpoint, clock: systemClock, ...(timeoutMs === undefined ? {} : { timeoutMs }) });
  t.after(() => {
    requests.close();
    server.closeAllConnections();
    server.close();
  });
  const client = createKubeClient({ requests, clock: systemClock, server: url });
  return { url, asked, sockets, requests, client };
}

export function reply(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(typeof body === "string" ? body : JSON.stringify(body));
}

/** A Status as the API server sends it with an error. */
export function failure(code: number, reason: string, message: string, details: object = {}): object {
  return { kind: "Status", apiVersion: "v1", status: "Failure", code, reason, message, details };
}

export function configMap(name: string, resourceVersion: string, data: Record<string, string> = {}): object {
  const metadata = { name, namespace: "default", uid: `uid-${name}`, resourceVersion };
  return { apiVersion: "v1", kind: "ConfigMap", metadata, data };
}

/** All that an iteration yields. */
export async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of source) all.push(one);
  return all;
}
