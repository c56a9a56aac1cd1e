import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Network } from "../../src/gen/fairlead/wire/v1/target_pb.ts";
import type { Datagrams } from "../../src/wire/datagrams.ts";
import { Reason, StreamError } from "../../src/wire/reason.ts";
import type { IncomingDial, IncomingStream, Session } from "../../src/wire/session.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { until } from "../patience.ts";
import { openPair, type Pair, service } from "./pair.ts";
import { type FrameInit, openRaw, type RawPeer, rawHello } from "./raw-peer.ts";

const KiB = 1024;

/** Two ends, and a stream of datagrams from low to high that both hold. */
async function openFlow(): Promise<{ pair: Pair; near: Datagrams; far: Datagrams; close(): Promise<void> }> {
  const accepted = Promise.withResolvers<Datagrams>();
  const pair = await openPair({
    acceptHigh: (incoming) => {
      if (incoming.kind === "dial") accepted.resolve(incoming.acceptDatagrams());
    },
  });
  const near = await pair.low.dialDatagrams(service("dns"));
  return { pair, near, far: await accepted.promise, close: () => pair.close() };
}

/** A session whose other end is a raw peer that knows datagrams and acknowledges nothing by itself; no timer comes to help. */
async function openRawFlow(): Promise<{
  peer: RawPeer;
  session: Session;
  clock: ReturnType<typeof createFakeClock>;
  dial(): Promise<Datagrams>;
}> {
  const clock = createFakeClock();
  const { session, peer } = await openRaw({ clock, hello: helloWith(["datagram"]) });
  return {
    peer,
    session,
    clock,
    async dial() {
      const dialled = session.dialDatagrams(service("dns"));
      const { stream } = await peer.hear("open");
      peer.send({ stream, kind: { case: "head", value: {} } });
      return dialled;
    },
  };
}

function helloWith(features: string[]): FrameInit {
  if (rawHello.kind?.case !== "hello") throw new Error("rawHello is a hello");
  return { kind: { case: "hello", value: { ...rawHello.kind.value, features } } };
}

const heardOf = (peer: RawPeer, stream?: bigint): Uint8Array[] =>
  peer.heard.flatMap(({ kind, stream: its }) =>
    kind.case === "datagram" && (stream === undefined || stream === its) ? [kind.value] : [],
  );

const bytesOf = (payloads: readonly Uint8Array[]): number => payloads.reduce((sum, { length }) => sum + length, 0);

async function settled(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
}

