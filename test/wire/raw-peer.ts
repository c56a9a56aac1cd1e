import { type Duplex, duplexPair } from "node:stream";
import { create, fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { sizeDelimitedEncode } from "@bufbuild/protobuf/wire";
import { type Clock, systemClock } from "../../src/base/clock.ts";
import { type Frame, FrameSchema } from "../../src/gen/fairlead/wire/v1/frame_pb.ts";
import { type Limits, unsaidLimits } from "../../src/wire/limits.ts";
import { type IncomingStream, openSession, type Session } from "../../src/wire/session.ts";
import { until } from "../patience.ts";
import { hello, never } from "./pair.ts";

export type FrameInit = MessageInitShape<typeof FrameSchema>;

/** A frame with its length prefix, by the generated codec alone. */
export function frameBytes(frame: FrameInit): Uint8Array {
  return sizeDelimitedEncode(FrameSchema, create(FrameSchema, frame));
}

/** Speaks frames by the generated codec alone, knows no rules, and keeps all that it hears. */
export class RawPeer {
  readonly carrier: Duplex;
  readonly heard: Frame[] = [];
  closed = false;
  #rest: Buffer = Buffer.alloc(0);

  constructor(carrier: Duplex) {
    this.carrier = carrier;
    carrier.on("data", (chunk: Buffer) => this.#read(chunk));
    carrier.on("error", () => undefined);
    carrier.on("close", () => {
      this.closed = true;
    });
    carrier.on("end", () => {
      this.closed = true;
    });
  }

  send(...frames: FrameInit[]): void {
    for (const frame of frames) this.carrier.write(frameBytes(frame));
  }

  sendBytes(bytes: Uint8Array): void {
    this.carrier.write(bytes);
  }

  /** Waits for a frame of that kind and returns the first one that was not asked for yet. */
  async hear<K extends Frame["kind"]["case"]>(kind: K): Promise<Frame & { kind: { case: K } }> {
    let found: Frame | undefined;
    await until(`a ${kind} frame comes`, () => {
      const at = this.heard.findIndex((frame) => frame.kind.case === kind);
      if (at >= 0) found = this.heard.splice(at, 1)[0];
      return found !== undefined;
    });
    return found as Frame & { kind: { case: K } };
  }

  #read(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    for (;;) {
      let length = 0;
      let at = 0;
      for (; at < this.#rest.length; at++) {
        const byte = this.#rest[at] ?? 0;
        length += (byte & 0x7f) * 2 ** (7 * at);
        if (byte < 0x80) break;
      }
      if (at >= this.#rest.length || this.#rest.length < at + 1 + length) return;
      this.heard.push(fromBinary(FrameSchema, this.#rest.subarray(at + 1, at + 1 + length)));
      this.#rest = this.#rest.subarray(at + 1 + length);
    }
  }
}

export const rawHello: FrameInit = {
  kind: {
    case: "hello",
    value: {
      instance: new Uint8Array(16).fill(9),
      version: "raw",
      limits: { maxStreams: 100_000, streamCredit: 256 * 1024 },
      fresh: new Uint8Array(16).fill(7),
      carrier: 1n,
    },
  },
};

/** A session, which is the high end, and a raw peer that has said Hello to it. */
export async function openRaw(
  o: {
    limits?: Partial<Limits>;
    clock?: Clock;
    accept?(incoming: IncomingStream): void;
    onDefect?(error: unknown): void;
    hello?: FrameInit;
  } = {},
): Promise<{ session: Session; peer: RawPeer; carrier: Duplex }> {
  const [carrier, ours] = duplexPair();
  const peer = new RawPeer(ours);
  peer.send(o.hello ?? rawHello);
  const session = await openSession(
    {
      carrier,
      side: "high",
      hello: hello(2),
      limits: o.limits ?? {},
      clock: o.clock ?? systemClock,
      random: () => 0,
      accept: o.accept ?? (() => undefined),
      ...(o.onDefect && { onDefect: o.onDefect }),
    },
    never,
  );
  await peer.hear("hello");
  return { session, peer, carrier };
}

export const dialKubernetes = { case: "dial", value: { target: { kind: { case: "kubernetes", value: {} } } } } as const;

/** An Open of stream `id` that dials, with so much credit for the answer. */
export function openFrame(id: number, credit: number = unsaidLimits.streamCredit): FrameInit {
  return {
    stream: BigInt(id),
    kind: { case: "open", value: { what: dialKubernetes, credit: BigInt(credit) } },
  };
}

export function dataFrame(id: number, data: Uint8Array): FrameInit {
  return { stream: BigInt(id), kind: { case: "data", value: data } };
}
