import { Duplex } from "node:stream";
import type { Clock } from "../../src/base/clock.ts";
import type { Limits } from "../../src/wire/limits.ts";
import { PeerSessions } from "../../src/wire/peer-sessions.ts";
import { type IncomingStream, openSession, type Session } from "../../src/wire/session.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { hello, never } from "./pair.ts";

/** One end of a connection in memory that can break after any byte, in each direction by itself. */
class End extends Duplex {
  other: End | undefined;
  /** Bytes that still go from here to the other end. */
  left = Number.POSITIVE_INFINITY;
  #taken: (() => void) | undefined;

  override _read(): void {
    const taken = this.#taken;
    this.#taken = undefined;
    taken?.();
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    const { other } = this;
    const passed = chunk.subarray(0, this.left);
    this.left -= passed.length;
    if (other === undefined || other.destroyed) return;
    if (this.left === 0) {
      other.push(passed);
      // What is in flight towards this end may still be read, for some turns.
      setImmediate(() => {
        other.destroy();
        setImmediate(() => this.destroy());
      });
      return;
    }
    other.#taken = done;
    other.push(passed);
  }

  override _final(done: () => void): void {
    this.other?.push(null);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    done(error);
    const { other } = this;
    if (other !== undefined && !other.destroyed) setImmediate(() => other.destroy());
  }
}

/** The two ends of a connection that breaks when so many bytes have gone one way. */
export function breakable(bytesUp = Number.POSITIVE_INFINITY, bytesDown = bytesUp): [Duplex, Duplex] {
  const near = new End();
  const far = new End();
  near.other = far;
  far.other = near;
  near.left = bytesUp;
  far.left = bytesDown;
  return [near, far];
}

interface TwoEnds {
  readonly lowSessions: PeerSessions;
  readonly highSessions: PeerSessions;
  /** Joins the ends by a carrier, which begins a session or goes on with the one there is. */
  join(carriers?: readonly [Duplex, Duplex]): Promise<{ low: Session; high: Session }>;
}

/** Two processes that hold sessions with each other. Time stands still unless said, so that a busy machine is no reason for anything to end. */
export function twoEnds(
  o: {
    clock?: Clock;
    limits?: Partial<Limits>;
    /** False for ends whose session ends with its carrier. */
    resumed?: boolean;
    acceptLow?(incoming: IncomingStream): void;
    acceptHigh?(incoming: IncomingStream): void;
  } = {},
): TwoEnds {
  const clock = o.clock ?? createFakeClock();
  const lowSessions = new PeerSessions(clock);
  const highSessions = new PeerSessions(clock);
  const common = { clock, random: () => 0, limits: o.limits ?? {} };
  const none = (): void => undefined;
  const held = (sessions: PeerSessions): { sessions?: PeerSessions } => (o.resumed === false ? {} : { sessions });
  return {
    lowSessions,
    highSessions,
    async join([lowCarrier, highCarrier] = breakable()) {
      const [low, high] = await Promise.allSettled([
        openSession(
          {
            ...common,
            carrier: lowCarrier,
            side: "low",
            hello: hello(1),
            ...held(lowSessions),
            accept: o.acceptLow ?? none,
          },
          never,
        ),
        openSession(
          {
            ...common,
            carrier: highCarrier,
            side: "high",
            hello: hello(2),
            ...held(highSessions),
            accept: o.acceptHigh ?? none,
          },
          never,
        ),
      ]);
      if (low.status === "rejected") throw low.reason;
      if (high.status === "rejected") throw high.reason;
      return { low: low.value, high: high.value };
    },
  };
}

/** Sends back what comes. */
export function echo(incoming: IncomingStream): void {
  if (incoming.kind !== "dial") return;
  const far = incoming.accept();
  far.on("error", () => undefined);
  far.pipe(far);
}
