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
import { TunnelError } from "../../src/tunnel/tunnel-error.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { authority, startConsole } from "./console-world.ts";

const principal = { name: "zoë", role: "admin" } as const;

function makeTokens() {
  const clock = createFakeClock();
  const key = createSecretKey(randomBytes(32));
  const tokens = createDoorTokens({ key, door: "kubernetes", clock });
  return { clock, key, tokens };
}

describe("a token for a peer's Kubernetes API", () => {
  test("is whose it was made for, for ten minutes, and for that door of that peer alone", async () => {
    const { clock, key, tokens } = makeTokens();
    const bearer = `Bearer ${tokens.mint(principal, "there").token.reveal()}`;
    assert.deepEqual(tokens.authenticate(bearer, "there"), principal);
    assert.equal(tokens.authenticate(bearer, "elsewhere"), undefined);
    assert.equal(createDoorTokens({ key, door: "other", clock }).authenticate(bearer, "there"), undefined);
    assert.equal(
      createDoorTokens({ key: createSecretKey(randomBytes(32)), door: "kubernetes", clock }).authenticate(
        bearer,
        "there",
      ),
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
});

type Noted = Parameters<KubernetesPathDeps["note"]>[0];

/** A console whose way to the peer ends in `forward`. */
async function startDoor(forward: KubernetesPathDeps["http"]["forward"]) {
  const { tokens } = makeTokens();
  const noted: Noted[] = [];
  const door = createKubernetesPath({
    http: { forward, start: () => assert.fail("no upgrade here"), close: () => undefined },
    tokens,
    note: (asked) => void noted.push(asked),
    presence: () => ({ connected: false, since: "2026-01-01T00:00:00Z" }),
    log: silentLog,
  });
  const world = await startConsole({ peerDoors: { kubernetes: door } });
  const headers = { authorization: `Bearer ${tokens.mint(principal, "there").token.reveal()}` };
  return { world, headers, noted, door };
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
    const expected = ["/api/v1/pods?limit=1", destination, true, person, "/peers/there/kubernetes"];
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
      const answer = await world.ask("/peers/there/kubernetes/api", { headers });
      const status = JSON.parse(answer.text);
      assert.deepEqual([answer.status, status.kind, status.reason, status.code], [code, "Status", reason, code]);
      assert.match(status.message, /^peer there.*Because\./);
      assert.equal(answer.headers["retry-after"], failure === "overloaded" ? "1" : undefined);
      assert.equal(noted.at(-1)?.verdict, failure === "denied" ? "denied" : "failed");
    }
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
