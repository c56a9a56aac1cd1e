import { create } from "@bufbuild/protobuf";
import { type Announce, AnnounceSchema } from "../gen/fairlead/wire/v1/frame_pb.ts";

/** Announcements of which the other end has named none yet; with so many under way there are no new ones. */
const mostUnderWay = 64;

/**
 * What this end has told the other that its streams start with. The other learns of a change half a round trip later, so each Open names the
 * announcement that it knew.
 */
export class Announcements {
  readonly #maxStreams: number;
  /** Those that an Open may still name, the oldest first; there is always one. */
  #told: { number: bigint; credit: number }[];

  /** `credit` is the Hello's. */
  constructor(credit: number, maxStreams: number) {
    this.#told = [{ number: 0n, credit }];
    this.#maxStreams = maxStreams;
  }

  /** What the other end was told last. */
  get credit(): number {
    return this.#told.at(-1)?.credit ?? 0;
  }

  /**
   * What a stream starts with whose Open names this announcement and takes so much of it, 0 for all. Undefined when there was none by that number, or an earlier
   * Open has named a later one, or more is taken than was announced.
   */
  creditOf(number: bigint, taken: bigint): number | undefined {
    const at = this.#told.findIndex((one) => one.number === number);
    const credit = this.#told[at]?.credit;
    if (credit === undefined || taken > BigInt(credit)) return undefined;
    if (at > 0) this.#told = this.#told.slice(at);
    return taken === 0n ? credit : Number(taken);
  }

  /** What is to be said when streams start with `credit` from now on, or with `later` when that is more. Undefined when nothing has changed. */
  change(credit: number, later: number): Announce | undefined {
    const { credit: told } = this;
    // It falls at once, and rises only when it would not soon fall again.
    const next = credit < told ? credit : Math.max(told, later);
    if (next === told || this.#told.length >= mostUnderWay) return undefined;
    const number = (this.#told.at(-1)?.number ?? 0n) + 1n;
    this.#told.push({ number, credit: next });
    return create(AnnounceSchema, { number, streamCredit: next, maxStreams: this.#maxStreams });
  }
}
