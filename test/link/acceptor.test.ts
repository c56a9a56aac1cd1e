import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { buffer } from "node:stream/consumers";
import { suite, type TestContext, test } from "node:test";
import { silentLog } from "../../src/base/log.ts";
import { groupOf, Strangers } from "../../src/link/strangers.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { patience, until } from "../patience.ts";
import { newAgent } from "./agents.ts";
import { dialFrom, openHarbour, provesItself } from "./linked.ts";

const upgrade = (path: string, more = ""): string =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n${more}\r\n`;
const key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";

suite("everything but a link", () => {
  const requests: Record<string, string> = {
    "the root": "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a path that is served elsewhere": "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
    "the link's path without an upgrade": "GET /link HTTP/1.1\r\nHost: x\r\n\r\n",
    "a post with a body that does not end": "POST /link HTTP/1.1\r\nHost: x\r\nContent-Length: 999999\r\n\r\nabc",
    "no host": "GET / HTTP/1.1\r\n\r\n",
    "an expectation": "PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    "a strange expectation": "PUT / HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\nContent-Length: 5\r\n\r\n",
    "keep-alive": "GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n",
    "several requests at once": "GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n",
    "an upgrade elsewhere": upgrade("/other", key),
    "an upgrade below the path": upgrade("/link/more", key),
    "an upgrade with the path in the query": upgrade("/?x=/link", key),
    "an upgrade without a key": upgrade("/link"),
    "an upgrade by another method": upgrade("/link", key).replace("GET", "POST"),
    "an upgrade to something else": upgrade("/link", key).replace("websocket", "h2c"),
    "an old version of WebSocket": upgrade("/link", key).replace("13", "7"),
  };
  for (const [name, request] of Object.entries(requests)) {
    test(`gets the same bare 404 and is cut: ${name}`, async (t) => {
      const { socket } = await visitor(t);
      socket.write(request);
      const answer = (await buffer(socket)).toString();
      assert.match(answer, /^HTTP\/1\.1 404 Not Found\r\n/);
      const headers = answer
        .split("\r\n")
        .slice(1, -2)
        .map((line) => line.toLowerCase());
      assert.deepEqual(headers.toSorted(), ["connection: close", "content-length: 0"]);
    });
  }

  test("gets no answer at all when it is not HTTP, or has a head over 8 KiB", async (t) => {
    const heads = [
      "\x16\x03\x01\x02\x00\x01\x00",
      "SSH-2.0-x\r\n",
      `GET /link HTTP/1.1\r\nx: ${"y".repeat(9_000)}\r\n\r\n`,
      "CONNECT x:1 HTTP/1.1\r\n\r\n",
    ];
    for (const head of heads) {
      const { socket } = await visitor(t);
      socket.write(head);
      assert.equal((await buffer(socket)).length, 0);
    }
  });
});

test("strangers that are turned away are counted once each, by why; who leaves by itself is not", async (t) => {
  const clock = createFakeClock();
  const { socket: silent, acceptor, port } = await visitor(t, { clock });
  const refused = () => Object.fromEntries(acceptor.stats().refused);
  const say = async (bytes: string): Promise<void> => {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {});
    socket.write(bytes, "latin1");
    await buffer(socket).catch(() => undefined);
  };
  await say("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  await say(upgrade("/other", key));
  await say(upgrade("/link"));
  await say("SSH-2.0-x\r\n");
  await say(`${upgrade("/link", key)}\x82\x85\0\0\0\0hello`);
  const passing = connect(port, "127.0.0.1");
  await once(passing, "connect");
  await until("both are there", () => acceptor.stats().strangers === 2);
  passing.destroy();
  await until("it has left", () => acceptor.stats().strangers === 1);
  const cut = once(silent.resume(), "close", { signal: patience() });
  await clock.advance(10_000);
  await cut;
  assert.deepEqual(refused(), { "not-found": 3, malformed: 1, handshake: 1, timeout: 1 });
});

test("a stranger that is crowded out in the middle of its handshake is counted once", async (t) => {
  const far = await newAgent(t);
  const { acceptor, port } = await openHarbour(t, far, { limits: { strangersPerAddress: 1 } });
  const first = connect(port, "127.0.0.1");
  first.on("error", () => {});
  first.write(upgrade("/link", key));
  await once(first, "data", { signal: patience() });
  const cut = once(first.resume(), "close", { signal: patience() });
  const second = connect(port, "127.0.0.1");
  second.on("error", () => {});
  await cut;
  second.end("SSH-2.0-x\r\n");
  await until("both are gone", () => acceptor.stats().strangers === 0);
  assert.deepEqual(Object.fromEntries(acceptor.stats().refused), { "crowded-out": 1, malformed: 1 });
});

suite("a stranger who only holds on is cut after 10 s, wherever it stands:", () => {
  const stands: Record<string, string> = {
    silence: "",
    "half a request line": "GET /li",
    "a head that never ends": "GET /link HTTP/1.1\r\nx: y\r\n",
    "a WebSocket with nothing in it": upgrade("/link", key),
    "half of a message": `${upgrade("/link", key)}\x82\xfe\x00`,
  };
  for (const [name, bytes] of Object.entries(stands)) {
    test(name, async (t) => {
      const clock = createFakeClock();
      const { socket, acceptor } = await visitor(t, { clock });
      socket.write(bytes, "latin1");
      const closed = once(socket, "close", { signal: patience() });
      socket.resume();
      if (bytes.includes("Key")) await once(socket, "data", { signal: patience() });
      await clock.advance(9_999);
      assert.equal(acceptor.stats().strangers, 1);
      await clock.advance(1);
      await closed;
      await until("it is forgotten", () => acceptor.stats().strangers === 0);
      await acceptor.close();
      assert.equal(clock.timers, 0);
    });
  }

  test("one byte a second, which looks alive", async (t) => {
    const clock = createFakeClock();
    const { socket, acceptor } = await visitor(t, { clock });
    const closed = once(socket.resume(), "close", { signal: patience() });
    for (const byte of "GET /link ") {
      assert.equal(acceptor.stats().strangers, 1);
      socket.write(byte);
      await clock.advance(1_000);
    }
    await closed;
    await until("it is forgotten", () => acceptor.stats().strangers === 0);
  });
});

test("a flood of strangers holds no more than its bound, the oldest give way, and links are made and work on", async (t) => {
  const [near, other, far] = [await newAgent(t), await newAgent(t), await newAgent(t)];
  const harbour = await openHarbour(t, far, { limits: { strangers: 32, strangersPerAddress: 16 } });
  const to = { url: `ws://127.0.0.1:${harbour.port}/link`, pin: far.identity.fingerprint };
  const before = await dialFrom(t, near, to);
  const flood: Socket[] = [];
  t.after(() => {
    for (const socket of flood) socket.destroy();
  });
  for (let index = 0; index < 200; index += 1) {
    const socket = connect(harbour.port, "127.0.0.1");
    socket.on("error", () => {});
    flood.push(socket.resume());
    await once(socket, "connect");
    assert.ok(harbour.acceptor.stats().strangers <= 16);
  }
  await until("all but 16 are cut", () => flood.filter((socket) => socket.destroyed).length >= 184);
  assert.deepEqual(Object.fromEntries(harbour.acceptor.stats().refused), { "crowded-out": 184 });
  assert.ok(
    flood.slice(-10).every((socket) => !socket.destroyed),
    "the newest were cut instead of the oldest",
  );
  const during = await dialFrom(t, other, to);
  await Promise.all([provesItself(before), provesItself(during)]);
});

