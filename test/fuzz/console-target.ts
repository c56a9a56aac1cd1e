/**
 * The console's port of an agent, from strangers and from somebody who is signed in: HTTP/1.1 and HTTP/2 in clear, calls by Connect and
 * gRPC, reflection, health, watches, server-sent events.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { Topic, WatchService } from "../../src/gen/fairlead/console/v1/watch_service_pb.ts";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../src/gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../src/gen/grpc/reflection/v1/reflection_pb.ts";
import { startWatchConsole } from "../console/watch/watch-console.ts";
import type { Random } from "../faults/simulation/random.ts";
import { patience } from "../patience.ts";
import { cut, mutate } from "./mutator.ts";
import type { Input, Target } from "./target.ts";

/** Connections of one input, which come together. */
const mostConnections = 4;

const signedIn = "Authorization: Bearer grace\r\n";
const post = (path: string, type: string, body: string, more = ""): Buffer =>
  Buffer.from(
    `POST ${path} HTTP/1.1\r\nHost: x\r\n${more}Content-Type: ${type}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
const get = (path: string, more = ""): Buffer => Buffer.from(`GET ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`);
const watch = '{"topics":[{"topic":"TOPIC_APPS"}]}';
const requests: readonly Buffer[] = [
  post("/grpc.health.v1.Health/Check", "application/json", '{"service":""}'),
  post("/grpc.health.v1.Health/Watch", "application/connect+json", "\0\0\0\0\x02{}"),
  post("/grpc.health.v1.Health/Check", "application/grpc-web+proto", "\0\0\0\0\0"),
  post("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "application/connect+json", "\0\0\0\0\x02{}"),
  post("/fairlead.console.v1.WatchService/Watch", "application/connect+json", `\0\0\0\0#${watch}`, signedIn),
  post("/fairlead.console.v1.WatchService/Watch", "application/connect+json", `\0\0\0\0#${watch}`),
  get("/events?topics=apps,peers", signedIn),
  get("/events?topics=apps&labelSelector=a%3Db", `${signedIn}Last-Event-ID: none\r\n`),
  get("/events"),
  get("/openapi.yaml", 'If-None-Match: "x"\r\n'),
];

export async function createConsoleTarget(): Promise<Target> {
  const world = await startWatchConsole();
  const { port } = world;
  const spoken = await recordHttp2(port);
  const corpus: readonly [Buffer, ...Buffer[]] = [spoken, ...requests];
  const transport = createConnectTransport({ baseUrl: `http://127.0.0.1:${port}`, httpVersion: "1.1" });
  const health = createClient(Health, transport);

  /** Says all of it and leaves, whatever the answer, as soon as there is one or the connection is closed. */
  async function visit(pieces: readonly Buffer[]): Promise<void> {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => undefined);
    const signal = patience();
    const answered = Promise.race([once(socket, "data", { signal }), once(socket, "close", { signal })]);
    for (const piece of pieces) socket.write(piece);
    socket.end();
    await answered;
    await new Promise((resolve) => setImmediate(resolve));
    socket.destroy();
  }

  return {
    name: "console",
    make(random: Random): Input {
      const one = (): Buffer[] =>
        cut(mutate(random.pick(corpus), random, random.pick(corpus), random.chance(0.5)), random);
      return Array.from({ length: random.magnitude(1, mostConnections) }, one);
    },
    async play(input) {
      await Promise.all(input.map(visit));
    },
    async unharmed() {
      // Also that no place is taken for good by those who have left.
      assert.equal((await health.check({}, { signal: patience() })).status, Status.SERVING);
      // Connect's client lets go of a connection when it is told, not when nobody reads on.
      const enough = new AbortController();
      for await (const { status } of health.watch({}, { signal: AbortSignal.any([patience(), enough.signal]) })) {
        assert.equal(status, Status.SERVING);
        break;
      }
      enough.abort();
    },
    async close() {
      await world[Symbol.asyncDispose]();
    },
  };
}

/** What an honest client of gRPC says over HTTP/2: health, reflection and a watch, on one connection. */
async function recordHttp2(port: number): Promise<Buffer> {
  const said: Buffer[] = [];
  const sockets: Socket[] = [];
  const recorder = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    sockets.push(near, far);
    for (const socket of [near, far]) socket.on("error", () => undefined);
    near.on("data", (bytes: Buffer) => said.push(bytes));
    near.pipe(far).pipe(near);
  });
  await once(recorder.listen(0, "127.0.0.1"), "listening");
  const address = recorder.address();
  if (!address || typeof address !== "object") throw new Error("The recorder has no address.");
  const baseUrl = `http://127.0.0.1:${address.port}`;
  const sessionManager = new Http2SessionManager(baseUrl);
  const bearer: Interceptor = (next) => (request) => {
    request.header.set("authorization", "Bearer grace");
    return next(request);
  };
  const transport = createGrpcTransport({ baseUrl, sessionManager, interceptors: [bearer] });
  await createClient(Health, transport).check({});
  async function* questions() {
    yield { messageRequest: { case: "listServices", value: "" } } as const;
    yield { messageRequest: { case: "fileContainingSymbol", value: Health.typeName } } as const;
  }
  for await (const _ of createClient(ServerReflection, transport).serverReflectionInfo(questions()));
  for await (const _ of createClient(WatchService, transport).watch({ topics: [{ topic: Topic.APPS }] })) break;
  sessionManager.abort();
  for (const socket of sockets) socket.destroy();
  recorder.close();
  return Buffer.concat(said);
}
