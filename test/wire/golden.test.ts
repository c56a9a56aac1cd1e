import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { type Duplex, duplexPair } from "node:stream";
import { suite, test } from "node:test";
import { toJsonString } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { type Frame, FrameSchema } from "../../src/gen/fairlead/wire/v1/frame_pb.ts";
import { Network } from "../../src/gen/fairlead/wire/v1/target_pb.ts";
import { FrameDecoder } from "../../src/wire/decoder.ts";
import { PeerSessions } from "../../src/wire/peer-sessions.ts";
import { Reason } from "../../src/wire/reason.ts";
import { Priority } from "../../src/wire/scheduler.ts";
import { type IncomingStream, openSession, type Session } from "../../src/wire/session.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { never } from "./pair.ts";
import { dataFrame, type FrameInit, frameBytes } from "./raw-peer.ts";

/** What the low end says, step by step; the high end's answers to each step are in the file. */
const steps: FrameInit[][] = [
  [
    {
      kind: {
        case: "hello",
        value: {
          instance: new Uint8Array(16).fill(0x11),
          version: "golden",
          features: ["to-come"],
          limits: { maxFrameBytes: 131_072, maxHeaderBytes: 65_536, maxStreams: 16_384, streamCredit: 262_144 },
          fresh: new Uint8Array(16).fill(0x22),
          carrier: 1n,
        },
      },
    },
  ],
  [{ kind: { case: "pong", value: { id: 1n } } }, { kind: { case: "ping", value: { id: 300n } } }],
  [
    {
      stream: 1n,
      kind: {
        case: "open",
        value: {
          what: {
            case: "dial",
            value: {
              target: {
                kind: {
                  case: "workload",
                  value: { namespace: "web", name: "shop", port: { value: { case: "number", value: 8080 } } },
                },
              },
            },
          },
          priority: Priority.INTERACTIVE,
          credit: 262_144n,
        },
      },
    },
    dataFrame(1, Buffer.from("ping")),
    { stream: 1n, kind: { case: "end", value: {} } },
  ],
  [
    {
      stream: 3n,
      kind: {
        case: "open",
        value: {
          what: {
            case: "rpc",
            value: {
              path: "/fairlead.test.v1.EchoService/Say",
              headers: [
                { name: "content-type", value: "application/grpc+proto" },
                { name: "trace-bin", binary: Uint8Array.from([0, 1, 254, 255]) },
              ],
            },
          },
          credit: 5n,
        },
      },
    },
    dataFrame(3, Buffer.from([0, 0, 0, 0, 4, 10, 2, 104, 105])),
    { stream: 3n, kind: { case: "end", value: {} } },
  ],
  [{ stream: 3n, kind: { case: "credit", value: { bytes: 4n } } }],
  [{ stream: 5n, kind: { case: "open", value: { what: { case: "dial", value: {} } } } }],
  [{ kind: { case: "close", value: { reason: Reason.SHUTDOWN, message: "Good bye." } } }],
];

function resumableHello(carrier: bigint, features: string[] = []): FrameInit {
  const value = {
    instance: new Uint8Array(16).fill(0x11),
    version: "golden",
    features: ["resume", ...features],
    limits: { maxFrameBytes: 131_072, maxHeaderBytes: 65_536, maxStreams: 16_384, streamCredit: 262_144 },
    fresh: new Uint8Array(16).fill(0x22),
    carrier,
  };
  return { kind: { case: "hello", value } };
}

function resumeFrame(carrier: bigint, session: number, received: bigint, begins = false): FrameInit {
  const value = { session: new Uint8Array(16).fill(session), carrier, received, begins };
  return { kind: { case: "resume", value } };
}

const kubernetes: FrameInit = {
  stream: 1n,
  kind: {
    case: "open",
    value: { what: { case: "dial", value: { target: { kind: { case: "kubernetes", value: {} } } } }, credit: 262_144n },
  },
};

/**
 * The same, of a session with three carriers. On the first the low end hears Head and the echo of "one", and says that it has heard Head
 * alone: so the echo comes again on the second, where the low end says "two", which is all that the high end had not heard.
 */
const resumeSteps: FrameInit[][][] = [
  [
    [resumableHello(100n)],
    [resumeFrame(100n, 0x22, 0n, true), kubernetes, dataFrame(1, Buffer.from("one"))],
    [{ kind: { case: "ack", value: { received: 1n } } }],
  ],
  [[resumableHello(101n)], [resumeFrame(101n, 0x22, 1n)], [dataFrame(1, Buffer.from("two"))]],
  [
    [resumableHello(102n)],
    [resumeFrame(102n, 0x44, 5n)],
    [resumeFrame(102n, 0x55, 0n, true)],
    [{ kind: { case: "close", value: { reason: Reason.SHUTDOWN, message: "Good bye." } } }],
  ],
];

