import assert from "node:assert/strict";
import { connect } from "node:net";
import { describe, test } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { principalKey } from "../../src/console/auth/principal.ts";
import { AppService } from "../../src/gen/fairlead/console/v1/app_service_pb.ts";
import { PodService } from "../../src/gen/fairlead/console/v1/pod_service_pb.ts";
import { until } from "../tunnel/until.ts";
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
    assert.equal(caller, "admin");
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
    const world = await startConsole({
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
    const startedAt = performance.now();
    const rejected = assert.rejects(lines.next(), is(Code.Unavailable));
    await world[Symbol.asyncDispose]();
    await rejected;
    assert.ok(performance.now() - startedAt < 4_000);
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
