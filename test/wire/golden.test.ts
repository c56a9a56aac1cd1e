import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { duplexPair } from "node:stream";
import { suite, test } from "node:test";
import { toJsonString } from "@bufbuild/protobuf";
import { type Frame, FrameSchema } from "../../src/gen/fairlead/wire/v1/frame_pb.ts";
import { FrameDecoder } from "../../src/wire/decoder.ts";
import { Reason } from "../../src/wire/reason.ts";
import { Priority } from "../../src/wire/scheduler.ts";
import { type IncomingStream, openSession } from "../../src/wire/session.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { never } from "./pair.ts";
import { dataFrame, type FrameInit, frameBytes } from "./raw-peer.ts";

const file = new URL("golden/session-v1.txt", import.meta.url);

/** What the low end says, step by step; the high end's answers to each step are in the file. */
const steps: FrameInit[][] = [
  [
    {
      kind: {
        case: "hello",
        value: {
          instance: new Uint8Array(16).fill(0x11),
          version: "golden",
          features: ["datagram"],
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

/** Answers a dial with its own bytes, and a call with those of its request. */
function serve(incoming: IncomingStream): void {
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

suite("golden transcript", () => {
  test("of version 1: this version says and understands the same, to the byte", async () => {
    const [carrier, ours] = duplexPair();
    const clock = createFakeClock();
    const heard: Buffer[] = [];
    ours.on("data", (chunk: Buffer) => heard.push(chunk));
    const opening = openSession(
      {
        carrier,
        side: "high",
        hello: { instance: new Uint8Array(16).fill(0x33), version: "golden" },
        clock,
        random: () => 0,
        accept: serve,
      },
      never,
    );
    const lines: string[] = [];
    const settle = async (): Promise<void> => {
      // Nothing here waits for time, so some turns of the event loop are all that any answer takes.
      for (let i = 0; i < 30; i++) await new Promise(setImmediate);
      if (heard.length > 0) lines.push(...line("<", Buffer.concat(heard.splice(0))));
    };
    await settle();
    for (const step of steps) {
      const bytes = Buffer.concat(step.map(frameBytes));
      lines.push("", ...line(">", bytes));
      ours.write(bytes);
      await settle();
    }
    const session = await opening;
    assert.equal((await session.closed).reason, Reason.SHUTDOWN);
    await clock.advance(2_100);
    assert.equal(carrier.destroyed, true);
    const transcript = `${lines.join("\n")}\n`;
    if (process.env.FAIRLEAD_WRITE_GOLDEN !== undefined) writeFileSync(file, transcript);
    assert.equal(transcript, readFileSync(file, "utf8"));
  });
});