test("a thousand strangers with a WebSocket each and half a message in it stay within their number and leave nothing behind", async (t) => {
  const { acceptor, port } = await visitor(t);
  for (let round = 0; round < 10; round += 1) {
    const sockets = Array.from({ length: 100 }, () => connect(port, "127.0.0.1"));
    await Promise.all(
      sockets.map(async (socket) => {
        socket.on("error", () => {});
        socket.resume();
        socket.write(
          Buffer.concat([
            Buffer.from(upgrade("/link", key)),
            Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0]),
            Buffer.alloc(60_000),
          ]),
        );
        await once(socket, "connect");
      }),
    );
    assert.ok(acceptor.stats().strangers <= 128);
    for (const socket of sockets) socket.destroy();
  }
  await until("all are forgotten", () => acceptor.stats().strangers <= 1);
});

test("a stranger that resets its connection at any moment ends nothing but that", async (t) => {
  const [near, far] = [await newAgent(t), await newAgent(t)];
  const harbour = await openHarbour(t, far);
  for (const request of ["", upgrade("/other", key), upgrade("/link"), upgrade("/link", key)]) {
    for (let index = 0; index < 10; index += 1) {
      const socket = connect(harbour.port, "127.0.0.1");
      socket.on("error", () => {});
      await once(socket, "connect");
      socket.write(request);
      if (index % 2 === 0) await once(socket, "drain", { signal: AbortSignal.timeout(1) }).catch(() => {});
      socket.resetAndDestroy();
    }
  }
  await until("all are gone", () => harbour.acceptor.stats().strangers === 0);
  await provesItself(
    await dialFrom(t, near, { url: `ws://127.0.0.1:${harbour.port}/link`, pin: far.identity.fingerprint }),
  );
});

