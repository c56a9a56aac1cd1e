import assert from "node:assert/strict";
import { createSecretKey, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { Agent, request } from "node:https";
import { duplexPair } from "node:stream";
import { text } from "node:stream/consumers";
import { describe, test } from "node:test";
import { silentLog } from "../../src/base/log.ts";
import { createDoorTokens } from "../../src/console/auth/door-token.ts";
import { createKubernetesPath, type KubernetesPathDeps } from "../../src/console/doors/kubernetes-path.ts";
import { consoleCookies } from "../../src/console/doors/pass-on.ts";
import { TunnelError } from "../../src/tunnel/tunnel-error.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { authority, bearer, startConsole } from "./console-world.ts";
import { accessBy, createOffice, person } from "./people.ts";

const principal = person("zoë");

function makeTokens() {
  const clock = createFakeClock();
  const key = createSecretKey(randomBytes(32));
  const office = createOffice({ hers: principal });
  const tokens = createDoorTokens({ key, door: "kubernetes", authenticator: office, clock });
  return { clock, key, tokens, office };
}

describe("a token for a peer's Kubernetes API", () => {
  test("is whose it was made for, for ten minutes, and for that door of that peer alone", async () => {
    const { clock, key, tokens, office } = makeTokens();
    const bearer = `Bearer ${tokens.mint(principal, "there").token.reveal()}`;
    assert.deepEqual(tokens.authenticate(bearer, "there"), principal);
    assert.equal(tokens.authenticate(bearer, "elsewhere"), undefined);
    assert.equal(
      createDoorTokens({ key, door: "other", authenticator: office, clock }).authenticate(bearer, "there"),
      undefined,
    );
    assert.equal(
      createDoorTokens({
        key: createSecretKey(randomBytes(32)),
        door: "kubernetes",
        authenticator: office,
        clock,
      }).authenticate(bearer, "there"),
      undefined,
    );
    for (const bad of [
      undefined,
      "",
      "Bearer x",
      `${bearer}A`,
      bearer.replace("flk_", "flk_A"),
      "Bearer flk_e30.AAAA",
    ]) {
      assert.equal(tokens.authenticate(bad, "there"), undefined, bad);
    }
    await clock.advance(10 * 60_000 - 1);
    assert.deepEqual(tokens.authenticate(bearer, "there"), principal);
    await clock.advance(1);
    assert.equal(tokens.authenticate(bearer, "there"), undefined);
  });

  test("counts for as long as it was asked for, and no longer than what it was asked for by", async () => {
    const { clock, tokens, office } = makeTokens();
    const { token, expires } = tokens.mint(principal, "there", 3_600_000);
    const bearer = `Bearer ${token.reveal()}`;
    assert.equal(expires, clock.now() + 3_600_000);
    await clock.advance(3_599_999);
    assert.deepEqual(tokens.authenticate(bearer, "there"), principal);
    office.people.delete("hers");
    assert.equal(tokens.authenticate(bearer, "there"), undefined);
    office.people.set("hers", principal);
    await clock.advance(1);
    assert.equal(tokens.authenticate(bearer, "there"), undefined);
  });
});

type Noted = Parameters<KubernetesPathDeps["note"]>[0];

/** A console whose way to the peer ends in `forward`. */
async function startDoor(forward: KubernetesPathDeps["http"]["forward"]) {
  const { tokens, office, clock } = makeTokens();
  const noted: Noted[] = [];
  const door = createKubernetesPath({
    http: { forward, start: () => assert.fail("no upgrade here"), close: () => undefined },
    tokens,
    guard: accessBy([office], clock).doors,
    note: (asked) => void noted.push(asked),
    presence: () => ({ connected: false, since: "2026-01-01T00:00:00Z" }),
    log: silentLog,
  });
  const world = await startConsole({ peerDoors: { kubernetes: door } });
  const headers = { authorization: `Bearer ${tokens.mint(principal, "there").token.reveal()}` };
  return { world, headers, noted, door, office, clock, tokens };
}

describe("the door to a peer's Kubernetes API", () => {
  test("says who asks to the peer, as this console knows them, over HTTP/1.1 and HTTP/2", async () => {
    const passed: unknown[] = [];
    const { world, headers, noted } = await startDoor(async (_req, res, passage) => {
      passed.push([
        passage.path,
        passage.destination,
        passage.stripAuthorization,
        passage.requestHeaders,
        passage.arrival.prefix,
        passage.consoleCookies,
      ]);
      res.statusCode = 200;
      res.end("{}");
    });
    await using _world = world;
    const path = "/peers/there/kubernetes/api/v1/pods?limit=1";
    const req = request({
      host: "127.0.0.1",
      port: world.port,
      path,
      headers,
      ca: authority.certPem,
      agent: new Agent(),
    });
    req.end();
    const [res] = await once(req, "response");
    res.resume();
    assert.equal(res.statusCode, 200);
    const session = connectHttp2(`https://127.0.0.1:${world.port}`, { ca: authority.certPem });
    const stream = session.request({ ":path": path, ...headers });
    const [answered] = await once(stream, "response");
    assert.equal(answered[":status"], 200);
    session.destroy();
    const person = ["Fairlead-Person", Buffer.from("zoë").toString("latin1")];
    const destination = { peer: "there", target: { kind: "kubernetes" }, person: "zoë" };
    const expected = ["/api/v1/pods?limit=1", destination, true, person, "/peers/there/kubernetes", consoleCookies];
    assert.ok(consoleCookies.includes("__Host-fairlead"));
    assert.deepEqual(passed, [expected, expected]);
    const note = { peer: "there", person: "zoë", method: "GET", path: "/api/v1/pods", verdict: "allowed" };
    assert.deepEqual(noted, [note, note]);
    assert.equal(
      (await world.ask("/peers/there/services/a/b/1/", { headers })).status,
      401,
      "no other door takes the token",
    );
    assert.equal((await world.ask(path)).status, 401);
  });

  test("says what went wrong as an API server would, without making kubectl wait", async () => {
    for (const [failure, code, reason] of [
      ["denied", 403, "Forbidden"],
      ["away", 503, "ServiceUnavailable"],
      ["overloaded", 429, "TooManyRequests"],
      ["timeout", 504, "Timeout"],
      ["not-found", 404, "NotFound"],
      ["broken", 503, "ServiceUnavailable"],
    ] as const) {
      const { world, headers, noted } = await startDoor(() => Promise.reject(new TunnelError(failure, "Because.")));
      await using _world = world;
      const answer = await world.ask("/peers/there/kubernetes/api/v1/pods", { headers });
      const status = JSON.parse(answer.text);
      assert.deepEqual([answer.status, status.kind, status.reason, status.code], [code, "Status", reason, code]);
      assert.match(status.message, /^peer there.*Because\./);
      assert.equal(answer.headers["retry-after"], failure === "overloaded" ? "1" : undefined);
      for (const list of ["/api", "/apis?timeout=32s"]) {
        const plain = await world.ask(`/peers/there/kubernetes${list}`, { headers });
        assert.match(plain.headers["content-type"] ?? "", /^text\/plain/, "client-go shows it of these");
        assert.equal(plain.text, `${status.message}\n`);
      }
      assert.equal(noted.at(-1)?.verdict, failure === "denied" ? "denied" : "failed");
    }
  });

  test("tells who has no good token, and of no such peer, what kubectl can show", async () => {
    const { world, headers } = await startDoor(() => assert.fail("nothing passes"));
    await using _world = world;
    for (const [asked, code, reason, says] of [
      [
        world.ask("/peers/there/kubernetes/api/v1/pods"),
        401,
        "Unauthorized",
        /takes a bearer token.*fairlead-admin-token/,
      ],
      [
        world.ask("/peers/there/kubernetes/api/v1/pods", { headers: { authorization: "Bearer x" } }),
        401,
        "Unauthorized",
        /not valid/,
      ],
      [
        world.ask("/peers/none/kubernetes/api/v1/pods", { headers: bearer }),
        404,
        "NotFound",
        /There is no peer none\..*peer list/,
      ],
      [world.ask("/peers/there/kubernetes/../x", { headers }), 404, "NotFound", /dot segments/],
    ] as const) {
      const answer = await asked;
      const status = JSON.parse(answer.text);
      assert.deepEqual([answer.status, status.kind, status.code, status.reason], [code, "Status", code, reason]);
      assert.match(status.message, says);
      assert.equal(answer.headers["www-authenticate"], code === 401 ? 'Bearer realm="fairlead"' : undefined);
    }
  });

  test("breaks off what runs by a credential that is withdrawn, within a second, and nothing else", async () => {
    const { world, headers, office, clock, tokens } = await startDoor(async (_req, res) => {
      res.statusCode = 200;
      if ("flushHeaders" in res) res.flushHeaders();
      await once(res, "close");
    });
    await using _world = world;
    office.people.set("theirs", person("kim"));
    const other = tokens.mint(person("kim"), "there").token.reveal();
    const watching = async (sent: Record<string, string>) => {
      const path = "/peers/there/kubernetes/api?watch=1";
      const req = request({ host: "127.0.0.1", port: world.port, path, headers: sent, ca: authority.certPem });
      req.end();
      const [res] = await once(req, "response");
      res.on("error", () => undefined).resume();
      return { res, ended: new Promise((resolve) => res.once("close", resolve)) };
    };
    const hers = await watching(headers);
    const theirs = await watching({ authorization: `Bearer ${other}` });
    await clock.advance(10_000);
    office.people.delete("hers");
    await clock.advance(1_000);
    await hers.ended;
    assert.equal(hers.res.complete, false, "it looks broken");
    assert.equal(theirs.res.destroyed, false);
    assert.equal((await world.ask("/peers/there/kubernetes/api/v1/pods", { headers })).status, 401);
  });

  test("is closed on clear text but from this very machine, for a token is shown there", async () => {
    const { world, headers, door } = await startDoor(() => assert.fail("nothing passes"));
    await using _world = world;
    const asked = {
      peer: "there",
      rest: "/api",
      query: "",
      principal,
      secure: false,
      prefix: "/peers/there/kubernetes",
    };
    const server = createServer((req, res) => void door.serve({ kind: "http", req, res }, asked));
    const [client, connection] = duplexPair();
    Object.defineProperty(connection, "remoteAddress", { value: "10.0.0.7" });
    server.emit("connection", connection);
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    client.write(
      `GET /peers/there/kubernetes/api HTTP/1.1\r\nHost: here\r\nConnection: close\r\n${lines.join("")}\r\n`,
    );
    const said = await text(client);
    assert.match(said, /^HTTP\/1\.1 400 /);
    assert.match(said, /over TLS only/);
  });
});
