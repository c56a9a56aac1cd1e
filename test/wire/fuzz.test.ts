import assert from "node:assert/strict";
import { duplexPair } from "node:stream";
import { suite, test } from "node:test";
import fc from "fast-check";
import { systemClock } from "../../src/base/clock.ts";
import { Reason, SessionError } from "../../src/wire/reason.ts";
import { Priority } from "../../src/wire/scheduler.ts";
import { type IncomingStream, openSession, type Session } from "../../src/wire/session.ts";
import { hello, never, openPair, service } from "./pair.ts";
import { dialKubernetes, type FrameInit, frameBytes, rawHello } from "./raw-peer.ts";

/** Runs stop after so long, whatever the machine does besides. */
const budgetMs = 2_500;

const stream = fc.oneof(
  fc.integer({ min: 0, max: 12 }).map(BigInt),
  fc.constantFrom(2n ** 53n - 1n, 2n ** 53n, 2n ** 64n - 1n),
);
const header = fc.record({
  name: fc.oneof(fc.constantFrom("x", "trace-bin", "grpc-status", ""), fc.string({ maxLength: 10 })),
  value: fc.string({ maxLength: 10, unit: "binary" }),
  binary: fc.uint8Array({ maxLength: 10 }),
});
const headers = fc.array(header, { maxLength: 4 });
const number = fc.oneof(fc.bigInt(0n, 10n), fc.bigInt(0n, 2n ** 64n - 1n));

type Kind = NonNullable<FrameInit["kind"]>;

const kinds: fc.Arbitrary<Kind>[] = [
  fc.uint8Array({ maxLength: 2_000 }).map((value) => ({ case: "data", value })),
  number.map((bytes) => ({ case: "credit", value: { bytes } })),
  fc
    .record({
      credit: number,
      priority: fc.constantFrom(...Object.values(Priority)),
      announce: fc.constantFrom(0n, 0n, 3n),
    })
    .map((value) => ({ case: "open", value: { ...value, what: dialKubernetes } })),
  headers.map((list) => ({
    case: "open",
    value: { what: { case: "rpc", value: { path: "/a/b", headers: list } }, credit: 100n },
  })),
  headers.map((list) => ({ case: "head", value: { headers: list } })),
  headers.map((trailers) => ({ case: "end", value: { trailers } })),
  fc
    .record({ reason: fc.constantFrom(...Object.values(Reason)), message: fc.string() })
    .map((value) => ({ case: "reset", value })),
  fc.uint8Array().map((value) => ({ case: "datagram", value })),
  number.map((id) => ({ case: "ping", value: { id } })),
  number.map((id) => ({ case: "pong", value: { id } })),
  number.map((received) => ({ case: "ack", value: { received } })),
  number.map((lastStream) => ({ case: "goAway", value: { lastStream } })),
  fc.record({ number, streamCredit: fc.nat(), maxStreams: fc.nat() }).map((value) => ({ case: "announce", value })),
  fc.nat().map((kind) => ({ case: "unsupported", value: { kind } })),
  fc.constantFrom<Kind>({ case: "hello", value: {} }, { case: "resume", value: {} }, { case: "detach", value: {} }),
];

/** Any frame of any kind for any stream, allowed there or not. */
const anyFrame: fc.Arbitrary<FrameInit> = fc.record({ stream, kind: fc.oneof(...kinds) });

/** Answers every dial with an echo, and every call with a word. */
function serve(incoming: IncomingStream): void {
  if (incoming.kind === "dial") {
    const far = incoming.accept();
    far.pipe(far);
    return;
  }
  incoming.stream.attach({ head: () => undefined, data: () => false, end: () => undefined, reset: () => undefined });
  incoming.stream.sendHead(200, new Headers({ hello: "you" }));
  incoming.stream.write([Buffer.from("word")], () => undefined);
  incoming.stream.end();
}

/** Plays bytes to a session. It must end by itself or go on; what it holds at the end must be as nothing. */
async function play(chunks: readonly Uint8Array[]): Promise<void> {
  const [carrier, other] = duplexPair();
  other.on("error", () => undefined).resume();
  const opening = openSession({ carrier, side: "high", hello: hello(1), clock: systemClock, accept: serve }, never);
  let session: Session | undefined;
  opening.then(
    (opened) => {
      session = opened;
      // So that numbers of this end are in use too.
      opened.dial(service("x")).catch(() => undefined);
    },
    (error: unknown) => assert.ok(error instanceof SessionError, String(error)),
  );
  other.write(frameBytes(rawHello));
  await new Promise(setImmediate);
  for (const chunk of chunks) other.write(chunk);
  await new Promise(setImmediate);
  other.destroy();
  carrier.destroy();
  await opening.catch(() => undefined);
  if (session === undefined) return;
  await session.closed;
  const { open } = session.stats();
  assert.equal(open.control + open.interactive + open.normal + open.bulk, 0);
}

suite("whatever a peer sends", () => {
  test("frames of all kinds in any order leave no stream behind", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyFrame, { maxLength: 30 }), (frames) => play(frames.map(frameBytes))),
      { numRuns: 100_000, interruptAfterTimeLimit: budgetMs, markInterruptAsFailure: false },
    );
  });

  test("a valid conversation with some bytes changed ends well or with a reason", async () => {
    const transcript = await record();
    const change = fc.record({ at: fc.nat(transcript.length - 1), to: fc.nat(255), cut: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(
        fc.array(change, { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 1, max: 500 }),
        (changes, size) => {
          let bytes = Buffer.from(transcript);
          for (const { at, to, cut } of changes) {
            if (cut) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)]);
            else bytes[Math.min(at, bytes.length - 1)] = to;
          }
          const chunks: Buffer[] = [];
          for (let at = 0; at < bytes.length; at += size) chunks.push(Buffer.from(bytes.subarray(at, at + size)));
          return play(chunks);
        },
      ),
      { numRuns: 100_000, interruptAfterTimeLimit: budgetMs, markInterruptAsFailure: false },
    );
  });
});

/** What the low end says in a conversation of some length, behind its Hello. */
async function record(): Promise<Buffer> {
  const said: Buffer[] = [];
  const pair = await openPair({ acceptHigh: serve });
  pair.highCarrier.on("data", (chunk: Buffer) => said.push(Buffer.from(chunk)));
  const near = await pair.low.dial(service("echo"));
  near.end(Buffer.alloc(300, "fairlead"));
  for await (const _ of near);
  const call = pair.low.open({ rpc: { path: "/a/b", headers: new Headers({ x: "y", "z-bin": "AAEC" }) } });
  call.write([Buffer.from("question")], () => undefined);
  call.end(new Headers({ done: "yes" }));
  const cut = await pair.low.dial(service("echo"));
  cut.destroy();
  await pair.low.drain("Enough.", 1_000);
  return Buffer.concat(said);
}
