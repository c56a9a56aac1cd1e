/** The connections of one Forward, with what they are dialled to in the test's hands. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { type Duplex, duplexPair } from "node:stream";
import { type TestContext, test } from "node:test";
import type { Clock } from "../../../src/base/clock.ts";
import { silentLog } from "../../../src/base/log.ts";
import { ConnectionBound } from "../../../src/tunnel/forwards/connection-bound.ts";
import type { UseRules } from "../../../src/tunnel/forwards/plan.ts";
import { PortRange } from "../../../src/tunnel/forwards/port-range.ts";
import { listenTcp } from "../../../src/tunnel/forwards/tcp-listener.ts";
import { type Fare, type TargetDialer, Traffic } from "../../../src/tunnel/forwards/traffic.ts";
import { TunnelError } from "../../../src/tunnel/tunnel-error.ts";
import { createFakeClock } from "../../base/fake-clock.ts";
import { patience, until } from "../../patience.ts";
import { ownAddress } from "./stage.ts";

const free: UseRules = {
  connections: 10,
  connectionsPerSecond: undefined,
  bytesPerSecond: undefined,
  idleMs: undefined,
  proxyProtocol: false,
};

interface Stage {
  readonly clock?: Clock;
  readonly dial?: TargetDialer;
  readonly bound?: ConnectionBound;
}

async function open(t: TestContext, rules: Partial<UseRules>, stage: Stage = {}) {
  const { clock = createFakeClock(), bound = new ConnectionBound(1_000) } = stage;
  const fares: Fare[] = [];
  const ended = new AbortController();
  const targets: Duplex[] = [];
  const traffic = new Traffic({ onFare: (fare) => fares.push(fare), bound, clock, log: silentLog });
  traffic.rules = { ...free, ...rules };
  const give = async (): Promise<Duplex> => {
    const [near, far] = duplexPair();
    targets.push(far);
    return near;
  };
  const host = ownAddress();
  const came: Socket[] = [];
  const pass = listenTcp((socket) => {
    came.push(socket);
    void traffic.pass(socket, stage.dial ?? give, ended.signal);
  });
  const listening = await new PortRange(host, { first: 20_000, last: 20_100 }).open("u-1", "web", pass);
  assert.ok(listening);
  t.after(() => {
    ended.abort();
    listening.close();
  });
  const join = async (): Promise<Socket> => {
    const socket = connect({ host, port: listening.port, allowHalfOpen: true });
    socket.on("error", () => undefined);
    t.after(() => socket.destroy());
    // A reset may be quicker than the news of the connection.
    await once(socket, "connect", { signal: patience() }).catch(() => undefined);
    return socket;
  };
  return { traffic, fares, ended, targets, came, join };
}

async function broken(socket: Socket): Promise<string> {
  socket.resume();
  await until("it is closed", () => socket.closed);
  return socket.errored ? String(socket.errored) : "no error";
}

async function read(stream: Duplex, bytes: number): Promise<Buffer> {
  const seen: Buffer[] = [];
  while (Buffer.concat(seen).length < bytes) {
    const [chunk] = await once(stream, "data", { signal: patience() });
    seen.push(chunk);
  }
  return Buffer.concat(seen);
}

test("bytes pass both ways, an end leaves the way back open, and all is counted", async (t) => {
  const { traffic, targets, fares, join } = await open(t, {});
  const socket = await join();
  socket.end("to there");
  await until("it is dialled", () => targets.length === 1);
  const target = targets[0];
  assert.ok(target);
  assert.equal(String(Buffer.concat(await target.toArray())), "to there");
  assert.equal(traffic.counts.connections, 1);
  target.end("and back");
  assert.equal(String(Buffer.concat(await socket.toArray())), "and back");
  await until("it is over", () => traffic.counts.connections === 0);
  assert.deepEqual(traffic.counts, { connections: 0, opened: { taken: 1 }, out: 8, in: 8, dropped: { out: 0, in: 0 } });
  assert.deepEqual(fares, [{ ok: true }]);
});

test("a break of one side is a reset of the other, and the end of the Forward one of both", async (t) => {
  const { targets, ended, join } = await open(t, {});
  const socket = await join();
  await until("it is dialled", () => targets.length === 1);
  targets[0]?.on("error", () => undefined).destroy(new Error("broken over there"));
  // A pair of streams tells only of ends; the Forward's own end stands for what breaks a stream of the link.
  const other = await join();
  await until("it is dialled", () => targets.length === 2);
  ended.abort(new Error("gone"));
  assert.match(await broken(other), /ECONNRESET/);
  assert.match(await broken(socket), /ECONNRESET/);
});

test("what is not taken over there is reset, and told once for as long as it stays so", async (t) => {
  const failure = new TunnelError("denied", "no policy here (rule: tunnels/services)");
  const { traffic, fares, join } = await open(t, {}, { dial: () => Promise.reject(failure) });
  for (let n = 0; n < 3; n += 1) assert.match(await broken(await join()), /ECONNRESET/);
  assert.deepEqual(fares, [{ ok: false, failure: "denied", message: failure.message }]);
  assert.deepEqual(traffic.counts.opened, { denied: 3 });
  assert.equal(traffic.counts.connections, 0);
});

test("one too many at a time is reset, and one that leaves makes room", async (t) => {
  const { traffic, targets, fares, join } = await open(t, { connections: 2 });
  const [first] = [await join(), await join()];
  await until("both are there", () => targets.length === 2);
  assert.match(await broken(await join()), /ECONNRESET/);
  assert.deepEqual(traffic.counts.opened, { taken: 2, limited: 1 });
  first.resetAndDestroy();
  await until("there is room", () => traffic.counts.connections === 1);
  await join();
  await until("it is taken", () => targets.length === 3);
  assert.deepEqual(fares, [{ ok: true }], "who was one too many says nothing about the target");
});

test("so many begin within a second, and more in the next", async (t) => {
  const clock = createFakeClock();
  const { traffic, targets, join } = await open(t, { connectionsPerSecond: 2 }, { clock });
  await join();
  await join();
  await until("both are there", () => targets.length === 2);
  assert.match(await broken(await join()), /ECONNRESET/);
  await clock.advance(500);
  await join();
  await until("there is one more", () => targets.length === 3);
  traffic.rules = free;
  for (let n = 0; n < 4; n += 1) await join();
  await until("there is no bound any more", () => targets.length === 7);
});

test("bytes beyond the rate wait, of all connections together, until it is raised or time has passed", async (t) => {
  const clock = createFakeClock();
  const { targets, join } = await open(t, { bytesPerSecond: 1_000 }, { clock });
  const sockets = [await join(), await join()];
  await until("both are there", () => targets.length === 2);
  sockets[0]?.write(Buffer.alloc(2_000));
  await read(targets[0] as Duplex, 2_000);
  sockets[1]?.write("held");
  let held = false;
  targets[1]?.once("data", () => {
    held = true;
  });
  // The first piece of each is let through and paid for; the next waits.
  await until("the first piece is there", () => held);
  let isThere = false;
  targets[1]?.once("data", () => {
    isThere = true;
  });
  sockets[1]?.write("later");
  await until("it is sent", () => sockets[1]?.writableLength === 0);
  await clock.advance(500);
  assert.equal(isThere, false);
  for (let waited = 0; !isThere && waited < 10_000; waited += 500) await clock.advance(500);
  await until("time brings it", () => isThere);
});

test("what is silent in both directions for too long is reset, and what speaks is not", async (t) => {
  const clock = createFakeClock();
  const { targets, join } = await open(t, { idleMs: 60_000 }, { clock });
  const [quiet, busy] = [await join(), await join()];
  await until("both are there", () => targets.length === 2);
  // Which of the two came first is not said.
  busy.write("who");
  const seen = await Promise.race(targets.map(async (target, at) => ({ at, chunk: await once(target, "data") })));
  await clock.advance(40_000);
  targets[seen.at]?.write("alive");
  await once(busy, "data", { signal: patience() });
  await clock.advance(40_000);
  assert.match(await broken(quiet), /ECONNRESET/);
  assert.equal(busy.destroyed, false);
  await clock.advance(60_000);
  assert.match(await broken(busy), /ECONNRESET/);
});

test("each begins with a header of the PROXY protocol where that is asked for", async (t) => {
  const { targets, join } = await open(t, { proxyProtocol: true });
  const socket = await join();
  socket.write("hello");
  await until("it is dialled", () => targets.length === 1);
  const header = await read(targets[0] as Duplex, 28 + 5);
  assert.equal(header.subarray(0, 12).toString("latin1"), "\r\n\r\n\0\r\nQUIT\n");
  const to = socket.remoteAddress?.split(".").map(Number);
  assert.deepEqual([...header.subarray(20, 24)], to);
  assert.equal(header.readUInt16BE(24), socket.localPort);
  assert.equal(header.subarray(28).toString(), "hello");
});

/** Is asked, and never answers. */
function silence() {
  const asked: AbortSignal[] = [];
  const dial = (signal: AbortSignal): Promise<Duplex> => {
    asked.push(signal);
    return Promise.withResolvers<Duplex>().promise;
  };
  return { asked, dial };
}

