import assert from "node:assert/strict";
import { duplexPair } from "node:stream";
import { suite, test } from "node:test";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { systemClock } from "../../src/base/clock.ts";
import { Reason, reasonName, SessionError } from "../../src/wire/reason.ts";
import { type IncomingStream, openSession, type Session } from "../../src/wire/session.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { until } from "../patience.ts";
import { hello, never, service } from "./pair.ts";
import { dataFrame, dialKubernetes, type FrameInit, openFrame, openRaw, RawPeer, rawHello } from "./raw-peer.ts";

/** The session ends by this end's decision, for that reason, and the peer is told. */
async function endsWith(session: Session, peer: RawPeer, reason: Reason): Promise<void> {
  const end = await session.closed;
  assert.equal(reasonName(end.reason), reasonName(reason), end.message);
  assert.equal(end.by, "us");
  assert.equal(reasonName((await peer.hear("close")).kind.value.reason), reasonName(reason));
  await until("the carrier is closed", () => peer.closed);
}

/** The stream was reset for that reason, and the session works on. */
async function resets(session: Session, peer: RawPeer, id: number, reason: Reason): Promise<void> {
  const frame = await peer.hear("reset");
  assert.equal(frame.stream, BigInt(id));
  assert.equal(reasonName(frame.kind.value.reason), reasonName(reason), frame.kind.value.message);
  await works(session, peer);
}

async function works(session: Session, peer: RawPeer): Promise<void> {
  peer.send({ kind: { case: "ping", value: { id: 77n } } });
  assert.equal((await peer.hear("pong")).kind.value.id, 77n);
  void session;
}

const acceptAll = (incoming: IncomingStream): void => {
  if (incoming.kind === "dial") incoming.accept();
};

function headers(count: number, bytes: number) {
  return Array.from({ length: count }, (_, i) => ({ name: `x-${i}`, value: "v".repeat(bytes) }));
}

