import { create } from "@bufbuild/protobuf";
import { CreditSchema } from "../gen/fairlead/wire/v1/frame_pb.ts";
import type { Pace } from "./credit.ts";
import { encodeFrame } from "./frame.ts";
import type { Stream } from "./stream.ts";

/**
 * What goes ahead of all data: frames of the session, resets and credit. Credit is added up until it leaves, so that a
 * stream never has more than one such frame waiting.
 */
export class Answers {
  #frames: Uint8Array[] = [];
  #bytes = 0;
  #streams: Stream[] = [];

  /** Bytes of frames that wait to be sent. */
  get bytes(): number {
    return this.#bytes;
  }

  push(frame: Uint8Array): void {
    this.#frames.push(frame);
    this.#bytes += frame.length;
  }

  /** The stream owes credit. */
  credit(stream: Stream): void {
    if (stream.creditWaiting) return;
    stream.creditWaiting = true;
    this.#streams.push(stream);
  }

  /** Adds all that waits to `out`; it is small beside the data, and bounded by the session. Returns its bytes. `pace` is asked for if credit is given. */
  pull(out: Uint8Array[], pace: () => Pace): number {
    let bytes = this.#bytes;
    for (const frame of this.#frames) out.push(frame);
    this.#frames = [];
    this.#bytes = 0;
    if (this.#streams.length === 0) return bytes;
    const now = pace();
    for (const stream of this.#streams) {
      const credit = stream.takeCredit(now);
      if (credit === 0) continue;
      const frame = encodeFrame(stream.id, { case: "credit", value: create(CreditSchema, { bytes: BigInt(credit) }) });
      out.push(frame);
      bytes += frame.length;
    }
    this.#streams = [];
    return bytes;
  }
}