/** A frame of a kind that nobody knows yet, with nothing in it. */
function unknownKind(number: number, stream?: number): Uint8Array {
  const writer = new BinaryWriter();
  if (stream !== undefined) writer.tag(1, WireType.Varint).uint64(BigInt(stream));
  const body = writer.tag(number, WireType.LengthDelimited).bytes(new Uint8Array()).finish();
  return Uint8Array.from([body.length, ...body]);
}

/**
 * What has no answer of its own, what nobody knows yet, and how both leave: a reset, an announcement, kinds to come, an Ack that is
 * due after 10 s, a carrier that another takes over from, and GoAway of both ends: an open is refused behind it, a stream goes on.
 */
const leavingSteps: Step[][] = [
  [
    [resumableHello(100n)],
    [resumeFrame(100n, 0x22, 0n, true), kubernetes, dataFrame(1, Buffer.from("one"))],
    [{ ...kubernetes, stream: 3n }],
    [{ stream: 3n, kind: { case: "reset", value: { reason: Reason.CANCELLED, message: "Never mind." } } }],
    [{ kind: { case: "announce", value: { number: 1n, streamCredit: 65_536, maxStreams: 64 } } }],
    [unknownKind(40), unknownKind(25), unknownKind(40)],
    [unknownKind(12, 1)],
    [{ kind: { case: "unsupported", value: { kind: 41 } } }],
    [{ ...kubernetes, stream: 5n }],
    "10 s pass",
  ],
  [
    [resumableHello(101n)],
    [resumeFrame(101n, 0x22, 4n)],
    [{ kind: { case: "goAway", value: { reason: Reason.SHUTDOWN, message: "I leave.", lastStream: 0n } } }],
    "the high end drains",
    [{ ...kubernetes, stream: 7n }],
    [dataFrame(5, Buffer.from("last")), { stream: 5n, kind: { case: "end", value: {} } }],
    [{ kind: { case: "ack", value: { received: 11n } } }],
  ],
];

/** A dial for datagrams, and two behind it before there is an answer. */
const udp: (FrameInit | Uint8Array)[] = [
  {
    stream: 1n,
    kind: {
      case: "open",
      value: {
        what: {
          case: "dial",
          value: {
            target: {
              kind: { case: "address", value: { name: "dns", port: { value: { case: "number", value: 53 } } } },
              network: Network.UDP,
            },
          },
        },
        priority: Priority.INTERACTIVE,
        credit: 262_144n,
      },
    },
  },
  { stream: 1n, kind: { case: "datagram", value: Buffer.from("one") } },
  { stream: 1n, kind: { case: "datagram", value: new Uint8Array() } },
];

/**
 * Datagrams: they are echoed, not counted, not said again on the second carrier, and told of by an Ack with the first carrier's none. One
 * on a stream that is not for them is lost, and one end of the stream ends it.
 */
const datagramSteps: Step[][] = [
  [[resumableHello(100n, ["datagram"])], [resumeFrame(100n, 0x22, 0n, true), ...udp], "10 s pass"],
  [
    [resumableHello(101n, ["datagram"])],
    [resumeFrame(101n, 0x22, 1n)],
    [{ stream: 1n, kind: { case: "datagram", value: Buffer.from("two") } }],
    [
      { ...kubernetes, stream: 3n },
      { stream: 3n, kind: { case: "datagram", value: Buffer.from("lost") } },
    ],
    "10 s pass",
    [{ stream: 1n, kind: { case: "end", value: {} } }],
    [{ kind: { case: "close", value: { reason: Reason.SHUTDOWN, message: "Good bye." } } }],
  ],
];

/** Answers a dial with its own bytes or datagrams, and a call with those of its request. */
function serve(incoming: IncomingStream): void {
  if (incoming.kind === "dial" && incoming.target.network === Network.UDP) {
    const far = incoming.acceptDatagrams();
    far.listen((payload) => far.send(payload));
    return;
  }
  if (incoming.kind === "dial") {
    const far = incoming.accept();
    far.pipe(far);
    return;
  }
  const { stream } = incoming;
  stream.attach({
    head: () => undefined,
    data: () => false,
    reset: () => undefined,
    end: () => {
      stream.sendHead(200, new Headers({ "content-type": "application/grpc+proto" }));
      stream.write([stream.read() ?? new Uint8Array()], () => undefined);
      stream.end(new Headers({ "grpc-status": "0" }));
    },
  });
}

