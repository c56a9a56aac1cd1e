import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { constants } from "node:http2";
import { describe, test } from "node:test";
import { until } from "../patience.ts";
import { bearer, startConsole } from "./console-world.ts";
import { answerOf, connectHttp2 } from "./http2-client.ts";

const door = "/apps/shop/web/http";

describe("a client that speaks HTTP/2 at a door", () => {
  test("gets headers, several cookies, any body and trailers of an app that speaks HTTP/1.1", async () => {
    await using world = await startConsole();
    await world.run("web", async (req, res) => {
      const body = Buffer.concat(await req.toArray());
      const headers = ["Set-Cookie", "a=1", "Set-Cookie", "b=2", "Set-Cookie", "c=3; Domain=x", "Connection", "x-hop"];
      const seen = JSON.stringify({ raw: req.rawHeaders, trailers: req.trailers, url: req.url, method: req.method });
      res.writeHead(418, "Short", [...headers, "X-Hop", "1", "X-Seen", seen, "Trailer", "X-Sum"]);
      res.write(body);
      res.addTrailers({ "X-Sum": createHash("sha256").update(body).digest("hex") });
      res.end();
    });
    await using client = await connectHttp2(`http://127.0.0.1:${world.port}`, bearer);
    const bytes = randomBytes(3_000_000);
    const stream = client.start(
      `${door}/up?x`,
      { ":method": "PUT", cookie: ["a=1", "fairlead-app=secret", "b=2"], "x-forwarded-for": "6.6.6.6" },
      { waitForTrailers: true },
    );
    stream.on("wantTrailers", () => stream.sendTrailers({ "x-mine": "1", "set-cookie": "a=1" }));
    stream.end(bytes);
    const answer = await answerOf(stream);
    assert.equal(answer.headers[":status"], 418);
    assert.deepEqual(answer.headers["set-cookie"], ["a=1", "b=2"]);
    assert.equal(answer.headers["x-hop"], undefined);
    assert.deepEqual(answer.body, bytes);
    assert.equal(answer.trailers?.["x-sum"], createHash("sha256").update(bytes).digest("hex"));
    const seen = JSON.parse(String(answer.headers["x-seen"]));
    assert.equal(seen.url, "/up?x");
    assert.equal(seen.method, "PUT");
    assert.deepEqual(seen.trailers, { "x-mine": "1" });
    const raw = new Map<string, string>();
    for (let i = 0; i < seen.raw.length; i += 2) raw.set(seen.raw[i].toLowerCase(), seen.raw[i + 1]);
    assert.equal(raw.get("cookie"), "a=1; b=2", "one header, as HTTP/1.1 has it");
    assert.equal(raw.get("host"), `127.0.0.1:${world.port}`);
    assert.equal(raw.get("x-forwarded-for"), "127.0.0.1");
    assert.equal(raw.get("authorization"), undefined);
    assert.equal(raw.get("transfer-encoding"), "chunked");
  });

  test("is told 103, is asked for its body when the app wants it, and gets the door's explanations", async () => {
    await using world = await startConsole();
    const app = createServer((_req, res) => {
      res.writeEarlyHints({ link: "</a.css>; rel=preload" });
      res.end("ok");
    });
    app.on("checkContinue", (req, res) => {
      if (req.url === "/no") return void res.writeHead(417).end();
      res.writeContinue();
      req.resume().on("end", () => res.end("taken"));
    });
    await world.run("web", app);
    await using client = await connectHttp2(`http://127.0.0.1:${world.port}`, bearer);
    const hinted = await client.ask(`${door}/`);
    assert.deepEqual(
      hinted.informed.map((one) => [one[":status"], one.link]),
      [[103, "</a.css>; rel=preload"]],
    );
    assert.equal(String(hinted.body), "ok");
    const stream = client.start(`${door}/yes`, { ":method": "POST", expect: "100-continue" }, { endStream: false });
    const answered = answerOf(stream);
    await once(stream, "continue");
    stream.end("body");
    assert.equal(String((await answered).body), "taken");
    const refused = client.start(`${door}/no`, { ":method": "POST", expect: "100-continue" }, { endStream: false });
    assert.equal((await answerOf(refused)).headers[":status"], 417);
    const none = await client.ask("/apps/shop/none/http/");
    assert.equal(none.headers[":status"], 404);
    assert.equal(JSON.parse(String(none.body)).error.code, "no-such-app");
    const head = await client.ask(`${door}/`, { ":method": "HEAD" });
    assert.equal(head.headers[":status"], 200);
    assert.equal(head.body.length, 0);
  });

  test("sees a break as one, and its own going ends the app's work without making half an upload whole", async () => {
    await using world = await startConsole();
    const uploads: string[] = [];
    let half = false;
    await world.run("web", (req, res) => {
      if (req.method === "POST") {
        req.on("data", () => {
          half = true;
        });
        req.on("end", () => uploads.push("looked whole"));
        req.on("error", () => uploads.push("broken"));
        return;
      }
      if (req.url === "/length") res.setHeader("content-length", 1000);
      res.write("half");
      setImmediate(() => req.socket.destroy());
    });
    await using client = await connectHttp2(`http://127.0.0.1:${world.port}`, bearer);
    for (const path of ["/length", "/chunked"]) {
      const answer = await client.ask(`${door}${path}`);
      assert.equal(answer.headers[":status"], 200);
      assert.notEqual(answer.rstCode, constants.NGHTTP2_NO_ERROR, path);
    }
    // Node's client would end its body before it cancels; thrown away, it resets.
    for (const whole of [false, true]) {
      half = false;
      const stream = client.start(`${door}/`, { ":method": "POST" }, { endStream: false });
      stream.on("error", () => undefined);
      stream.write("half");
      await until("half of it is there", () => half);
      if (whole) client.session.destroy();
      else stream.destroy(new Error("gone"));
      await until("the app notices", () => uploads.length > 0);
      assert.deepEqual(uploads.splice(0), ["broken"]);
    }
    await until("nothing is left", () => world.agents.host.exit.size === 0);
  });

  test("reaches an app's host by its authority, signed in by cookie, and cannot name two hosts", async () => {
    await using world = await startConsole();
    await world.run("web", (req, res) => res.end(`${req.headers.host} ${req.headers.cookie}`));
    await using client = await connectHttp2(`http://127.0.0.1:${world.port}`);
    const authority = `web-shop-http.localhost:${world.port}`;
    const cookie = await world.signIn("web");
    const good = await client.ask("/", { ":authority": authority, cookie });
    assert.equal(String(good.body), `${authority} undefined`);
    assert.equal((await client.ask("/", { ":authority": authority })).headers[":status"], 401);
    const two = await client.ask("/", { ":authority": "localhost", host: authority, cookie });
    assert.equal(two.headers[":status"], 400);
    for (const path of ["http://web-shop-http.localhost/", "*"]) {
      const odd = await client.ask(path, { ":authority": authority, cookie });
      assert.equal(odd.headers[":status"] ?? 400, 400, path); // Node's parser resets some by itself.
      assert.equal(odd.body.includes(authority), false);
    }
  });
});
