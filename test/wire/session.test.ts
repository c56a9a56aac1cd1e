import assert from "node:assert/strict";
import { duplexPair } from "node:stream";
import { suite, test } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { DialError, Reason, SessionError, StreamError } from "../../src/wire/reason.ts";
import { type IncomingStream, openSession } from "../../src/wire/session.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { until } from "../patience.ts";
import { hello, never, openPair, service } from "./pair.ts";
import { openFrame, openRaw, RawPeer, rawHello } from "./raw-peer.ts";

suite("a session", () => {
  test("tells each end what the other has said of itself, and both the same id", async () => {
    const pair = await openPair();
    assert.deepEqual(pair.low.remote.instance, new Uint8Array(16).fill(2));
    assert.equal(pair.high.remote.version, "test");
    assert.equal(pair.low.id.length, 16);
    assert.deepEqual(Buffer.from(pair.low.id), Buffer.from(pair.high.id));
    await pair.close();
  });

  test("hands over nothing before its opener has had a turn", async () => {
    const [carrier, ours] = duplexPair();
    const peer = new RawPeer(ours);
    // Hello and an open in one write.
    ours.cork();
    peer.send(rawHello, openFrame(1));
    ours.uncork();
    const order: string[] = [];
    const accept = (incoming: IncomingStream): void => void order.push(incoming.kind);
    await openSession({ carrier, side: "high", hello: hello(1), clock: systemClock, accept }, never);
    order.push("opened");
    await until("the dial is handed over", () => order.length === 2);
    assert.deepEqual(order, ["opened", "dial"]);
  });

  test("GoAway drains: streams that are open end well, new ones are refused at both ends, then it closes", async () => {
    const pair = await openPair({
      acceptHigh: (incoming) => void (incoming.kind === "dial" && incoming.accept().end("done")),
    });
    const near = await pair.low.dial(service("x"));
    let drained = false;
    const draining = pair.high.drain("An upgrade.").then(() => {
      drained = true;
    });
    assert.equal((await pair.low.leaving).message, "An upgrade.");
    const leaving = (error: unknown) => error instanceof DialError && error.reason === Reason.GOING_AWAY;
    await assert.rejects(pair.low.dial(service("y")), leaving);
    await assert.rejects(pair.high.dial(service("y")), leaving);
    assert.equal(drained, false);
    let got = "";
    near.on("data", (chunk: Buffer) => {
      got += String(chunk);
    });
    near.end();
    await draining;
    assert.equal(got, "done");
    assert.equal((await pair.low.closed).reason, Reason.SHUTDOWN);
  });

  test("draining waits no longer than it was told", async () => {
    const clock = createFakeClock();
    const pair = await openPair({
      clock,
      acceptHigh: (incoming) => void (incoming.kind === "dial" && incoming.accept()),
    });
    const near = await pair.low.dial(service("for ever"));
    const draining = pair.high.drain("An upgrade.", 5_000);
    await clock.advance(4_900);
    assert.equal(near.destroyed, false);
    await clock.advance(200);
    await draining;
    assert.equal((await pair.low.closed).by, "them");
    assert.ok(near.errored instanceof StreamError);
  });

  test("streams that crossed with GoAway were not taken up, and say so", async () => {
    const { session, peer } = await openRaw();
    const first = session.dial(service("taken up"));
    const second = session.dial(service("too late"));
    await peer.hear("open");
    await peer.hear("open");
    peer.send({ stream: 2n, kind: { case: "head", value: {} } });
    peer.send({ kind: { case: "goAway", value: { reason: Reason.SHUTDOWN, message: "Leaving.", lastStream: 2n } } });
    const notTaken = (error: unknown) =>
      error instanceof DialError && error.reason === Reason.GOING_AWAY && error.remote;
    await assert.rejects(second, notTaken);
    assert.equal((await first).destroyed, false);
  });

  test("opens no more streams than the other end takes, and says so at once", async () => {
    const { session } = await openRaw({
      hello: {
        kind: {
          case: "hello",
          value: { instance: new Uint8Array(16), fresh: new Uint8Array(16), carrier: 1n, limits: { maxStreams: 1 } },
        },
      },
    });
    const stream = session.open({ rpc: { path: "/a/b" } });
    const tooMany = (error: unknown) => error instanceof StreamError && error.reason === Reason.TOO_MANY_STREAMS;
    assert.throws(() => session.open({ rpc: { path: "/a/b" } }), tooMany);
    stream.reset(Reason.CANCELLED);
    session.open({ rpc: { path: "/a/b" } });
  });

  test("sends no more than was announced, whatever the Hello left out", async () => {
    const { session, peer } = await openRaw({
      hello: {
        kind: { case: "hello", value: { instance: new Uint8Array(16), fresh: new Uint8Array(16), carrier: 1n } },
      },
    });
    const stream = session.open({ rpc: { path: "/a/b" } });
    stream.write([new Uint8Array(10_000)], () => undefined);
    assert.equal((await peer.hear("data")).kind.value.length, 4096);
    peer.send({ kind: { case: "announce", value: { number: 1n, streamCredit: 100, maxStreams: 10 } } });
    peer.send({ stream: 2n, kind: { case: "credit", value: { bytes: 5n } } });
    assert.equal((await peer.hear("data")).kind.value.length, 5);
    session.open({ rpc: { path: "/c/d" } }).write([new Uint8Array(1_000)], () => undefined);
    assert.equal((await peer.hear("data")).kind.value.length, 100);
    await peer.hear("open");
    assert.equal((await peer.hear("open")).kind.value.announce, 1n);
  });

  test("a stream that was given up before its Open left is never heard of", async () => {
    const { session, peer } = await openRaw();
    session.open({ rpc: { path: "/given/up" } }).reset(Reason.CANCELLED);
    session.open({ rpc: { path: "/kept" } });
    const open = await peer.hear("open");
    assert.equal(open.stream, 2n);
    assert.deepEqual(open.kind.value.what.case === "rpc" && open.kind.value.what.value.path, "/kept");
    assert.equal(
      peer.heard.some((frame) => frame.kind.case === "reset"),
      false,
    );
  });

  test("headers arrive as they were sent, also binary and repeated ones", async () => {
    let seen: IncomingStream | undefined;
    const pair = await openPair({
      acceptHigh: (incoming) => {
        seen = incoming;
      },
    });
    const headers = new Headers([
      ["x-plain", "välue"],
      ["x-two", "a"],
      ["x-two", "b"],
      ["trace-bin", Buffer.from([0, 255, 10, 13]).toString("base64")],
      ["odd-bin", "not base64 at all!"],
    ]);
    pair.low.open({ rpc: { path: "/a/b", headers } });
    await until("the call arrives", () => seen !== undefined);
    assert.ok(seen?.kind === "rpc");
    assert.deepEqual(
      [...seen.headers].map(([name, value]) => [name, value.replace(/=+$/, "")]),
      [...headers].map(([name, value]) => [name, value.replace(/=+$/, "")]),
    );
    await pair.close();
  });

  test("acknowledges what it has received, of the frames that count", async () => {
    const clock = createFakeClock();
    const { peer } = await openRaw({
      clock,
      accept: (incoming) => void (incoming.kind === "dial" && incoming.accept().resume()),
    });
    peer.send(
      openFrame(1),
      { kind: { case: "ping", value: { id: 1n } } },
      { stream: 1n, kind: { case: "data", value: new Uint8Array(5) } },
    );
    await clock.advance(10_100);
    assert.equal((await peer.hear("ack")).kind.value.received, 2n);
    for (let i = 0; i < 4; i++) peer.send({ stream: 1n, kind: { case: "data", value: new Uint8Array(65_536) } });
    assert.equal((await peer.hear("ack")).kind.value.received, 6n);
  });

  test("is given up at once when its opener is", async () => {
    const [carrier, other] = duplexPair();
    other.resume();
    const giveUp = new AbortController();
    const options = { carrier, side: "low" as const, hello: hello(1), clock: systemClock, accept: () => undefined };
    const opening = openSession(options, giveUp.signal);
    giveUp.abort(new Error("enough"));
    await assert.rejects(opening, /enough/);
    const [spare] = duplexPair();
    await assert.rejects(openSession({ ...options, carrier: spare }, giveUp.signal), /enough/);
    assert.equal(spare.destroyed, true);
  });

  test("that is lost before the Hello was never opened", async () => {
    const [carrier, other] = duplexPair();
    const opening = openSession(
      { carrier, side: "low", hello: hello(1), clock: systemClock, accept: () => undefined },
      never,
    );
    other.end();
    await assert.rejects(
      opening,
      (error: unknown) => error instanceof SessionError && error.reason === Reason.CARRIER_LOST,
    );
  });

  test("10,000 streams are opened, used and forgotten", async () => {
    const pair = await openPair({
      acceptHigh: (incoming) => {
        if (incoming.kind !== "dial") return;
        const far = incoming.accept();
        far.pipe(far);
      },
    });
    const answers = await Promise.all(
      Array.from({ length: 10_000 }, async (_, i) => {
        const near = await pair.low.dial(service("echo"));
        near.end(`stream ${i}`);
        let got = "";
        for await (const chunk of near) got += String(chunk);
        return got === `stream ${i}`;
      }),
    );
    assert.equal(answers.filter(Boolean).length, 10_000);
    await until("all are over", () => pair.high.stats().open.normal === 0 && pair.low.stats().open.normal === 0);
    assert.equal(pair.high.stats().accepted, 10_000);
    await pair.close();
  });
});
