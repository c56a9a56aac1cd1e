import assert from "node:assert/strict";
import { type Duplex, duplexPair } from "node:stream";
import { type TestContext, test } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { dialAlong } from "../../src/link/dialer.ts";
import type { Link } from "../../src/link/link.ts";
import { Reason } from "../../src/wire/reason.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { patience, until } from "../patience.ts";
import { newAgent, type TestAgent } from "./agents.ts";
import { type Harbour, openHarbour, provesItself, refusedWith } from "./linked.ts";

const hub = "ee".repeat(32);

/** A stream through a third agent, which sees what passes. */
function pipe(t: TestContext): { near: Duplex; far: Duplex; seen: Buffer[] } {
  const [near, nearOfHub] = duplexPair();
  const [far, farOfHub] = duplexPair();
  const seen: Buffer[] = [];
  for (const [from, to] of [
    [nearOfHub, farOfHub],
    [farOfHub, nearOfHub],
  ] as const) {
    from.on("data", (chunk: Buffer) => seen.push(chunk));
    from.on("error", () => undefined);
    from.on("close", () => to.destroy());
    from.pipe(to);
  }
  for (const end of [near, far]) end.on("error", () => undefined);
  t.after(() => nearOfHub.destroy());
  return { near, far, seen };
}

async function dialCarried(t: TestContext, from: TestAgent, to: Harbour, pin: string) {
  const { near, far, seen } = pipe(t);
  to.acceptor.take(far, hub);
  const link = await dialAlong(
    { identity: from.identity, hello: from.hello, clock: systemClock, accept: () => undefined },
    { pin, name: "hub", through: hub, open: async () => ({ stream: near }) },
    patience(),
  );
  t.after(() => link.close({ reason: Reason.SHUTDOWN, message: "the test is over" }));
  return { link, seen };
}

test("A carrier is any Duplex: a stream through a third agent, which cannot read it, is a link like any other", async (t) => {
  const [here, there] = [await newAgent(t), await newAgent(t)];
  const harbour = await openHarbour(t, there);
  const accepted = harbour.next();
  const { link, seen } = await dialCarried(t, here, harbour, there.identity.fingerprint);
  const other: Link = await accepted;
  assert.deepEqual([link.fingerprint, other.fingerprint], [there.identity.fingerprint, here.identity.fingerprint]);
  assert.deepEqual([link.through, other.through], [hub, hub]);
  assert.deepEqual([link.dialled, other.dialled, other.remoteAddress], [true, false, undefined]);
  await provesItself(link, 1_000_000);
  const bytes = Buffer.concat(seen);
  assert.ok(bytes.length > 2_000_000, "all of it passed there");
  assert.equal(bytes.indexOf(Buffer.alloc(16, 7)), -1, "and none of it could be read");
});

test("a third agent that answers itself in the place of the pinned one is found out", async (t) => {
  const [here, there, between] = [await newAgent(t), await newAgent(t), await newAgent(t)];
  const harbour = await openHarbour(t, between);
  await refusedWith(dialCarried(t, here, harbour, there.identity.fingerprint), "untrusted");
  assert.equal(harbour.links.length, 0);
});

test("who is carried has the same time to prove who they are, and few are waited for through one agent", async (t) => {
  const clock = createFakeClock();
  const agent = await newAgent(t);
  const harbour = await openHarbour(t, agent, { clock, log: silentLog, limits: { strangersPerRelay: 2 } });
  const [first, second, third, other] = [pipe(t), pipe(t), pipe(t), pipe(t)];
  for (const { far } of [first, second, third]) harbour.acceptor.take(far, hub);
  await until("the oldest gives way", () => first.near.destroyed || first.far.destroyed);
  assert.equal(second.far.destroyed, false);
  harbour.acceptor.take(other.far, "dd".repeat(32));
  assert.equal(harbour.acceptor.stats().strangers, 3, "and another relay has a number of its own");
  await clock.advance(9_999);
  assert.equal(other.far.destroyed, false);
  await clock.advance(1);
  await until("the time of all is up", () => [second, third, other].every(({ far }) => far.destroyed));
  assert.equal(harbour.acceptor.stats().strangers, 0);
});

test("who is carried and sends piece after piece of what never becomes a link is cut long before their time is up", async (t) => {
  const clock = createFakeClock();
  const harbour = await openHarbour(t, await newAgent(t), { clock, log: silentLog });
  const { near, far } = pipe(t);
  harbour.acceptor.take(far, hub);
  // The head of a TLS record, of a handshake that says it is 16,000 bytes long; then its bytes, one at a time.
  near.write(Buffer.from([22, 3, 1, 62, 128, 1, 0, 62, 124, 3, 3]));
  let sent = 0;
  await until("it is cut", () => {
    if (!near.destroyed) near.write(Buffer.of(7));
    sent += 1;
    return far.destroyed;
  });
  assert.ok(sent > 250 && sent < 1_000, `${sent} pieces`);
  assert.equal(harbour.acceptor.stats().refused.get("too-much"), 1);
});
