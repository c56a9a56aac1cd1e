import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { describe, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { Code, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { principalKey } from "../../src/console/auth/principal.ts";
import { AppService } from "../../src/gen/fairlead/console/v1/app_service_pb.ts";
import { PodService } from "../../src/gen/fairlead/console/v1/pod_service_pb.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { until } from "../patience.ts";
import { bearer, type ConsoleWorld, startConsole } from "./console-world.ts";

const ref = { namespace: "shop", name: "web" };

function clients(world: ConsoleWorld, headers: Record<string, string> = bearer) {
  const transport = createConnectTransport({
    httpVersion: "1.1",
    baseUrl: `http://127.0.0.1:${world.port}`,
    interceptors: [
      (next) => (request) => {
        for (const [name, value] of Object.entries(headers)) request.header.set(name, value);
        return next(request);
      },
    ],
  });
  return { apps: createClient(AppService, transport), pods: createClient(PodService, transport) };
}

const is = (code: Code) => (error: unknown) => {
  assert.ok(error instanceof ConnectError, String(error));
  assert.equal(error.code, code);
  return true;
};

describe("the API", () => {
  test("is for those with a valid token, and knows whose it is", async () => {
    let caller: string | undefined;
    await using world = await startConsole({
      routes: (router) =>
        void router.service(AppService, {
          openApp: (_request, { values }) => {
            caller = values.get(principalKey)?.name;
            return { url: "x" };
          },
        }),
    });
    await assert.rejects(clients(world, {}).apps.openApp({ ref }), is(Code.Unauthenticated));
    await assert.rejects(
      clients(world, { authorization: "Bearer flt_x" }).apps.openApp({ ref }),
      is(Code.Unauthenticated),
    );
    assert.equal(caller, undefined);
    assert.equal((await clients(world).apps.openApp({ ref })).url, "x");
    assert.equal(caller, "admin-token");
  });

  test("refuses what breaks a rule of the proto before any handler sees it", async () => {
    await using world = await startConsole({
      routes: (router) => void router.service(AppService, { openApp: () => assert.fail("reached") }),
    });
    await assert.rejects(clients(world).apps.openApp({}), is(Code.InvalidArgument));
    await assert.rejects(
      clients(world).apps.openApp({ ref: { namespace: "../x", name: "y" } }),
      is(Code.InvalidArgument),
    );
  });

  test("is guarded although a service brings interceptors of its own, which run after the guards", async () => {
    const ran: string[] = [];
    const own: Interceptor = (next) => (request) => {
      ran.push(request.contextValues.get(principalKey)?.name ?? "nobody");
      return next(request);
    };
    await using world = await startConsole({
      routes(router) {
        router.service(AppService, { openApp: () => ({ url: "x" }) }, { interceptors: [own] });
        router.rpc(PodService.method.logs, () => assert.fail("reached"), { interceptors: [] });
      },
    });
    await assert.rejects(clients(world, {}).apps.openApp({ ref }), is(Code.Unauthenticated));
    const lines = clients(world, {}).pods.logs({ app: ref })[Symbol.asyncIterator]();
    await assert.rejects(lines.next(), is(Code.Unauthenticated));
    assert.equal((await clients(world).apps.openApp({ ref })).url, "x");
    assert.deepEqual(ran, ["admin-token"]);
  });

  test("streams: the first message comes before the last, and who leaves ends the handler", async () => {
    let ended = false;
    await using world = await startConsole({
      routes: (router) =>
        void router.service(PodService, {
          async *logs(_request, { signal }) {
            yield { pod: "a", line: "1" };
            await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
            ended = true;
          },
        }),
    });
    const stop = new AbortController();
    const lines = clients(world).pods.logs({ app: ref, follow: true }, { signal: stop.signal })[Symbol.asyncIterator]();
    assert.equal((await lines.next()).value?.line, "1");
    stop.abort();
    await assert.rejects(lines.next(), is(Code.Canceled));
    await until("the handler has ended", () => ended);
  });

  test("ends within a moment although someone watches, and says so", async () => {
    const clock = createFakeClock();
    const world = await startConsole({
      clock,
      routes: (router) =>
        void router.service(PodService, {
          async *logs(_request, { signal }) {
            yield { pod: "a", line: "1" };
            await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
            signal.throwIfAborted();
          },
        }),
    });
    const lines = clients(world).pods.logs({ app: ref, follow: true })[Symbol.asyncIterator]();
    await lines.next();
    const rejected = assert.rejects(lines.next(), is(Code.Unavailable));
    const ended = world[Symbol.asyncDispose]();
    // Transfers are given longer than this.
    await clock.advance(1_000);
    await Promise.all([rejected, ended]);
  });

  test("takes no message beyond its limit, and no foreign page's form", async () => {
    await using world = await startConsole({
      routes: (router) => void router.service(AppService, { openApp: () => ({}) }),
    });
    const path = "/fairlead.console.v1.AppService/OpenApp";
    const json = { ...bearer, "content-type": "application/json" };
    const large = JSON.stringify({ ref, path: "x".repeat(5 * 1024 * 1024) });
    const refused = await world.ask(path, { method: "POST", headers: json, body: large }).catch(() => ({ status: 0 }));
    assert.notEqual(refused.status, 200);
    const form = await world.ask(path, {
      method: "POST",
      headers: { ...bearer, "content-type": "text/plain" },
      body: "{}",
    });
    assert.equal(form.status, 415);
    const good = await world.ask(path, { method: "POST", headers: json, body: JSON.stringify({ ref }) });
    assert.equal(good.status, 200);
    assert.equal(good.headers["x-content-type-options"], "nosniff");
    assert.equal(good.headers["access-control-allow-origin"], undefined);
  });

  test("serves others while a client does not finish its headers", async () => {
    await using world = await startConsole();
    const slow = connect(world.port, "127.0.0.1");
    slow.on("error", () => undefined);
    slow.write("GET / HTTP/1.1\r\nHost: x\r\n");
    assert.equal((await world.ask("/")).status, 404);
    slow.destroy();
  });
});

describe("the console's port", () => {
  test("speaks gRPC over HTTP/2 in clear beside HTTP/1.1, with the same credentials and rules", async () => {
    await using world = await startConsole({
      routes: (router) => {
        router.service(AppService, { openApp: () => ({ url: "x" }) });
        router.service(PodService, {
          async *logs() {
            for (let i = 0; i < 3; i += 1) yield { pod: "a", line: String(i) };
          },
        });
      },
    });
    await world.run("web", (_req, res) => res.end("app"));
    const { port } = world;
    const sessions = new Http2SessionManager(`http://127.0.0.1:${port}`);
    const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${port}`, sessionManager: sessions });
    const apps = createClient(AppService, transport);
    assert.equal((await apps.openApp({ ref }, { headers: bearer })).url, "x");
    await assert.rejects(apps.openApp({ ref }), is(Code.Unauthenticated));
    await assert.rejects(apps.openApp({}, { headers: bearer }), is(Code.InvalidArgument));
    const lines = [];
    const pods = createClient(PodService, transport);
    for await (const { line } of pods.logs({ app: ref }, { headers: bearer })) lines.push(line);
    assert.deepEqual(lines, ["0", "1", "2"]);

    const session = connectHttp2(`http://127.0.0.1:${port}`);
    const stream = session.request({ ":path": "/apps/shop/web/http/", ...bearer });
    const [headers] = await once(stream, "response");
    assert.equal(headers[":status"], 200);
    assert.equal(Buffer.concat(await stream.toArray()).toString(), "app");
    session.close();
    sessions.abort();
    assert.equal((await world.ask("/apps/shop/web/http/", { headers: bearer })).text, "app");
  });

  test("tells the two apart however slowly the first bytes come", async () => {
    await using world = await startConsole();
    for (const [text, expected] of [
      ["PROPFIND / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", /^HTTP\/1\.1 404/],
      ["PRI * HTTP/1.1\r\nHost: x\r\n\r\n", /^HTTP\/1\.1 400/],
      ["GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", /^HTTP\/1\.1 404/],
    ] as const) {
      const socket = connect({ port: world.port, host: "127.0.0.1", noDelay: true });
      let answer = "";
      socket.on("data", (part) => {
        answer += part;
      });
      socket.on("error", () => undefined);
      for (const byte of text.slice(0, 16)) {
        socket.write(byte);
        await turn();
      }
      socket.write(text.slice(16));
      await new Promise((resolve) => socket.once("close", resolve));
      assert.match(answer, expected);
    }
  });
});