function line(direction: string, bytes: Uint8Array): string[] {
  const described: string[] = [];
  const describe = (frame: Frame): void => void described.push(`# ${toJsonString(FrameSchema, frame)}`);
  new FrameDecoder(
    {
      data: (stream, pieces) => describe({ ...dataOf(stream, Buffer.concat(pieces)) }),
      frame: describe,
    },
    131_072,
  ).push(bytes);
  return [...described, `${direction} ${Buffer.from(bytes).toString("hex")}`];
}

function dataOf(stream: number, value: Uint8Array): Frame {
  return { $typeName: "fairlead.wire.v1.Frame", stream: BigInt(stream), sequence: 0n, kind: { case: "data", value } };
}

/** What the low end says, or what happens besides. */
type Step = (FrameInit | Uint8Array)[] | "10 s pass" | "the high end drains";

/**
 * What the high end answers on each of these carriers, one after the other. Each is broken when its steps are done, or lives on
 * until the next one has taken over from it.
 */
async function transcribe(
  carriers: readonly Step[][],
  o: { sessions?: PeerSessions; takeOver?: boolean } = {},
): Promise<string> {
  const clock = createFakeClock();
  const lines: string[] = [];
  const opened: Session[] = [];
  const heard: Buffer[][] = [];
  const used: Duplex[] = [];
  const settle = async (): Promise<void> => {
    // Nothing here waits for time, so some turns of the event loop are all that any answer takes.
    for (let i = 0; i < 30; i++) await new Promise(setImmediate);
    for (const [nr, pieces] of heard.entries()) {
      if (pieces.length === 0) continue;
      if (nr < heard.length - 1) lines.push(`# on carrier ${nr + 1}, at last:`);
      lines.push(...line("<", Buffer.concat(pieces.splice(0))));
    }
  };
  for (const [nr, steps] of carriers.entries()) {
    const [carrier, ours] = duplexPair();
    const pieces: Buffer[] = [];
    heard.push(pieces);
    used.push(carrier);
    ours.on("data", (chunk: Buffer) => pieces.push(chunk));
    const opening = openSession(
      {
        carrier,
        side: "high",
        hello: { instance: new Uint8Array(16).fill(0x33), version: "golden" },
        ...(o.sessions && { sessions: o.sessions }),
        clock,
        random: () => 0,
        accept: serve,
      },
      never,
    );
    if (carriers.length > 1) lines.push(...(nr > 0 ? [""] : []), `# carrier ${nr + 1}`);
    await settle();
    for (const step of steps) {
      lines.push("");
      if (step === "10 s pass") {
        lines.push(`# ${step}`);
        await clock.advance(10_000);
      } else if (step === "the high end drains") {
        lines.push(`# ${step}`);
        void opened[0]?.drain("Good bye.");
      } else {
        const bytes = Buffer.concat(step.map((one) => (one instanceof Uint8Array ? one : frameBytes(one))));
        lines.push(...line(">", bytes));
        ours.write(bytes);
      }
      await settle();
    }
    opened.push(await opening);
    if (nr === carriers.length - 1) assert.equal((await opened[nr]?.closed)?.reason, Reason.SHUTDOWN);
    else if (!o.takeOver) ours.destroy();
    if (!o.takeOver || nr === carriers.length - 1) await clock.advance(2_100);
    assert.equal(carrier.destroyed, !o.takeOver || nr === carriers.length - 1);
  }
  assert.ok(used.every((carrier) => carrier.destroyed));
  return `${lines.join("\n")}\n`;
}

function check(name: string, transcript: string): void {
  const file = new URL(`golden/${name}`, import.meta.url);
  if (process.env.FAIRLEAD_WRITE_GOLDEN !== undefined) writeFileSync(file, transcript);
  assert.equal(transcript, readFileSync(file, "utf8"));
}

suite("golden transcript", () => {
  test("of version 1: this version says and understands the same, to the byte", async () => {
    check("session-v1.txt", await transcribe([steps]));
  });

  test("of a session of version 1 that goes on at a second carrier, and is not known at a third", async () => {
    check("resume-v1.txt", await transcribe(resumeSteps, { sessions: new PeerSessions(createFakeClock()) }));
  });

  test("of a session of version 1 that meets kinds to come, is moved, and that both ends leave", async () => {
    const sessions = new PeerSessions(createFakeClock());
    check("leaving-v1.txt", await transcribe(leavingSteps, { sessions, takeOver: true }));
  });

  test("of datagrams: echoed, not counted, and not said again on another carrier", async () => {
    check("datagrams-v1.txt", await transcribe(datagramSteps, { sessions: new PeerSessions(createFakeClock()) }));
  });
});
