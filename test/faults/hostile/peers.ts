/** What a peer, or a guest, may do on its link: each limit after trust. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { systemClock } from "../../../src/base/clock.ts";
import type { AcceptorDeps } from "../../../src/link/acceptor.ts";
import { Kept } from "../../../src/link/link.ts";
import { Reason } from "../../../src/wire/reason.ts";
import { Priority } from "../../../src/wire/scheduler.ts";
import { AgentBudget } from "../../../src/wire/session.ts";
import { createFakeClock } from "../../base/fake-clock.ts";
import { until } from "../../patience.ts";
import {
  dataFrame,
  dialKubernetes,
  type FrameInit,
  frameBytes,
  openFrame,
  type RawPeer,
  rawHello,
} from "../../wire/raw-peer.ts";
import type { Breach } from "./breach.ts";
import { endsFor, type Ground, openGround, resetsFor } from "./ground.ts";

type Villain = Awaited<ReturnType<Ground["guest"]>>;

/** Echoes for who is honest and dials a Service; sends without end to who dials the API, and reads nothing of it. */
const acceptBoth: AcceptorDeps["accept"] = (_link, stream) => {
  if (stream.kind !== "dial") return;
  const duplex = stream.accept().on("error", () => undefined);
  if (stream.target.kind.case === "service") duplex.pipe(duplex);
  else duplex.write(Buffer.alloc(32 * 2 ** 20));
};

/** What `attack` does ends the link for `reason`, or resets a stream, and others are well. */
function breach(
  limit: string,
  attack: string,
  outcome: { ends: Reason } | { resets: Reason },
  run: (villain: Villain) => void | Promise<void>,
  linkLimits: AcceptorDeps["linkLimits"] & object = {},
): Breach {
  return {
    limit,
    attack,
    async run(t) {
      const ground = await openGround(t, { linkLimits, accept: acceptBoth });
      const villain = await ground.guest();
      await run(villain);
      if ("ends" in outcome) await endsFor(outcome.ends, villain);
      else await resetsFor(outcome.resets, villain);
      await ground.othersAreWell();
    },
  };
}

function headers(count: number, bytes: number): { name: string; value: string }[] {
  return Array.from({ length: count }, (_, index) => ({ name: `x-${index}`, value: "v".repeat(bytes) }));
}

function call(id: number, list: { name: string; value: string }[]): FrameInit {
  const what = { case: "rpc", value: { path: "/a/b", headers: list } } as const;
  return { stream: BigInt(id), kind: { case: "open", value: { what } } };
}

/** A dial that gives so much credit, of a class that is not held to what the pipe takes. */
function interactive(credit: bigint): FrameInit {
  const value = { what: dialKubernetes, credit, priority: Priority.INTERACTIVE };
  return { stream: 1n, kind: { case: "open", value } };
}

const reset = (id: number): FrameInit => ({ stream: BigInt(id), kind: { case: "reset", value: {} } });

/** Odd numbers, which are the low end's: so many of them. */
const ids = (count: number): number[] => Array.from({ length: count }, (_, index) => index * 2 + 1);

/** Sends again and again, with no more waiting here than the connection takes, until it is cut or `done` says so. */
async function flood(peer: RawPeer, bytes: Uint8Array, done: () => boolean): Promise<void> {
  while (!peer.closed && !done()) {
    if (peer.carrier.write(bytes)) await new Promise(setImmediate);
    else await new Promise((resolve) => peer.carrier.once("drain", resolve).once("close", resolve));
  }
}

