import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { connect, createServer, type Socket } from "node:net";
import { buffer } from "node:stream/consumers";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { TargetSchema } from "../../src/gen/fairlead/wire/v1/target_pb.ts";
import { Kept, type Link } from "../../src/link/link.ts";
import { Reason } from "../../src/wire/reason.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { patience, until } from "../patience.ts";
import { listen, newAgent } from "./agents.ts";
import { dialFrom, openHarbour, provesItself, refusedWith } from "./linked.ts";

test("a link knows who is at its other end, at both ends, and carries streams both ways", async (t) => {
  const [near, far] = [await newAgent(t), await newAgent(t)];
  const harbour = await openHarbour(t, far);
  const arriving = harbour.next();
  const dialled = await dialFrom(t, near, {
    url: `ws://127.0.0.1:${harbour.port}/link`,
    pin: far.identity.fingerprint,
  });
  const accepted = await arriving;
  assert.equal(dialled.fingerprint, far.identity.fingerprint);
  assert.equal(dialled.caPem, far.identity.caPem);
  assert.equal(accepted.fingerprint, near.identity.fingerprint);
  assert.equal(accepted.caPem, near.identity.caPem);
  assert.deepEqual([dialled.dialled, accepted.dialled], [true, false]);
  assert.deepEqual([dialled.remoteAddress, accepted.remoteAddress], ["127.0.0.1", "127.0.0.1"]);
  const firstToEnd = Math.min(near.identity.leaf().notAfter.getTime(), far.identity.leaf().notAfter.getTime());
  for (const { session } of [dialled, accepted]) {
    // A certificate says whole seconds.
    const over = (session.carrier.provenUntil ?? 0) - firstToEnd;
    assert.ok(Math.abs(over) < 1_000, `it is proven as long as both leaves last, and ${over} ms`);
  }
  assert.deepEqual(Buffer.from(accepted.session.remote.instance), Buffer.from(near.hello.instance));
  await Promise.all([provesItself(dialled), provesItself(accepted)]);
});

test("who closes a link tells the other end why", async (t) => {
  const [near, far] = [await newAgent(t), await newAgent(t)];
  const harbour = await openHarbour(t, far);
  const arriving = harbour.next();
  const dialled = await dialFrom(t, near, { url: `ws://127.0.0.1:${harbour.port}`, pin: far.identity.fingerprint });
  const accepted = await arriving;
  accepted.close({ reason: Reason.REMOVED, message: "this peer was removed" });
  const [ours, theirs] = await Promise.all([accepted.closed, dialled.closed]);
  assert.deepEqual([ours.reason, ours.by], [Reason.REMOVED, "us"]);
  assert.deepEqual([theirs.reason, theirs.by, theirs.message], [Reason.REMOVED, "them", "this peer was removed"]);
  await until("the acceptor has forgotten the link", () => harbour.acceptor.stats().links === 0);
});

test("a link that nobody keeps ends when its socket is cut, at both ends, and says that nobody closed it", async (t) => {
  const [near, far] = [await newAgent(t), await newAgent(t)];
  const harbour = await openHarbour(t, far);
  const arriving = harbour.next();
  const middle: Socket[] = [];
  const port = await listen(
    t,
    createServer((socket) => {
      const on = connect(harbour.port, "127.0.0.1");
      on.on("error", () => {});
      middle.push(socket, on);
      socket.pipe(on).pipe(socket);
    }),
  );
  const dialled = await dialFrom(t, near, { url: `ws://127.0.0.1:${port}/link`, pin: far.identity.fingerprint });
  const accepted = await arriving;
  await provesItself(dialled);
  for (const socket of middle) socket.destroy();
  for (const end of await Promise.all([dialled.closed, accepted.closed])) {
    assert.equal(end.by, "network");
    assert.equal(end.reason, Reason.CARRIER_LOST);
  }
});

test("a link that both ends keep goes on at the next carrier, and says where that one comes from", async (t) => {
  const [near, far] = [await newAgent(t), await newAgent(t)];
  const keeps = [new Kept(systemClock), new Kept(systemClock)];
  const offered: Link[] = [];
  const harbour = await openHarbour(t, far, {
    kept: (fingerprint) => (fingerprint === near.identity.fingerprint ? keeps[0] : undefined),
    limits: { links: 1 },
  });
  const to = { url: `ws://127.0.0.1:${harbour.port}/link`, pin: far.identity.fingerprint };
  const dial = (): Promise<Link> =>
    dialFrom(t, near, to, { kept: () => keeps[1], opened: (link) => offered.push(link) });
  const link = await dial();
  const target = create(TargetSchema, { kind: { case: "service", value: { namespace: "test", name: "echo" } } });
  const stream = await link.session.dial(target, { signal: patience() });
  assert.equal(await dial(), link, "as many links as may be, and it is none more");
  assert.deepEqual(offered, [link, link]);
  await until("the other end was told twice", () => harbour.links.length === 2);
  assert.equal(harbour.links[0], harbour.links[1]);
  assert.equal(harbour.acceptor.stats().links, 1);
  assert.deepEqual([link.dialled, harbour.links[0]?.dialled, link.session.stats().carriers], [true, false, 2]);
  stream.end("still here");
  assert.equal(String(await buffer(stream)), "still here");
  await until("none of the two is a stranger", () => harbour.acceptor.stats().strangers === 0);

  const other = await newAgent(t);
  await refusedWith(dialFrom(t, other, to), "refused", /did not open a session/);
});

