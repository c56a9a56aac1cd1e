import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import { type AddressInfo, connect } from "node:net";
import { describe, type TestContext, test } from "node:test";
import type { TargetDoor } from "../../src/console/doors/target-door.ts";
import { admin, type ConsoleWorld, startConsole } from "./console-world.ts";

const service = { kind: "service", namespace: "shop", name: "web", port: 80 } as const;

/** A console, and a Service at its peer that says what it is asked. */
async function startShop(t: TestContext, http2 = false) {
  const answer = (req: { url?: string | undefined; headers: object }) =>
    JSON.stringify({ url: req.url, headers: req.headers });
  const server = http2
    ? createHttp2Server((req, res) => void res.end(answer(req)))
    : createServer((req, res) => void res.end(answer(req)));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const findService = async () => ({
    port: 80,
    async dial() {
      const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
      await once(socket, "connect");
      return socket;
    },
  });
  const world = await startConsole({ agents: { findService } });
  t.after(async () => {
    await world[Symbol.asyncDispose]();
    server.close();
  });
  return world;
}

function open(world: ConsoleWorld, more: Partial<TargetDoor> & { path?: string } = {}): URL {
  const opened = world.server.openTarget({ peer: "there", target: service, scheme: "http", path: "/", ...more }, admin);
  assert.ok(opened.ok);
  return new URL(opened.url);
}

/** The host of an address that was opened, and the cookie with which a browser stays in there. */
async function enter(world: ConsoleWorld, url: URL) {
  const answer = await world.ask(url.pathname + url.search, { headers: { host: url.host } });
  assert.equal(answer.status, 303, answer.text);
  const cookie = answer.headers["set-cookie"]?.[0]?.split(";")[0] ?? "";
  return { host: url.host, cookie, location: answer.headers.location };
}

function codeOf(text: string): string {
  return JSON.parse(text).error.code;
}

describe("the host of what is at a peer", () => {
  test("shows it to the browser that was let in, with nothing of the console's", async (t) => {
    const world = await startShop(t);
    const { location, ...browser } = await enter(world, open(world, { path: "/orders?of=today#top" }));
    assert.equal(location, "/orders?of=today#top");
    const headers = { ...browser, cookie: `${browser.cookie}; mine=1` };
    const seen = JSON.parse((await world.ask("/a%2Fb?x=1", { headers })).text);
    assert.equal(seen.url, "/a%2Fb?x=1");
    assert.equal(seen.headers.host, browser.host);
    assert.equal(seen.headers.cookie, "mine=1");
    assert.equal(seen.headers["x-forwarded-prefix"], undefined);
    const withToken = { ...headers, authorization: "Bearer flt_0123456789abcdefghijklmnopqrstuvwxyz" };
    assert.equal(JSON.parse((await world.ask("/", { headers: withToken })).text).headers.authorization, undefined);
  });

  test("lets nobody else in: no token, no other host's cookie, no code twice, no page of another site", async (t) => {
    const world = await startShop(t);
    const url = open(world);
    const { host, cookie } = await enter(world, url);
    const twice = await world.ask(url.pathname + url.search, { headers: { host } });
    assert.deepEqual([twice.status, codeOf(twice.text)], [401, "code-invalid"]);
    const bare = await world.ask("/", {
      headers: { host, authorization: "Bearer flt_0123456789abcdefghijklmnopqrstuvwxyz" },
    });
    assert.deepEqual([bare.status, codeOf(bare.text)], [401, "no-session"]);
    const other = open(world, { target: { ...service, name: "other" } });
    assert.notEqual(other.host, host);
    const crossed = await world.ask("/", { headers: { host: other.host, cookie } });
    assert.equal(crossed.status, 401);
    const code = await world.ask(other.pathname + other.search, { headers: { host } });
    assert.equal(code.status, 401, "a code is for one host");
    const foreign = { host, cookie, origin: "https://evil.example", "sec-fetch-site": "cross-site" };
    const forged = await world.ask("/", { method: "POST", headers: foreign });
    assert.deepEqual([forged.status, codeOf(forged.text)], [403, "foreign-page"]);
    const own = await world.ask("/.fairlead/other", { headers: { host, cookie } });
    assert.equal(own.status, 404);
  });

  test("is nobody's any more when another peer has come by the name, or none has it", async (t) => {
    const world = await startShop(t);
    const { host, cookie } = await enter(world, open(world));
    assert.equal((await world.ask("/", { headers: { host, cookie } })).status, 200);
    world.identity = "cd34";
    assert.equal((await world.ask("/", { headers: { host, cookie } })).status, 401);
    world.identity = "ab12";
    const later = await world.ask("/", { headers: { host, cookie } });
    assert.equal(later.status, 404, "it has to be opened again");
    assert.match(later.text, /fairlead target open/);
    world.identity = undefined;
    const asked = { peer: "there", target: service, scheme: "http", path: "/" } as const;
    assert.equal(world.server.openTarget(asked, admin).ok, false);
  });

  test("opens at paths of its own, and leads nowhere else", async (t) => {
    const world = await startShop(t);
    const asked = { peer: "there", target: service, scheme: "http" } as const;
    for (const path of ["//evil.example/", "https://evil.example/", "x", "/\\evil.example"]) {
      assert.equal(world.server.openTarget({ ...asked, path }, admin).ok, false, path);
    }
  });

  test("speaks as the target is said to, says what went wrong, and is never an app's", async (t) => {
    const world = await startShop(t, true);
    const { host, cookie } = await enter(world, open(world, { scheme: "h2c" }));
    assert.equal(JSON.parse((await world.ask("/x", { headers: { host, cookie } })).text).url, "/x");
    world.agents.permission = { allowed: false, rule: "tunnels/services", message: "Not this one." };
    const other = await enter(world, open(world, { target: { ...service, name: "other" } }));
    const denied = await world.ask("/", { headers: { host: other.host, cookie: other.cookie } });
    assert.deepEqual([denied.status, codeOf(denied.text)], [403, "refused"]);
    const long = open(world, { target: { ...service, name: "w".repeat(63) } });
    assert.match(long.hostname, /^[a-z0-9-]{1,46}-[0-9a-f]{16}\.localhost$/);
    // An app by whose name and port somebody would take a host that is opened already.
    const [start = ""] = other.host.split(".");
    const parts = start.split("-");
    const port = { name: parts.pop() ?? "", number: 80 };
    world.show({ namespace: parts.pop() ?? "", name: parts.join("-"), uid: "u", peer: "there", ports: [port] });
    const again = await world.ask("/", { headers: { host: other.host, cookie: other.cookie } });
    assert.equal(codeOf(again.text), "refused");
  });
});