test("refused strangers are logged once in ten seconds, with a count of the rest", async (t) => {
  const clock = createFakeClock();
  const lines: string[] = [];
  const log = {
    ...silentLog,
    warn: (fields: object, message: string) => void lines.push(JSON.stringify({ ...fields, message })),
  };
  const { port } = await visitor(t, { clock, log });
  for (let index = 0; index < 5; index += 1) {
    const socket = connect(port, "127.0.0.1");
    socket.write(Buffer.concat([Buffer.from(upgrade("/link", key)), Buffer.from([0xff, 0xff])]));
    await once(socket.resume(), "close", { signal: patience() });
  }
  assert.equal(lines.length, 1);
  await clock.advance(10_000);
  assert.equal(lines.length, 2);
  assert.match(lines[1] ?? "", /"count":4/);
});

test("closing cuts strangers, frees the port and leaves links alone", async (t) => {
  const [near, far] = [await newAgent(t), await newAgent(t)];
  const harbour = await openHarbour(t, far);
  const link = await dialFrom(t, near, { url: `ws://127.0.0.1:${harbour.port}/link`, pin: far.identity.fingerprint });
  const stranger = connect(harbour.port, "127.0.0.1");
  stranger.on("error", () => {});
  await until("the stranger is there", () => harbour.acceptor.stats().strangers === 1);
  await harbour.acceptor.close();
  await once(stranger.resume(), "close", { signal: patience() });
  await provesItself(link);
  const again = await openHarbour(t, far);
  await again.acceptor.close();
  await assert.rejects(once(connect(harbour.port, "127.0.0.1"), "connect"), /ECONNREFUSED/);
});

test("a port that is taken is an error, not a silent agent", async (t) => {
  const { port } = await visitor(t);
  const harbour = await openHarbour(t, await newAgent(t));
  await harbour.acceptor.close();
  await assert.rejects(harbour.acceptor.listen(port, "127.0.0.1"), /EADDRINUSE/);
});

suite("strangers", () => {
  test("are counted by address: IPv4 also when mapped, IPv6 by its /64", () => {
    assert.equal(groupOf("10.1.2.3"), "10.1.2.3");
    assert.equal(groupOf("::ffff:10.1.2.3"), "10.1.2.3");
    assert.equal(groupOf("2001:db8:0:1::5"), groupOf("2001:0db8::1:ffff:ffff:ffff:ffff"));
    assert.notEqual(groupOf("2001:db8:0:1::5"), groupOf("2001:db8:0:2::5"));
    assert.equal(groupOf("::1"), "0:0:0:0::/64");
    assert.equal(groupOf("fe80::1%eth0"), groupOf("fe80::2%eth1"));
  });

  test("of one address push out their own before those of others", () => {
    const cut: string[] = [];
    const strangers = new Strangers({ total: 4, perAddress: 2 });
    const admit = (address: string, name: string) => strangers.admit(address, () => void cut.push(name));
    admit("10.0.0.1", "a1");
    admit("10.0.0.2", "b1");
    admit("10.0.0.1", "a2");
    admit("10.0.0.1", "a3");
    assert.deepEqual(cut, ["a1"]);
    admit("10.0.0.3", "c1");
    const d1 = admit("10.0.0.4", "d1");
    assert.deepEqual(cut, ["a1", "b1"]);
    assert.equal(strangers.size, 4);
    strangers.release(d1);
    strangers.release(d1);
    assert.equal(strangers.size, 3);
    strangers.cutAll();
    assert.deepEqual(cut, ["a1", "b1", "a2", "a3", "c1"]);
    assert.equal(strangers.size, 0);
  });
});

test("a stranger that comes further may wait again as long as one that comes now", () => {
  const cut: string[] = [];
  const strangers = new Strangers({ total: 3, perAddress: 3 });
  const admit = (name: string) => strangers.admit("10.0.0.1", () => void cut.push(name));
  const first = admit("first");
  const second = admit("second");
  admit("third");
  strangers.advance(first);
  admit("fourth");
  strangers.advance(second);
  admit("fifth");
  assert.deepEqual(cut, ["second", "third"]);
  assert.equal(strangers.size, 3);
});

/** A raw socket to an acceptor. */
async function visitor(t: TestContext, more: Parameters<typeof openHarbour>[2] = {}) {
  const harbour = await openHarbour(t, await newAgent(t), more);
  const socket = connect(harbour.port, "127.0.0.1");
  socket.on("error", () => {});
  t.after(() => socket.destroy());
  await until("the stranger is there", () => harbour.acceptor.stats().strangers === 1);
  return { socket, acceptor: harbour.acceptor, port: harbour.port };
}
