import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, request, type Server } from "node:http";
import { connect } from "node:net";
import { pipeline } from "node:stream/promises";
import { describe, test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Way } from "../../src/console/auth/authenticator.ts";
import { until } from "../patience.ts";
import { bearer, startConsole, token } from "./console-world.ts";

/** Tells the caller what arrived. */
const mirror: RequestListener = async (req, res) => {
  const body = Buffer.concat(await req.toArray()).toString();
  res.setHeader("content-type", "application/json");
  res.end(JSON.stringify({ method: req.method, url: req.url, raw: req.rawHeaders, headers: req.headers, body }));
};

describe("the path door", () => {
  test("lets nobody in without a valid token, and takes no cookie", async () => {
    await using world = await startConsole();
    await world.run("web", mirror);
    assert.equal((await world.ask("/apps/shop/web/http/")).status, 401);
    const wrong = await world.ask("/apps/shop/web/http/", { headers: { authorization: "Bearer flt_wrong" } });
    assert.equal(wrong.status, 401);
    assert.match(wrong.headers["www-authenticate"] ?? "", /Bearer/);
    const { error } = JSON.parse(wrong.text);
    assert.deepEqual([error.message, /fairlead-admin-token/.test(error.hint)], ["This token is not valid here.", true]);
    const cookie = await world.signIn("web");
    assert.equal((await world.ask("/apps/shop/web/http/", { headers: { cookie } })).status, 401);
    assert.equal((await world.ask("/apps/shop/web/http/", { headers: bearer })).status, 200);
    // Without a token nobody learns what exists.
    assert.equal((await world.ask("/apps/shop/none/http/")).status, 401);
  });

  test("says that it is not known now who comes, and for whom that is, where nobody can say it", async () => {
    const trouble = { unavailable: Code.Unavailable, "too-many-requests": Code.ResourceExhausted };
    for (const [code, why] of Object.entries(trouble)) {
      const way: Way = {
        authenticate: () => Promise.reject(new ConnectError("The cluster does not say.", why)),
        present: () => undefined,
      };
      await using world = await startConsole({ ways: [way] });
      await world.run("web", mirror);
      for (const path of ["/apps/shop/web/http/", "/peers/there/services/shop/web/80/", "/session"]) {
        const { status, headers, text } = await world.ask(path, { headers: bearer });
        assert.deepEqual([status, JSON.parse(text).error.code], [why === Code.Unavailable ? 503 : 429, code], path);
        assert.equal(headers["retry-after"], "1");
      }
    }
  });

  test("sends a browser to the app's own host instead of showing a foreign page here", async () => {
    await using world = await startConsole();
    const app = await world.run("web", mirror);
    const answer = await world.ask(`/apps/shop/web/${app.ports[0]?.number}/a/b?c=d`, {
      headers: { accept: "text/html,*/*" },
    });
    assert.equal(answer.status, 307);
    assert.equal(answer.headers.location, `http://web-shop-http.localhost:${world.port}/a/b?c=d`);
    const api = await world.ask("/apps/shop/web/http/", { headers: bearer });
    assert.equal(api.headers["content-security-policy"], "sandbox");
  });

  test("gives the app the request as it was, without credentials and with what the door knows", async () => {
    await using world = await startConsole();
    await world.run("web", mirror);
    const answer = await world.ask("/apps/shop/web/http/a%2Fb//c?x=%20&y", {
      method: "PUT",
      body: "hello",
      headers: {
        ...bearer,
        cookie: "a=1; fairlead-app=secret; b=2; __Host-fairlead-app=secret",
        "x-forwarded-for": "6.6.6.6",
        x_forwarded_for: "6.6.6.6",
        forwarded: "for=6.6.6.6",
        "x-real-ip": "6.6.6.6",
        connection: "x-secret-hop, content-length, close",
        "x-secret-hop": "1",
        "proxy-authorization": "Basic eA==",
        "x-kept": ["one", "two"],
      },
    });
    const seen = JSON.parse(answer.text);
    assert.equal(seen.method, "PUT");
    assert.equal(seen.url, "/a%2Fb//c?x=%20&y");
    assert.equal(seen.body, "hello");
    assert.equal(seen.headers.cookie, "a=1; b=2");
    assert.equal(seen.headers["x-forwarded-for"], "127.0.0.1");
    assert.equal(seen.headers["x-forwarded-proto"], "http");
    assert.equal(seen.headers["x-forwarded-prefix"], "/apps/shop/web/http");
    assert.match(seen.headers.forwarded, /^for=127\.0\.0\.1;host="127\.0\.0\.1:\d+";proto=http$/);
    assert.equal(seen.headers["x-kept"], "one, two");
    for (const gone of ["authorization", "x-secret-hop", "proxy-authorization", "x_forwarded_for", "x-real-ip"]) {
      assert.equal(seen.headers[gone], undefined, gone);
    }
    assert.ok(!answer.text.includes(token) && !answer.text.includes("secret") && !answer.text.includes("6.6.6.6"));
  });

  test("gives the client the answer as it was: several Set-Cookie, status text, trailers, redirects under the prefix", async () => {
    await using world = await startConsole();
    await world.run("web", (req, res) => {
      if (req.url === "/go") {
        res.writeHead(302, { location: "/login?x" }).end();
        return;
      }
      res.writeHead(
        418,
        "Short And Stout",
        [
          ["Set-Cookie", "a=1"],
          ["Set-Cookie", "b=2; Path=/; HttpOnly"],
          ["Set-Cookie", "c=3; domain=localhost"],
          ["Set-Cookie", "__Host-d=4; Secure; Path=/"],
          ["Set-Cookie", "fairlead-app=5"],
          ["Connection", "x-hop"],
          ["X-Hop", "1"],
          ["Trailer", "X-Sum"],
          ["X-Kept", "1"],
        ].flat(),
      );
      res.write("body");
      res.addTrailers({ "X-Sum": "42" });
      res.end();
    });
    const req = request({
      port: world.port,
      host: "127.0.0.1",
      path: "/apps/shop/web/http/",
      headers: bearer,
      agent: false,
    }).end();
    const [res] = (await once(req, "response")) as [IncomingMessage];
    assert.equal(Buffer.concat(await res.toArray()).toString(), "body");
    assert.equal(res.statusCode, 418);
    assert.equal(res.statusMessage, "Short And Stout");
    assert.deepEqual(res.headers["set-cookie"], ["a=1", "b=2; Path=/; HttpOnly"]);
    assert.equal(res.headers["x-hop"], undefined);
    assert.equal(res.headers["x-kept"], "1");
    assert.deepEqual({ ...res.trailers }, { "x-sum": "42" });
    const redirect = await world.ask("/apps/shop/web/http/go", { headers: bearer });
    assert.equal(redirect.headers.location, "/apps/shop/web/http/login?x");
  });

  test("carries 24 MiB up and down, hashes equal", async () => {
    await using world = await startConsole();
    const size = 24 * 1024 * 1024;
    const chunk = randomBytes(64 * 1024);
    const expected = hashOf(chunk, size);
    await world.run("web", async (req, res) => {
      if (req.method === "GET") return pipeline(repeat(chunk, size), res).catch(() => undefined);
      const hash = createHash("sha256");
      for await (const part of req) hash.update(part);
      res.end(hash.digest("hex"));
    });
    const options = {
      port: world.port,
      host: "127.0.0.1",
      path: "/apps/shop/web/http/big",
      headers: bearer,
      agent: false,
    };
    const down = request(options).end();
    const [res] = (await once(down, "response")) as [IncomingMessage];
    const hash = createHash("sha256");
    for await (const part of res) hash.update(part);
    assert.equal(hash.digest("hex"), expected);
    const up = request({ ...options, method: "POST" });
    const answered = once(up, "response") as Promise<[IncomingMessage]>;
    await pipeline(repeat(chunk, size), up);
    const [echo] = await answered;
    assert.equal(Buffer.concat(await echo.toArray()).toString(), expected);
  });

  test("holds no body: whoever sends is slowed down by whoever does not read", async () => {
    await using world = await startConsole();
    const chunk = Buffer.alloc(256 * 1024);
    let sent = 0;
    const count = (part: Buffer): Buffer => {
      sent += part.length;
      return part;
    };
    await world.run("web", (req, res) => {
      if (req.method === "POST") return; // Reads nothing, and says nothing.
      pipeline(Iterator.from(repeat(chunk, 2 ** 30)).map(count), res).catch(() => undefined);
    });
    for (const method of ["GET", "POST"]) {
      sent = 0;
      const options = {
        port: world.port,
        host: "127.0.0.1",
        path: "/apps/shop/web/http/",
        headers: bearer,
        agent: false,
      };
      const req = request({ ...options, method });
      req.on("error", () => undefined).on("response", (res) => res.on("error", () => undefined).pause());
      if (method === "GET") req.end();
      else pipeline(Iterator.from(repeat(chunk, 2 ** 30)).map(count), req).catch(() => undefined);
      let last = -1;
      let stillSince = performance.now();
      await until("the sender stands still", () => {
        if (sent !== last) stillSince = performance.now();
        last = sent;
        return sent > 0 && performance.now() - stillSince > 100;
      });
      // Two sockets' worth of kernel buffers, and the credit of one stream.
      assert.ok(sent < 32 * 1024 * 1024, `${method}: ${sent} bytes were taken`);
      req.destroy();
    }
  });

  test("passes the first byte on when the app sends it, and tells the app at once that the client has gone", async () => {
    await using world = await startConsole();
    let gone = false;
    await world.run("web", (_req, res) => {
      res.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
      res.write("data: 1\n\n");
      res.once("close", () => {
        gone = true;
      });
    });
    const req = request({
      port: world.port,
      host: "127.0.0.1",
      path: "/apps/shop/web/http/",
      headers: bearer,
      agent: false,
    }).end();
    const [res] = (await once(req, "response")) as [IncomingMessage];
    const [first] = await once(res, "data");
    assert.equal(String(first), "data: 1\n\n");
    assert.equal(gone, false);
    res.destroy();
    await until("the app notices", () => gone);
    await until("nothing is left at the host", () => world.agents.host.exit.size === 0);
  });

  test("gives up the dial and the app's work when the client goes before there is an answer", async () => {
    await using world = await startConsole();
    let arrived = false;
    let gone = false;
    await world.run("web", (req) => {
      arrived = true;
      req.socket.once("close", () => {
        gone = true;
      });
    });
    const req = request({
      port: world.port,
      host: "127.0.0.1",
      path: "/apps/shop/web/http/",
      headers: bearer,
      agent: false,
    }).end();
    req.on("error", () => undefined);
    await until("the app has the request", () => arrived);
    req.destroy();
    await until("the app notices", () => gone);
  });

  test("explains what is missing: no such app, no such port, not HTTP, not placed, not ready, refused, away, broken", async () => {
    await using world = await startConsole();
    const app = await world.run("web", mirror);
    const ask = async (path: string) => {
      const { status, text } = await world.ask(path, { headers: { ...bearer, accept: "application/json" } });
      return [status, JSON.parse(text).error.code];
    };
    assert.deepEqual(await ask("/apps/shop/none/http/"), [404, "no-such-app"]);
    assert.deepEqual(await ask("/apps/shop/web/admin/"), [404, "no-such-port"]);
    world.show({ ...app, name: "db", ports: [{ number: 5432, appProtocol: "tcp" }] });
    assert.deepEqual(await ask("/apps/shop/db/5432/"), [421, "not-http"]);
    world.show({ ...app, name: "new", peer: undefined });
    assert.deepEqual(await ask("/apps/shop/new/http/"), [503, "not-placed"]);
    world.show({ ...app, name: "later" });
    assert.deepEqual(await ask("/apps/shop/later/http/"), [404, "not-found-at-peer"]);
    world.agents.offer("web", 1, { ready: false, message: "CrashLoopBackOff" });
    assert.deepEqual(await ask("/apps/shop/web/http/"), [404, "not-found-at-peer"], "the port has changed there");
    world.agents.offer("slow", 1, { ready: false, message: "CrashLoopBackOff" });
    world.show({ ...app, name: "slow", uid: "uid-slow", ports: [{ name: "http", number: 1 }] });
    assert.deepEqual(await ask("/apps/shop/slow/http/"), [503, "not-ready"]);
    world.agents.offer("web", app.ports[0]?.number ?? 0, { ready: false, message: "one of two is not ready" });
    assert.equal((await world.ask("/apps/shop/web/http/", { headers: bearer })).status, 200);
    world.agents.permission = { allowed: false, rule: "grants/apps", message: "No grant." };
    world.agents.host.exit.review(() => world.agents.caller); // The connection that is kept for the next request goes too.
    assert.deepEqual(await ask("/apps/shop/web/http/"), [403, "refused"]);
    world.agents.permission = { allowed: true };
    world.agents.offer("gone", 1);
    world.show({ ...app, name: "gone", uid: "uid-gone", ports: [{ name: "http", number: 1 }] });
    assert.deepEqual(await ask("/apps/shop/gone/http/"), [502, "broken"]);
    world.agents.originSession.close({ reason: 51, message: "cut" });
    world.presence = { connected: false, since: "2026-11-21T12:00:00Z", lastError: "connection refused" };
    const away = await world.ask("/apps/shop/web/http/", { headers: { ...bearer, accept: "text/html" } });
    assert.equal(away.status, 503);
    assert.match(away.text, /no link to there since 2026-11-21T12:00:00Z.*connection refused/);
    assert.ok(away.headers["retry-after"]);
  });

  test("repeats a request that may be repeated when the app has just ended its idle connection", async () => {
    await using world = await startConsole();
    let connections = 0;
    const app: Server = createServer((req, res) => {
      res.end("ok");
      // The connection looks reusable and is gone a moment later.
      res.once("finish", () => setImmediate(() => req.socket.destroy()));
    });
    app.on("connection", () => {
      connections += 1;
    });
    await world.run("web", app);
    for (let i = 0; i < 20; i += 1) {
      const answer = await world.ask("/apps/shop/web/http/", { headers: bearer });
      assert.equal(answer.status, 200);
    }
    assert.ok(connections >= 20);
  });

  test("uses one connection for requests that follow one another, and lets it go when idle", async () => {
    await using world = await startConsole();
    let connections = 0;
    const app = createServer((_req, res) => res.end("ok"));
    app.on("connection", () => {
      connections += 1;
    });
    await world.run("web", app);
    for (let i = 0; i < 10; i += 1)
      assert.equal((await world.ask("/apps/shop/web/http/", { headers: bearer })).text, "ok");
    assert.equal(connections, 1);
    await until("the idle connection is gone", () => world.agents.host.exit.size === 0);
  });

  test("hands an early refusal of an upload to the client", async () => {
    await using world = await startConsole();
    await world.run("web", (_req, res) => {
      res.writeHead(413, { connection: "close" }).end("too large");
    });
    const socket = connect(world.port, "127.0.0.1");
    socket.on("error", () => undefined);
    socket.write(
      `POST /apps/shop/web/http/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Length: 100000000\r\n\r\nabc`,
    );
    let text = "";
    for await (const part of socket) {
      text += part;
      if (text.includes("too large")) break;
    }
    assert.match(text, /^HTTP\/1\.1 413 /);
  });

  test("lets the app decide about Expect: 100-continue", async () => {
    await using world = await startConsole();
    const app = createServer(mirror);
    app.on("checkContinue", (req, res) => {
      if (req.url === "/no") {
        res.writeHead(417).end();
        return;
      }
      res.writeContinue();
      void mirror(req, res);
    });
    await world.run("web", app);
    const send = async (path: string) => {
      const headers = { ...bearer, expect: "100-continue", "content-length": "5" };
      const req = request({ port: world.port, host: "127.0.0.1", method: "POST", path, headers, agent: false });
      let continued = false;
      req.on("continue", () => {
        continued = true;
        req.end("hello");
      });
      req.flushHeaders();
      const [res] = (await once(req, "response")) as [IncomingMessage];
      res.resume();
      req.destroy();
      return [continued, res.statusCode];
    };
    assert.deepEqual(await send("/apps/shop/web/http/yes"), [true, 200]);
    assert.deepEqual(await send("/apps/shop/web/http/no"), [false, 417]);
  });
});

function* repeat(chunk: Buffer, size: number): Generator<Buffer> {
  for (let sent = 0; sent < size; sent += chunk.length) yield chunk;
}

function hashOf(chunk: Buffer, size: number): string {
  const hash = createHash("sha256");
  for (const part of repeat(chunk, size)) hash.update(part);
  return hash.digest("hex");
}