suite("a peer that breaks the rules", () => {
  const breaches: [string, FrameInit, Reason][] = [
    ["a frame for a stream that was never opened", dataFrame(5, new Uint8Array(1)), Reason.PROTOCOL],
    ["a frame for a stream of ours that was never opened", dataFrame(2, new Uint8Array(1)), Reason.PROTOCOL],
    ["an open with a number of ours", openFrame(2), Reason.PROTOCOL],
    ["an open of stream 0", openFrame(0), Reason.PROTOCOL],
    ["an empty data frame", { stream: 1n, kind: { case: "data", value: new Uint8Array() } }, Reason.PROTOCOL],
    ["data of the session", { kind: { case: "data", value: new Uint8Array(1) } }, Reason.PROTOCOL],
    ["a ping of a stream", { stream: 1n, kind: { case: "ping", value: {} } }, Reason.PROTOCOL],
    ["a second Hello", rawHello, Reason.PROTOCOL],
    ["a Resume in the middle", { kind: { case: "resume", value: {} } }, Reason.PROTOCOL],
  ];
  for (const [what, frame, reason] of breaches) {
    test(`${what} ends the session, which says why`, async () => {
      const { session, peer } = await openRaw({ accept: acceptAll });
      if (frame.stream === 1n) peer.send(openFrame(1));
      peer.send(frame);
      await endsWith(session, peer, reason);
    });
  }

  test("a stream that is opened twice ends the session", async () => {
    const { session, peer } = await openRaw({ accept: acceptAll });
    peer.send(openFrame(3), openFrame(3));
    await endsWith(session, peer, Reason.PROTOCOL);
  });

  test("garbage and over-long frames are cut", async () => {
    const first = await openRaw();
    first.peer.sendBytes(new Uint8Array(500).fill(0xff));
    await endsWith(first.session, first.peer, Reason.MALFORMED);
    const second = await openRaw();
    second.peer.sendBytes(Uint8Array.from([0x81, 0x80, 0x08, 1, 2, 3]));
    await endsWith(second.session, second.peer, Reason.FRAME_TOO_LARGE);
  });

  test("anything but a Hello at the beginning is cut", async () => {
    const noise: (Uint8Array | FrameInit)[] = [
      Buffer.from(`GET / HTTP/1.1\r\nHost: ${"x".repeat(100)}\r\n\r\n`),
      openFrame(1),
      { kind: { case: "hello", value: { instance: new Uint8Array(3) } } },
      { kind: { case: "hello", value: { instance: new Uint8Array(16) } } },
    ];
    for (const first of noise) {
      const [carrier, ours] = duplexPair();
      const peer = new RawPeer(ours);
      if (first instanceof Uint8Array) peer.sendBytes(first);
      else peer.send(first);
      const opening = openSession(
        { carrier, side: "high", hello: hello(1), clock: systemClock, accept: acceptAll },
        never,
      );
      await assert.rejects(opening, (error: unknown) => error instanceof SessionError);
      await until("the carrier is closed", () => peer.closed);
    }
  });

  test("two ends that both take themselves for the low one do not come together", async () => {
    const [a, b] = duplexPair();
    const open = (carrier: typeof a) =>
      openSession({ carrier, side: "low", hello: hello(1), clock: systemClock, accept: acceptAll }, never);
    const ends = await Promise.allSettled([open(a), open(b)]);
    assert.deepEqual(
      ends.map((end) => end.status),
      ["rejected", "rejected"],
    );
  });

  test("an overrun of credit is reset, and the session works on", async () => {
    const { session, peer } = await openRaw({ accept: acceptAll, limits: { streamCredit: 100_000 } });
    peer.send(openFrame(1), dataFrame(1, new Uint8Array(60_000)), dataFrame(1, new Uint8Array(60_000)));
    await resets(session, peer, 1, Reason.CREDIT_EXCEEDED);
  });

  test("credit beyond counting is reset", async () => {
    const { session, peer } = await openRaw({ accept: acceptAll });
    peer.send(openFrame(1), { stream: 1n, kind: { case: "credit", value: { bytes: 2n ** 64n - 1n } } });
    await resets(session, peer, 1, Reason.PROTOCOL);
  });

  test("data behind the end, data before the head, and a head from the opener are reset", async () => {
    const { session, peer } = await openRaw({ accept: acceptAll });
    peer.send(openFrame(1), { stream: 1n, kind: { case: "end", value: {} } }, dataFrame(1, new Uint8Array(1)));
    await resets(session, peer, 1, Reason.PROTOCOL);
    peer.send(openFrame(3), { stream: 3n, kind: { case: "head", value: {} } });
    await resets(session, peer, 3, Reason.PROTOCOL);
    session.dial(service("x")).catch(() => undefined);
    assert.equal((await peer.hear("open")).stream, 2n);
    peer.send(dataFrame(2, new Uint8Array(1)));
    await resets(session, peer, 2, Reason.PROTOCOL);
  });

  test("headers beyond the limit, or that HTTP would not allow, are reset", async () => {
    const { session, peer } = await openRaw({ accept: acceptAll, limits: { maxHeaderBytes: 10_000 } });
    const rpc = (id: bigint, list: { name: string; value: string }[]): FrameInit => ({
      stream: id,
      kind: { case: "open", value: { what: { case: "rpc", value: { path: "/a/b", headers: list } } } },
    });
    peer.send(rpc(1n, headers(100, 100)));
    await resets(session, peer, 1, Reason.HEADERS_TOO_LARGE);
    // A thousand empty headers are small as bytes, and not as memory.
    peer.send(rpc(3n, headers(400, 0)));
    await resets(session, peer, 3, Reason.HEADERS_TOO_LARGE);
    peer.send(rpc(5n, [{ name: "x", value: "a\r\nset-cookie: b" }]));
    await resets(session, peer, 5, Reason.PROTOCOL);
    peer.send(openFrame(7), { stream: 7n, kind: { case: "end", value: { trailers: headers(100, 100) } } });
    await resets(session, peer, 7, Reason.HEADERS_TOO_LARGE);
  });

  test("more streams than the limit are refused, until some have ended", async () => {
    const { session, peer } = await openRaw({ accept: acceptAll, limits: { maxStreams: 2 } });
    peer.send(openFrame(1), openFrame(3), openFrame(5));
    await resets(session, peer, 5, Reason.TOO_MANY_STREAMS);
    peer.send({ stream: 1n, kind: { case: "reset", value: {} } }, openFrame(7));
    await peer.hear("head");
    await peer.hear("head");
    assert.equal((await peer.hear("head")).stream, 7n);
  });

  test("more opens in a second than the limit are refused, until a second is over", async () => {
    const clock = createFakeClock();
    const { session, peer } = await openRaw({ clock, accept: acceptAll, limits: { opensPerSecond: 10 } });
    peer.send(...Array.from({ length: 11 }, (_, i) => openFrame(2 * i + 1)));
    await resets(session, peer, 21, Reason.TOO_MANY_OPENS);
    await clock.advance(1_000);
    peer.send(openFrame(23));
    for (let i = 0; i < 10; i++) await peer.hear("head");
    assert.equal((await peer.hear("head")).stream, 23n);
  });

  test("streams that ask for more than the limit together are refused, until some have ended", async () => {
    const { session, peer } = await openRaw({ accept: acceptAll, limits: { maxAskedBytes: 100_000 } });
    const call = (id: bigint, list: { name: string; value: string }[]): FrameInit => ({
      stream: id,
      kind: { case: "open", value: { what: { case: "rpc", value: { path: "/a/b", headers: list } } } },
    });
    peer.send(call(1n, headers(1, 60_000)), call(3n, headers(1, 60_000)));
    await resets(session, peer, 3, Reason.OVERLOADED);
    // A name in a target, and a thousand headers with nothing in them, are held too.
    const name = "n".repeat(60_000);
    const target = { kind: { case: "service", value: { namespace: "x", name } } } as const;
    peer.send({ stream: 5n, kind: { case: "open", value: { what: { case: "dial", value: { target } } } } });
    await resets(session, peer, 5, Reason.OVERLOADED);
    peer.send(call(7n, headers(1_200, 0)));
    await resets(session, peer, 7, Reason.OVERLOADED);
    peer.send({ stream: 1n, kind: { case: "reset", value: {} } }, openFrame(9));
    assert.equal((await peer.hear("head")).stream, 9n);
  });

  test("a flood of GoAways costs no more than the first, and a second one changes nothing", async () => {
    const { session, peer } = await openRaw();
    const streams = [1, 2].map(() => session.open({ dial: { target: service("x") } }));
    await peer.hear("open");
    await peer.hear("open");
    const goAway = (lastStream: bigint): FrameInit => ({ kind: { case: "goAway", value: { lastStream } } });
    peer.send(goAway(2n), goAway(2n), goAway(0n));
    await works(session, peer);
    assert.deepEqual(
      streams.map((stream) => stream.cut?.reason),
      [undefined, Reason.GOING_AWAY],
    );
  });

  test("trailers of the end that opened a stream are held to their limit, and not kept", async () => {
    const said: Headers[] = [];
    const { session, peer } = await openRaw({
      accept: (incoming) => {
        if (incoming.kind !== "rpc") return;
        const end = (trailers: Headers): void => void said.push(trailers);
        incoming.stream.attach({ head: () => undefined, data: () => false, end, reset: () => undefined });
      },
    });
    const what = { case: "rpc", value: { path: "/a/b" } } as const;
    peer.send({ stream: 1n, kind: { case: "open", value: { what } } });
    peer.send({ stream: 1n, kind: { case: "end", value: { trailers: headers(3, 100) } } });
    await works(session, peer);
    assert.deepEqual(
      said.map((trailers) => [...trailers]),
      [[]],
    );
  });

  test("rapid opens and resets end the session", async () => {
    const { session, peer } = await openRaw({ accept: acceptAll, limits: { resetsPerSecond: 5 } });
    for (let id = 1; id < 200; id += 2)
      peer.send(openFrame(id), { stream: BigInt(id), kind: { case: "reset", value: {} } });
    await endsWith(session, peer, Reason.TOO_MANY_RESETS);
  });

  test("streams that are opened to be reset by us end the session too", async () => {
    const { session, peer } = await openRaw({ accept: acceptAll, limits: { resetsPerSecond: 5 } });
    for (let id = 1; id < 200; id += 2)
      peer.send(openFrame(id), { stream: BigInt(id), kind: { case: "head", value: {} } });
    await endsWith(session, peer, Reason.TOO_MANY_RESETS);
  });

  test("a peer that asks and does not read the answers is cut within a bound", async () => {
    const { session, peer } = await openRaw({ accept: acceptAll, limits: { maxStreams: 1, maxAnswerBytes: 50_000 } });
    peer.carrier.pause();
    const send = (id: number): boolean => {
      peer.send(openFrame(id));
      return id < 200_000;
    };
    let ended = false;
    void session.closed.then(() => {
      ended = true;
    });
    for (let id = 1; !ended && send(id); id += 2) if (id % 501 === 0) await new Promise(setImmediate);
    assert.equal(reasonName((await session.closed).reason), "NOT_READING");
  });

  test("a flood of pings is answered by few pongs", async () => {
    const { peer } = await openRaw();
    peer.carrier.cork();
    for (let id = 1n; id <= 10_000n; id++) peer.send({ kind: { case: "ping", value: { id } } });
    peer.carrier.uncork();
    await until("the last ping is answered", () =>
      peer.heard.some((frame) => frame.kind.case === "pong" && frame.kind.value.id === 10_000n),
    );
    assert.ok(peer.heard.length < 1_000, `${peer.heard.length} answers`);
  });

  test("a dial of what is not known is refused politely", async () => {
    const { session, peer } = await openRaw({ accept: acceptAll });
    peer.send({ stream: 1n, kind: { case: "open", value: {} } });
    await resets(session, peer, 1, Reason.UNSUPPORTED);
    peer.send({ stream: 3n, kind: { case: "open", value: { what: { case: "dial", value: {} } } } });
    await resets(session, peer, 3, Reason.UNSUPPORTED);
    peer.send({ stream: 5n, kind: { case: "open", value: { what: dialKubernetes, announce: 4n } } });
    await resets(session, peer, 5, Reason.PROTOCOL);
  });

  test("frames of unknown kinds are refused politely, once a kind", async () => {
    const { session, peer } = await openRaw({ accept: acceptAll });
    const unknown = (field: number, stream?: bigint): Uint8Array => {
      const writer = new BinaryWriter();
      if (stream !== undefined) writer.tag(1, WireType.Varint).uint64(stream);
      const body = writer.tag(field, WireType.LengthDelimited).bytes(new Uint8Array(3)).finish();
      return Uint8Array.from([body.length, ...body]);
    };
    peer.sendBytes(unknown(40));
    peer.sendBytes(unknown(40));
    peer.sendBytes(unknown(25));
    assert.equal((await peer.hear("unsupported")).kind.value.kind, 40);
    assert.equal((await peer.hear("unsupported")).kind.value.kind, 25);
    peer.send(openFrame(1));
    await peer.hear("head");
    peer.sendBytes(unknown(13, 99n));
    assert.equal((await peer.hear("unsupported")).kind.value.kind, 13);
    peer.sendBytes(unknown(12, 1n));
    await resets(session, peer, 1, Reason.UNSUPPORTED);
    assert.equal(
      peer.heard.some((frame) => frame.kind.case === "unsupported"),
      false,
    );
  });

  test("frames that crossed with the end of their stream are ignored", async () => {
    const { session, peer } = await openRaw({ accept: acceptAll });
    peer.send(openFrame(1), { stream: 1n, kind: { case: "reset", value: {} } }, dataFrame(1, new Uint8Array(100)));
    peer.send(
      { stream: 1n, kind: { case: "credit", value: { bytes: 1n } } },
      { stream: 1n, kind: { case: "end", value: {} } },
    );
    await works(session, peer);
  });

  test("what a listener throws ends the session, for a gap in silence would be worse", async () => {
    const defects: unknown[] = [];
    const { session, peer } = await openRaw({
      accept: (incoming) => {
        if (incoming.kind !== "dial") return;
        incoming.accept().on("data", () => {
          throw new Error("a defect of the listener");
        });
      },
      onDefect: (error) => defects.push(error),
    });
    peer.send(openFrame(1));
    await peer.hear("head");
    peer.send(dataFrame(1, new Uint8Array(1)), dataFrame(1, new Uint8Array(1)));
    assert.equal((await session.closed).reason, Reason.INTERNAL);
    assert.match(String(defects), /^Error: a defect of the listener$/);
    await peer.hear("close");
  });

  test("what an acceptor throws ends the session alone, also of a stream that came with the Hello", async () => {
    const [carrier, ours] = duplexPair();
    const peer = new RawPeer(ours);
    ours.cork();
    peer.send(rawHello, openFrame(1));
    ours.uncork();
    const defects: unknown[] = [];
    const accept = (): void => {
      throw new Error("a defect of the acceptor");
    };
    const session = await openSession(
      { carrier, side: "high", hello: hello(1), clock: systemClock, accept, onDefect: (error) => defects.push(error) },
      never,
    );
    assert.equal((await session.closed).reason, Reason.INTERNAL);
    assert.match(String(defects), /^Error: a defect of the acceptor$/);
  });
});