suite("datagrams", () => {
  test("each comes whole, with its boundaries, from the empty one to the longest that UDP has", async () => {
    const { near, far, close } = await openFlow();
    const lengths = [0, 1, 512, 1_472, 9_000, 65_507];
    const heard: Uint8Array[] = [];
    far.listen((payload) => heard.push(payload));
    for (const length of lengths) assert.ok(near.send(Buffer.alloc(length, length % 251)));
    assert.equal(near.send(new Uint8Array(65_508)), false, "one that no network could bring is not taken");
    await until("all come", () => heard.length === lengths.length);
    for (const payload of heard) assert.ok(payload.every((byte) => byte === payload.length % 251));
    assert.deepEqual(
      heard.map(({ length }) => length).sort((a, b) => a - b),
      lengths,
    );
    await close();
  });

  test("both ends send; what came before anybody listened is told first, within bounds", async () => {
    const { near, far, close } = await openFlow();
    for (let i = 0; i < 20; i++) near.send(Buffer.from([i]));
    await settled();
    const heard: number[] = [];
    far.listen(([byte]) => heard.push(byte ?? -1));
    assert.deepEqual(heard, [...Array(16).keys()]);
    const back: string[] = [];
    near.listen((payload) => back.push(Buffer.from(payload).toString()));
    far.send(Buffer.from("answer"));
    await until("the answer comes", () => back.length === 1);
    await close();
  });

  test("an end whose version does not know them is told of before anything is opened, and refuses to be dialled so", async () => {
    const { session, peer } = await openRaw({ hello: helloWith([]), accept: () => assert.fail("accepted") });
    await assert.rejects(session.dialDatagrams(service("dns")), { reason: Reason.UNSUPPORTED, message: /upgraded/ });
    assert.equal(peer.heard.filter(({ kind }) => kind.case === "open").length, 0);
    peer.send(udpOpen(1n));
    const reset = await peer.hear("reset");
    assert.equal(reset.kind.value.reason, Reason.UNSUPPORTED);
  });

  test("they do not wait for a pipe that is full: the oldest are dropped, and what is under way is bounded", async () => {
    const { peer, dial } = await openRawFlow();
    const flow = await dial();
    let at = 0;
    for (let batch = 0; batch < 100; batch++) {
      for (let i = 0; i < 20; i++) {
        const payload = Buffer.alloc(KiB);
        payload.writeUInt32BE(at++);
        flow.send(payload);
      }
      await settled();
    }
    const underWay = bytesOf(heardOf(peer));
    assert.ok(underWay >= 128 * KiB && underWay <= 384 * KiB, `${underWay} bytes are under way`);
    const heard = heardOf(peer).length;
    peer.send({ kind: { case: "ack", value: { received: 1n, datagramBytes: BigInt(heard * (KiB + 20)) } } });
    await until("more goes when it is acknowledged", () => heardOf(peer).length > heard);
    await settled();
    const next = Buffer.from(heardOf(peer)[heard] ?? []).readUInt32BE();
    assert.ok(next > heard + 100, `after ${heard} comes ${next}: what was oldest of ${at} was dropped`);
  });

  test("what has waited for a quarter of a second is not sent any more", async () => {
    const { peer, clock, dial } = await openRawFlow();
    const flow = await dial();
    for (let i = 0; i < 600; i++) {
      flow.send(Buffer.alloc(KiB, 1));
      if (i % 50 === 49) await settled();
    }
    const heard = heardOf(peer).length;
    await clock.advance(251);
    flow.send(Buffer.from("new"));
    peer.send({ kind: { case: "ack", value: { received: 1n, datagramBytes: BigInt(heard * (KiB + 20)) } } });
    await until("the new one goes", () => heardOf(peer).length > heard);
    await settled();
    assert.deepEqual(
      heardOf(peer)
        .slice(heard)
        .map((payload) => Buffer.from(payload).toString()),
      ["new"],
    );
  });

  test("of many streams each has its turn, however much one of them sends", async () => {
    const { peer, dial } = await openRawFlow();
    const loud = await dial();
    const quiet = await dial();
    for (let i = 0; i < 200; i++) loud.send(Buffer.alloc(KiB));
    quiet.send(Buffer.from("query"));
    await until("some come", () => heardOf(peer).length >= 50);
    const at = heardOf(peer).findIndex(({ length }) => length === 5);
    assert.ok(at >= 0 && at <= 2, `the other stream's comes as number ${at}`);
  });

  test("a flood of them leaves streams half of the room, and bulk leaves them theirs", async () => {
    const { peer, session, dial } = await openRawFlow();
    const flow = await dial();
    const stream = session.open({ rpc: { path: "/a.B/C" } });
    await peer.hear("open");
    peer.send({ stream: BigInt(stream.id), kind: { case: "credit", value: { bytes: 2n ** 40n } } });
    const writeOn = (): void => {
      if (stream.cut === undefined && stream.write([new Uint8Array(64 * KiB)], writeOn)) writeOn();
    };
    for (let i = 0; i < 250; i++) flow.send(Buffer.alloc(KiB));
    stream.write([new Uint8Array(64 * KiB)], writeOn);
    const dataOf = (): number =>
      peer.heard.reduce((sum, { kind }) => (kind.case === "data" ? sum + kind.value.length : sum), 0);
    await until("both come", () => dataOf() > 0 && heardOf(peer).length > 0);
    const datagrams = bytesOf(heardOf(peer));
    assert.ok(datagrams <= 64 * KiB, `${datagrams} bytes of datagrams went before the first of the stream`);
    await until("all come beside it", () => heardOf(peer).length === 250);
    stream.reset(Reason.CANCELLED);
  });

  test("either end ends it for both, and a cut tells why", async () => {
    const { near, far, pair, close } = await openFlow();
    near.close();
    assert.equal(await near.closed, undefined);
    assert.equal(await far.closed, undefined);
    assert.equal(far.send(Buffer.from("late")), false);
    await until("nothing is left", () => pair.low.stats().open.interactive + pair.high.stats().open.interactive === 0);
    await close();

    const cut = await openFlow();
    cut.far.close(new StreamError(Reason.REVOKED, "The right to it has ended."));
    const error = await cut.near.closed;
    assert.equal(error?.reason, Reason.REVOKED);
    assert.equal(error?.message, "The right to it has ended.");
    await cut.close();
    assert.equal((await cut.far.closed)?.reason, Reason.REVOKED);
  });

  test("one that is ended before it was accepted is over when it is", async () => {
    const asked = Promise.withResolvers<IncomingDial>();
    const { session, peer } = await openRaw({ hello: helloWith(["datagram"]), accept: takeDial(asked.resolve) });
    peer.send(udpOpen(1n), { stream: 1n, kind: { case: "end", value: {} } });
    const dial = await asked.promise;
    await settled();
    const flow = dial.acceptDatagrams();
    assert.equal(await flow.closed, undefined);
    await peer.hear("end");
    assert.equal(session.stats().open.normal, 0);
  });

  test("bytes on a stream for datagrams break it, and neither kind is accepted as the other", async () => {
    const asked: IncomingDial[] = [];
    const { peer } = await openRaw({ hello: helloWith(["datagram"]), accept: takeDial((dial) => asked.push(dial)) });
    peer.send(udpOpen(1n), udpOpen(3n, Network.TCP));
    await until("both are asked for", () => asked.length === 2);
    const [udp, tcp] = asked;
    assert.throws(() => udp?.accept(), /as datagrams/);
    assert.throws(() => tcp?.acceptDatagrams(), /UDP/);
    udp?.acceptDatagrams();
    peer.send({ stream: 1n, kind: { case: "data", value: Buffer.from("bytes") } });
    const reset = await peer.hear("reset");
    assert.equal(reset.kind.value.reason, Reason.PROTOCOL);
    // A datagram may always be lost, so here it is.
    tcp?.accept();
    peer.send({ stream: 3n, kind: { case: "datagram", value: Buffer.from("stray") } });
    peer.send({ stream: 3n, kind: { case: "end", value: {} } });
    await settled();
    assert.equal(peer.closed, false);
  });
});

function takeDial(take: (dial: IncomingDial) => void): (incoming: IncomingStream) => void {
  return (incoming) => {
    if (incoming.kind === "dial") take(incoming);
  };
}

function udpOpen(stream: bigint, network: Network = Network.UDP): FrameInit {
  const target = { kind: { case: "service", value: { namespace: "test", name: "dns" } }, network } as const;
  return { stream, kind: { case: "open", value: { what: { case: "dial", value: { target } } } } };
}
