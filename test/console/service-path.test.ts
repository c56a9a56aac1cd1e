import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import { type AddressInfo, connect } from "node:net";
import { describe, test } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import { KubeError } from "../../src/kube/errors.ts";
import type { ServiceFinder } from "../../src/tunnel/service-way.ts";
import { bearer, startConsole } from "./console-world.ts";

/** A cluster with the Service shop/web, whose port 80 is called http. */
function only(local: () => number): ServiceFinder {
  return async ({ namespace, name }, port) => {
    const known = namespace === "shop" && name === "web" && (port === 80 || port === "http");
    if (!known) throw new KubeError({ status: 404, reason: "NotFound", message: "no such" });
    return {
      port: 80,
      async dial() {
        const socket = connect({ port: local(), host: "127.0.0.1", allowHalfOpen: true });
        await once(socket, "connect");
        return socket;
      },
    };
  };
}

async function listen(server: ReturnType<typeof createServer> | ReturnType<typeof createHttp2Server>) {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

describe("the door to a peer's Services", () => {
  test("passes requests on with the path as it was written, and upgrades", async () => {
    const service = createServer((req, res) => {
      if (req.url === "/go") return void res.writeHead(302, { location: "/login" }).end();
      res.end(JSON.stringify({ url: req.url, headers: req.headers }));
    });
    new WebSocketServer({ server: service }).on("connection", (socket) => socket.send("hello"));
    const local = await listen(service);
    await using world = await startConsole({ agents: { findService: only(() => local) } });
    const door = "/peers/there/services/shop/web/80";
    const answer = await world.ask(`${door}/a%2Fb?x=1`, { headers: { ...bearer, cookie: "a=1; fairlead-app=2" } });
    const seen = JSON.parse(answer.text);
    assert.equal(seen.url, "/a%2Fb?x=1");
    assert.equal(seen.headers.authorization, undefined);
    assert.equal(seen.headers.cookie, "a=1");
    assert.equal(seen.headers["x-forwarded-prefix"], door);
    assert.equal(answer.headers["content-security-policy"], "sandbox");
    assert.equal((await world.ask(`${door}/go`, { headers: bearer })).headers.location, `${door}/login`);
    assert.equal(
      JSON.parse((await world.ask("/peers/there/services/shop/web/http", { headers: bearer })).text).url,
      "/",
    );
    const socket = new WebSocket(`ws://127.0.0.1:${world.port}${door}/`, { headers: bearer });
    assert.equal(String((await once(socket, "message"))[0]), "hello");
    socket.terminate();
    service.closeAllConnections();
    service.close();
  });

  test("speaks HTTP/2 in clear to a Service whose name says so", async () => {
    const service = createHttp2Server((req, res) => void res.end(`${req.httpVersion} ${req.url}`));
    const local = await listen(service);
    await using world = await startConsole({ agents: { findService: only(() => local) } });
    const answer = await world.ask("/peers/there/services/shop/h2c:web/http/x", { headers: bearer });
    assert.equal(answer.text, "2.0 /x");
    service.close();
  });

  test("explains what is not there, not allowed, or no path of its own", async () => {
    await using world = await startConsole({ agents: { findService: only(() => 1) } });
    const ask = async (path: string) => {
      const { status, text } = await world.ask(`/peers/there/services/${path}`, { headers: bearer });
      return [status, JSON.parse(text).error.code];
    };
    assert.deepEqual(await ask("shop/none/80/"), [404, "not-found-at-peer"]);
    assert.deepEqual(await ask("shop/web/81/"), [404, "not-found-at-peer"]);
    assert.deepEqual(await ask("shop/web/80/"), [502, "broken"]);
    for (const path of [
      "",
      "shop",
      "shop/web",
      "shop/web/0/",
      "Shop/web/80/",
      "shop/10.0.0.1/80/",
      "shop/web/80/../../x",
      "shop/ftp:web/80/",
    ]) {
      assert.deepEqual(await ask(path), [404, "not-found"], path);
    }
    world.agents.permission = { allowed: false, rule: "tunnels/services", message: "Not this one." };
    assert.deepEqual(await ask("shop/web/80/"), [403, "refused"]);
    assert.equal((await world.ask("/peers/there/services/shop/web/80/")).status, 401);
    world.agents.originSession.close({ reason: 51, message: "cut" });
    world.presence = { connected: false, since: "2026-11-21T12:00:00Z" };
    const away = await world.ask("/peers/there/services/shop/web/80/", { headers: bearer });
    assert.equal(away.status, 503);
    assert.match(away.text, /no link to there since 2026-11-21T12:00:00Z/);
  });
});
