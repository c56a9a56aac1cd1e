import { ByteRoom } from "../../base/byte-room.ts";
import { mostEarlyBytesOfAll } from "../../base/datagram-listener.ts";

/** How many connections there may be at a time, of some or of all together. */
export class ConnectionBound {
  /** May be lowered below what there is: then nobody comes in until enough have gone. */
  most: number;
  /** For datagrams of flows that are not open yet, of all together. */
  readonly early: ByteRoom;
  readonly #whole: ConnectionBound | undefined;
  #inside = 0;

  /** What comes in counts for `whole` too, which has to have room as well. */
  constructor(most: number, whole?: ConnectionBound) {
    this.most = most;
    this.#whole = whole;
    this.early = whole?.early ?? new ByteRoom(mostEarlyBytesOfAll);
  }

  /** Undefined when there are too many; else what makes room again, once, however often it is called. */
  enter(): (() => void) | undefined {
    if (this.#inside >= this.most) return undefined;
    const leaveWhole = this.#whole ? this.#whole.enter() : () => undefined;
    if (!leaveWhole) return undefined;
    this.#inside += 1;
    let isInside = true;
    return () => {
      if (!isInside) return;
      isInside = false;
      this.#inside -= 1;
      leaveWhole();
    };
  }
}