test("a dial that pins somebody else is refused, and hands nothing over", async (t) => {
  const [near, far, other] = [await newAgent(t), await newAgent(t), await newAgent(t)];
  const harbour = await openHarbour(t, far);
  const url = `ws://127.0.0.1:${harbour.port}/link`;
  await refusedWith(dialFrom(t, near, { url, pin: other.identity.fingerprint }), "untrusted", /not the agent/);
  await until("the stranger is gone", () => harbour.acceptor.stats().strangers === 0);
  assert.equal(harbour.links.length, 0);
});

test("an agent that dials itself is told so, and a clone of it is told what it is", async (t) => {
  const agent = await newAgent(t);
  const harbour = await openHarbour(t, agent);
  const to = { url: `ws://127.0.0.1:${harbour.port}/link`, pin: agent.identity.fingerprint };
  await refusedWith(dialFrom(t, agent, to), "same-identity", /dialled itself/);
  const clone = { ...agent, hello: { ...agent.hello, instance: randomBytes(16) } };
  await refusedWith(dialFrom(t, clone, to), "same-identity", /cloned/);
  assert.equal(harbour.links.length, 0);
  await until("both are gone", () => harbour.acceptor.stats().strangers === 0);
});

test("the accepting end warns once of a clone, and names it so", async (t) => {
  const agent = await newAgent(t);
  const lines: object[] = [];
  const log = { ...silentLog, warn: (fields: object) => void lines.push(fields) };
  const harbour = await openHarbour(t, agent, { log });
  const clone = { ...agent, hello: { ...agent.hello, instance: randomBytes(16) } };
  const to = { url: `ws://127.0.0.1:${harbour.port}/link`, pin: agent.identity.fingerprint };
  await refusedWith(dialFrom(t, clone, to), "same-identity");
  await until("it is logged", () => lines.length > 0);
  assert.match(JSON.stringify(lines), /cloned/);
});

test("a dial that is aborted, or takes too long, leaves nothing open", async (t) => {
  const near = await newAgent(t);
  const sockets: Socket[] = [];
  const port = await listen(
    t,
    createServer((socket) => void sockets.push(socket.resume())),
  );
  const to = { url: `ws://127.0.0.1:${port}/link`, pin: "0".repeat(64) };

  const stop = new AbortController();
  const aborted = assert.rejects(dialFrom(t, near, to, {}, stop.signal), /enough/);
  await until("it has connected", () => sockets.length === 1);
  stop.abort(new Error("enough"));
  await aborted;

  const clock = createFakeClock();
  const late = refusedWith(dialFrom(t, near, to, { clock }), "timeout", /within 20 s/);
  await until("it has connected", () => sockets.length === 2);
  await clock.advance(20_000);
  await late;
  assert.equal(clock.timers, 0);
  await until("both sockets are closed", () => sockets.every((socket) => socket.destroyed));
});

test("a peer that nobody listens for, and a URL that is none, are told apart", async (t) => {
  const near = await newAgent(t);
  const pin = "0".repeat(64);
  const port = await listen(t, createServer());
  const closed = createServer();
  const gone = await new Promise<number>((resolve) => {
    closed.listen(0, "127.0.0.1", () => {
      const address = closed.address();
      closed.close(() => resolve(typeof address === "object" && address ? address.port : port));
    });
  });
  await refusedWith(dialFrom(t, near, { url: `ws://127.0.0.1:${gone}/link`, pin }), "unreachable", /ECONNREFUSED/);
  await refusedWith(dialFrom(t, near, { url: "ws://no-such-host.invalid/link", pin }), "unreachable");
  await refusedWith(dialFrom(t, near, { url: "ftp://127.0.0.1/link", pin }), "bad-url");
});

test("a peer that refuses this end by hanging up after the handshake is not taken for a link", async (t) => {
  const [near, far] = [await newAgent(t), await newAgent(t)];
  const harbour = await openHarbour(t, far, { limits: { links: 0 } });
  const url = `ws://127.0.0.1:${harbour.port}/link`;
  await refusedWith(dialFrom(t, near, { url, pin: far.identity.fingerprint }), "refused", /did not open a session/);
});

test("many links stand side by side, and each ends alone", async (t) => {
  const far = await newAgent(t);
  const harbour = await openHarbour(t, far);
  const url = `ws://127.0.0.1:${harbour.port}/link`;
  const agents = await Promise.all(Array.from({ length: 20 }, () => newAgent(t)));
  const links = await Promise.all(agents.map((agent) => dialFrom(t, agent, { url, pin: far.identity.fingerprint })));
  await until("all are handed over", () => harbour.acceptor.stats().links === 20);
  await Promise.all(links.slice(10).map((link) => provesItself(link)));
  for (const link of links.slice(0, 10)) link.close({ reason: Reason.SHUTDOWN, message: "" });
  await until("ten are over", () => harbour.acceptor.stats().links === 10);
  await Promise.all(links.slice(10).map((link) => provesItself(link)));
});