test("who goes while it is dialled has the dial given up, by a break and by an end before a single byte", async (t) => {
  for (const goes of [(socket: Socket) => socket.resetAndDestroy(), (socket: Socket) => socket.end()]) {
    const { asked, dial } = silence();
    const { traffic, fares, join } = await open(t, {}, { dial });
    const socket = await join();
    await until("it is being dialled", () => asked.length === 1);
    goes(socket);
    await until("it is over", () => traffic.counts.connections === 0);
    assert.equal(asked[0]?.aborted, true);
    assert.deepEqual(traffic.counts.opened, { cancelled: 1 });
    assert.deepEqual(fares, [], "nothing is known of the target");
  }
});

test("who has said all it has to say is not gone, and is answered when the dial is there", async (t) => {
  const dialled = Promise.withResolvers<Duplex>();
  const { came, join } = await open(t, {}, { dial: () => dialled.promise });
  const socket = await join();
  socket.end("a question");
  await until("it has come", () => came[0]?.readableLength === "a question".length);
  const [near, far] = duplexPair();
  dialled.resolve(near);
  assert.equal(String(Buffer.concat(await far.toArray())), "a question");
  far.end("an answer");
  assert.equal(String(Buffer.concat(await socket.toArray())), "an answer");
});

test("a dial that nobody answers is given up after half a minute, and what comes of it then is let go", async (t) => {
  const clock = createFakeClock();
  const dialled = Promise.withResolvers<Duplex>();
  const { traffic, fares, join } = await open(t, {}, { clock, dial: () => dialled.promise });
  const socket = await join();
  await until("it is being dialled", () => traffic.counts.connections === 1);
  await clock.advance(29_000);
  assert.equal(socket.destroyed, false);
  await clock.advance(1_000);
  assert.match(await broken(socket), /ECONNRESET/);
  await until("it is over", () => traffic.counts.connections === 0);
  assert.deepEqual(traffic.counts.opened, { timeout: 1 });
  assert.deepEqual(fares, [{ ok: false, failure: "timeout", message: "Nobody answered within 30 s." }]);
  const [near] = duplexPair();
  dialled.resolve(near);
  await until("it is destroyed", () => near.destroyed);
});