export const peers: readonly Breach[] = [
  breach("length of a frame", "one of 128 KiB and a byte", { ends: Reason.FRAME_TOO_LARGE }, ({ peer }) =>
    peer.sendBytes(Uint8Array.from([0x81, 0x80, 0x08, 1, 2, 3])),
  ),
  breach("length of a frame", "ones of nothing", { ends: Reason.MALFORMED }, ({ peer }) =>
    peer.sendBytes(new Uint8Array(60_000)),
  ),
  breach(
    "headers",
    "100 of 100 bytes",
    { resets: Reason.HEADERS_TOO_LARGE },
    ({ peer }) => peer.send(call(1, headers(100, 100))),
    { maxHeaderBytes: 10_000 },
  ),
  breach(
    "headers",
    "trailers that are as long",
    { resets: Reason.HEADERS_TOO_LARGE },
    ({ peer }) =>
      peer.send(openFrame(1), { stream: 1n, kind: { case: "end", value: { trailers: headers(100, 100) } } }),
    { maxHeaderBytes: 10_000 },
  ),
  breach(
    "streams at a time",
    "one more",
    { resets: Reason.TOO_MANY_STREAMS },
    ({ peer }) => peer.send(...ids(9).map((id) => openFrame(id))),
    { maxStreams: 8 },
  ),
  breach(
    "what open streams ask for",
    "many calls with long headers",
    { resets: Reason.OVERLOADED },
    ({ peer }) => peer.send(...ids(10).map((id) => call(id, headers(1, 60_000)))),
    { maxAskedBytes: 500_000 },
  ),
  breach(
    "opens in a second",
    "fifteen times as many at once",
    { resets: Reason.TOO_MANY_OPENS },
    ({ peer }) => peer.send(...ids(150).map((id) => openFrame(id))),
    { opensPerSecond: 10 },
  ),
  breach(
    "resets in a second",
    "streams that are opened to be reset",
    { ends: Reason.TOO_MANY_RESETS },
    ({ peer }) => peer.send(...ids(150).flatMap((id) => [openFrame(id), reset(id)])),
    { resetsPerSecond: 10 },
  ),
  breach(
    "resets in a second",
    "streams that this agent has to reset",
    { ends: Reason.TOO_MANY_RESETS },
    ({ peer }) => {
      const head = (id: number): FrameInit => ({ stream: BigInt(id), kind: { case: "head", value: {} } });
      peer.send(...ids(150).flatMap((id) => [openFrame(id), head(id)]));
    },
    { resetsPerSecond: 10 },
  ),
  breach(
    "credit of a stream",
    "more data than there is credit for",
    { resets: Reason.CREDIT_EXCEEDED },
    ({ peer }) => peer.send(openFrame(1), ...Array<FrameInit>(8).fill(dataFrame(1, new Uint8Array(16_000)))),
    { streamCredit: 64_000, mostStreamCredit: 64_000 },
  ),
  breach("credit that is given", "more than can be counted", { resets: Reason.PROTOCOL }, ({ peer }) =>
    peer.send(openFrame(1), { stream: 1n, kind: { case: "credit", value: { bytes: 2n ** 64n - 1n } } }),
  ),
  breach(
    "memory of a link",
    "streams that take all there is and stay",
    { resets: Reason.TOO_MANY_STREAMS },
    ({ peer }) => peer.send(...ids(100).map((id) => openFrame(id))),
    { linkBudgetBytes: 200_000 },
  ),
  {
    limit: "memory of all links",
    attack: "streams that take all that one link may have of it",
    async run(t) {
      const budget = new AgentBudget(2_000_000);
      const ground = await openGround(t, { budget, accept: acceptBoth });
      const villain = await ground.guest();
      villain.peer.send(...ids(100).map((id) => openFrame(id)));
      await resetsFor(Reason.OVERLOADED, villain);
      assert.ok(budget.free > 0, "nothing is left for others");
      await ground.othersAreWell();
    },
  },
  breach(
    "answers that wait",
    "asking, and reading no answer",
    { ends: Reason.NOT_READING },
    async ({ peer, link }) => {
      let ended = false;
      void link.closed.then(() => {
        ended = true;
      });
      peer.carrier.pause();
      let next = 1;
      while (!ended && next < 2_000_000) {
        const opens = Buffer.concat(ids(1_000).map((id) => frameBytes(openFrame(next + id - 1))));
        next += 2_000;
        if (peer.carrier.write(opens)) await new Promise(setImmediate);
        else await Promise.race([once(peer.carrier, "drain"), link.closed]);
      }
      peer.carrier.resume();
    },
    { maxStreams: 1, maxAnswerBytes: 50_000, opensPerSecond: 10_000_000, resetsPerSecond: 10_000_000 },
  ),
  {
    limit: "time of silence",
    attack: "saying nothing any more",
    async run(t) {
      const clock = createFakeClock(Date.now());
      const ground = await openGround(t, { clock, accept: acceptBoth });
      const villain = await ground.guest();
      for (let seconds = 0; seconds < 50; seconds += 2) {
        await clock.advance(2_000);
        await ground.othersAreWell(false);
      }
      await endsFor(Reason.SILENT, villain);
      await ground.othersAreWell();
    },
  },
  {
    limit: "time without progress",
    attack: "reading nothing any more, and talking on",
    async run(t) {
      const clock = createFakeClock(Date.now());
      const ground = await openGround(t, { clock, accept: acceptBoth });
      const villain = await ground.guest();
      villain.peer.send(interactive(2n ** 40n));
      await villain.peer.hear("head");
      villain.peer.carrier.pause();
      await until("bytes wait", () => villain.link.session.stats().waitingBytes > 0);
      let ended = false;
      void villain.link.closed.then(() => {
        ended = true;
      });
      let before = -1;
      // What the kernels of both ends hold moves for a while.
      while (before !== villain.link.session.stats().bytesOut) {
        before = villain.link.session.stats().bytesOut;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      for (let seconds = 0; seconds < 16 && !ended; seconds += 2) {
        villain.peer.send({ kind: { case: "ping", value: { id: BigInt(seconds) } } });
        await clock.advance(2_000);
        await ground.othersAreWell(false);
      }
      assert.equal((await villain.link.closed).reason, Reason.STALLED);
      await ground.othersAreWell();
    },
  },
  {
    limit: "answers to pings",
    attack: "a hundred thousand pings",
    async run(t) {
      const ground = await openGround(t);
      const { peer } = await ground.guest();
      const pings = (from: number): Buffer =>
        Buffer.concat(ids(1_000).map((id) => frameBytes({ kind: { case: "ping", value: { id: BigInt(from + id) } } })));
      for (let from = 1_000; from < 101_000; from += 1_000) peer.sendBytes(pings(from));
      peer.send({ kind: { case: "ping", value: { id: 5n } } });
      await until("the last is answered", () =>
        peer.heard.some(({ kind }) => kind.case === "pong" && kind.value.id === 5n),
      );
      assert.ok(peer.heard.length < 20_000, `${peer.heard.length} answers`);
      await ground.othersAreWell();
    },
  },
  {
    limit: "kinds that are not known",
    attack: "frames of all numbers that there are not",
    async run(t) {
      const ground = await openGround(t);
      const { peer, link } = await ground.guest();
      const unknown = (kind: number): Uint8Array => {
        const body = new BinaryWriter().tag(kind, WireType.LengthDelimited).bytes(new Uint8Array()).finish();
        return Uint8Array.from([body.length, ...body]);
      };
      // Those of a stream are no less unknown on none.
      const kinds = Array.from({ length: 61 }, (_, index) => index + 3).filter(
        (kind) => kind > 8 && (kind < 16 || kind > 22) && kind !== 48,
      );
      for (let round = 0; round < 50; round += 1) {
        for (const kind of kinds.filter((one) => one < 32 || one > 34)) peer.sendBytes(unknown(kind));
      }
      peer.send({ kind: { case: "ping", value: { id: 5n } } });
      await until("it lives", () => peer.heard.some(({ kind }) => kind.case === "pong" && kind.value.id === 5n));
      const answers = peer.heard.filter(({ kind }) => kind.case === "unsupported");
      assert.equal(answers.length, 32);
      assert.equal(link.session.stats().resets.sent.size, 0);
      await ground.othersAreWell();
    },
  },
  {
    limit: "time in one turn",
    attack: "tiny frames without end",
    async run(t) {
      const ground = await openGround(t);
      const { peer } = await ground.guest();
      const pongs = Buffer.concat(Array<Uint8Array>(10_000).fill(frameBytes({ kind: { case: "pong", value: {} } })));
      let well = false;
      const flooding = flood(peer, pongs, () => well);
      await ground.othersAreWell();
      well = true;
      await flooding;
      assert.equal(peer.closed, false);
    },
  },
  {
    limit: "what is kept for another connection",
    attack: "never acknowledging anything",
    async run(t) {
      const kept = keeper();
      const ground = await openGround(t, { kept });
      const { peer, link } = await resuming(ground);
      const padding = new Headers({ padding: "x".repeat(60_000) });
      for (let count = 0; count < 100; count += 1)
        link.session.open({ rpc: { path: "/a.B/C", headers: padding }, priority: Priority.INTERACTIVE });
      const opens = (): number => peer.heard.filter(({ kind }) => kind.case === "open").length;
      await until("as many as fit", () => opens() >= 70);
      await ground.othersAreWell();
      assert.ok(opens() <= 72, `${opens()} opens were sent`);
      peer.send({ kind: { case: "ack", value: { received: BigInt(opens()) } } });
      await until("the rest", () => opens() === 100);
    },
  },
  {
    limit: "what is kept for another connection",
    attack: "giving credit without end and acknowledging nothing",
    async run(t) {
      const clock = createFakeClock(Date.now());
      const kept = keeper();
      const linkLimits = { linkBudgetBytes: 2 ** 20 };
      const ground = await openGround(t, { clock, kept, linkLimits, accept: acceptBoth });
      const villain = await resuming(ground);
      villain.peer.send(interactive(2n ** 50n));
      const dataBytes = (): number =>
        villain.peer.heard.reduce((sum, { kind }) => sum + (kind.case === "data" ? kind.value.length : 0), 0);
      await until("as much as may be kept has come", () => dataBytes() > 4 * 2 ** 20 - 200_000);
      await ground.othersAreWell();
      assert.ok(dataBytes() < 5 * 2 ** 20, `${dataBytes()} bytes are kept of 32 MiB`);
      for (let seconds = 0; seconds < 32; seconds += 2) {
        villain.peer.send({ kind: { case: "ping", value: { id: BigInt(seconds) } } });
        await clock.advance(2_000);
        await ground.othersAreWell(false);
      }
      await endsFor(Reason.NOT_READING, villain);
      await ground.othersAreWell();
    },
  },
  {
    limit: "sessions of one peer",
    attack: "coming as twenty processes",
    async run(t) {
      const kept = keeper();
      const ground = await openGround(t, { kept });
      const links = [];
      for (let process = 1; process <= 20; process += 1) links.push((await resuming(ground, process)).link);
      const fingerprint = links[0]?.fingerprint ?? "";
      assert.equal((await links[0]?.closed)?.reason, Reason.REPLACED);
      assert.ok((kept(fingerprint)?.sessions.size ?? 0) <= 8, "so many are held");
      await ground.othersAreWell();
    },
  },
  {
    limit: "time without a connection",
    attack: "going, and leaving a session behind",
    async run(t) {
      const clock = createFakeClock(Date.now());
      const kept = keeper();
      const ground = await openGround(t, { clock, kept });
      const { peer, link } = await resuming(ground);
      peer.carrier.destroy();
      let ended = false;
      void link.closed.then(() => {
        ended = true;
      });
      for (let seconds = 0; seconds < 70 && !ended; seconds += 2) {
        await clock.advance(2_000);
        await ground.othersAreWell(false);
      }
      assert.equal((await link.closed).reason, Reason.SESSION_LOST);
      await ground.othersAreWell();
    },
  },
];

/** A guest whose session goes on at other carriers, the `process`-th that comes. */
async function resuming(ground: Ground, process = 1): Promise<Villain> {
  assert.ok(rawHello.kind?.case === "hello");
  const instance = new Uint8Array(16).fill(process);
  const value = { ...rawHello.kind.value, instance, features: ["resume"], carrier: BigInt(process) };
  const session = new Uint8Array(16).fill(process);
  return ground.guest(
    { kind: { case: "hello", value } },
    { kind: { case: "resume", value: { session, carrier: BigInt(process), begins: true } } },
  );
}

/** What is kept with whom, as an agent does it with its peers. */
function keeper(): NonNullable<AcceptorDeps["kept"]> {
  const all = new Map<string, Kept>();
  return (fingerprint) => {
    const one = all.get(fingerprint) ?? new Kept(systemClock);
    all.set(fingerprint, one);
    return one;
  };
}
