/** What holds for every call of the API, whatever its protocol and its HTTP. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { Code, createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from "@connectrpc/connect-node";
import { AppService } from "../../src/gen/fairlead/console/v1/app_service_pb.ts";
import { WatchService } from "../../src/gen/fairlead/console/v1/watch_service_pb.ts";
import { bearer, type ConsoleWorld, startConsole } from "./console-world.ts";
import { connectHttp2 } from "./http2-client.ts";

const largest = 4 * 1024 * 1024;

describe("a call of the API", () => {
  let world: ConsoleWorld;
  let sessionManager: Http2SessionManager;
  let transports: Readonly<Record<string, Transport>>;

  before(async () => {
    world = await startConsole({
      routes: (router) =>
        void router
          .service(AppService, {
            // As a timer or a socket does that is told to stop.
            async listApps(_request, { signal }) {
              await once(signal, "abort");
              throw new DOMException("stopped", "AbortError");
            },
            getApp: ({ ref }) => ({ app: { metadata: { name: ref?.name ?? "" } } }),
          })
          .service(WatchService, {
            // As a loop does that looks at its signal.
            async *watch(_request, { signal }) {
              yield {};
              await once(signal, "abort");
            },
          }),
    });
    const baseUrl = `http://127.0.0.1:${world.port}`;
    sessionManager = new Http2SessionManager(baseUrl);
    const withBearer: Interceptor = (next) => (request) => {
      request.header.set("authorization", bearer.authorization);
      return next(request);
    };
    const interceptors = [withBearer];
    const http1 = { baseUrl, interceptors, httpVersion: "1.1" } as const;
    const http2 = { baseUrl, interceptors, httpVersion: "2", sessionManager } as const;
    transports = {
      "Connect over HTTP/1.1": createConnectTransport(http1),
      "Connect over HTTP/2": createConnectTransport(http2),
      "Connect with JSON": createConnectTransport({ ...http1, useBinaryFormat: false }),
      gRPC: createGrpcTransport({ baseUrl, interceptors, sessionManager }),
      "gRPC-Web over HTTP/1.1": createGrpcWebTransport(http1),
      "gRPC-Web over HTTP/2": createGrpcWebTransport(http2),
    };
  });
  after(async () => {
    sessionManager.abort();
    await world[Symbol.asyncDispose]();
  });

  test("that stops at its deadline says that it was that, however its handler stops", async () => {
    for (const [name, transport] of Object.entries(transports)) {
      // The server's deadline alone: a client of Connect that has one itself would say so by itself.
      const headers = {
        [name.startsWith("gRPC") ? "grpc-timeout" : "connect-timeout-ms"]: name.startsWith("gRPC") ? "50m" : "50",
      };
      const apps = createClient(AppService, transport);
      await assert.rejects(apps.listApps({}, { headers }), { code: Code.DeadlineExceeded }, name);
      let heard = 0;
      const watching = async (): Promise<void> => {
        for await (const _ of createClient(WatchService, transport).watch({}, { headers })) heard += 1;
      };
      await assert.rejects(watching(), { code: Code.DeadlineExceeded }, `${name}: a stream that was cut looks whole`);
      assert.equal(heard, 1);
    }
  });

  test("is held to the rules of its protos", async () => {
    for (const [name, transport] of Object.entries(transports)) {
      const { getApp } = createClient(AppService, transport);
      assert.equal((await getApp({ ref: { namespace: "shop", name: "web" } })).app?.metadata?.name, "web", name);
      const ref = { namespace: "Shop!", name: "web" };
      await assert.rejects(getApp({ ref }), { code: Code.InvalidArgument, message: /ref\.namespace/ }, name);
    }
  });

  test("has 4 MiB at most, also what is compressed to less", async () => {
    const path = `/${AppService.typeName}/GetApp`;
    const body = Buffer.from(`{}${" ".repeat(largest)}`);
    const headers = { ...bearer, "content-type": "application/json" };
    const packed = { ...headers, "content-encoding": "gzip" };
    const plain = await world.ask(path, { method: "POST", headers, body });
    const bomb = await world.ask(path, { method: "POST", headers: packed, body: gzipSync(body) });
    for (const { status, text } of [plain, bomb]) {
      assert.deepEqual([status, JSON.parse(text).code], [429, "resource_exhausted"]);
    }
    await using http2 = await connectHttp2(`http://127.0.0.1:${world.port}`, packed);
    assert.equal((await http2.ask(path, {}, gzipSync(body))).headers[":status"], 429);
  });

  test("cannot be made by a page of another origin: nothing tells a browser that it may", async () => {
    const path = `/${AppService.typeName}/GetApp`;
    const asked = { origin: "https://elsewhere.example", "access-control-request-method": "POST" };
    await using http2 = await connectHttp2(`http://127.0.0.1:${world.port}`);
    const over1 = await world.ask(path, { method: "OPTIONS", headers: asked });
    const over2 = await http2.ask(path, { ":method": "OPTIONS", ...asked });
    const called = await world.ask(path, {
      method: "POST",
      headers: { ...bearer, origin: asked.origin, "content-type": "application/json" },
      body: '{"ref":{"namespace":"shop","name":"web"}}',
    });
    assert.equal(called.status, 200);
    for (const { headers } of [over1, over2, called]) {
      assert.deepEqual(
        Object.keys(headers).filter((name) => name.startsWith("access-control-")),
        [],
      );
    }
    assert.ok(over1.status >= 400 && Number(over2.headers[":status"]) >= 400);
  });
});