test("all together have a bound too, and none is counted for longer than it lasts", async (t) => {
  const all = new ConnectionBound(3);
  const some = new ConnectionBound(2, all);
  const [one, other] = [await open(t, {}, { bound: some }), await open(t, {}, { bound: all })];
  const sockets = [await one.join(), await one.join()];
  await until("both are there", () => one.targets.length === 2);
  assert.match(await broken(await one.join()), /ECONNRESET/);
  await other.join();
  await until("there is room in the whole", () => other.targets.length === 1);
  assert.match(await broken(await other.join()), /ECONNRESET/);
  assert.deepEqual(other.traffic.counts.opened, { taken: 1, limited: 1 });
  for (const socket of sockets) socket.resetAndDestroy();
  await until("there is room again", () => one.traffic.counts.connections === 0);
  for (let n = 0; n < 2; n += 1) await other.join();
  await until("it is used", () => other.targets.length === 3);
  assert.match(await broken(await one.join()), /ECONNRESET/);
  some.most = 0;
  other.ended.abort();
  await until("all are gone", () => other.traffic.counts.connections === 0);
  assert.match(await broken(await one.join()), /ECONNRESET/, "none, since the bound of some was lowered");
});

test("an idle time that is set later holds for what is open", async (t) => {
  const clock = createFakeClock();
  const { traffic, targets, join } = await open(t, {}, { clock });
  const socket = await join();
  await until("it is dialled", () => targets.length === 1);
  await clock.advance(86_400_000);
  traffic.rules = { ...free, idleMs: 86_500_000 };
  await clock.advance(90_000);
  assert.equal(socket.destroyed, false);
  await clock.advance(10_000);
  assert.match(await broken(socket), /ECONNRESET/);
});
