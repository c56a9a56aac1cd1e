/**
 * A session: streams in both directions between two agents that know each other. It stands on a carrier and outlives it: when
 * it is lost, the session goes on at the next one, and its streams do not notice.
 */
import type { Duplex } from "node:stream";
import type { Clock } from "../base/clock.ts";
import type { AgentBudget } from "./budget.ts";
import type { LocalHello, Side } from "./hello.ts";
import type { IncomingStream } from "./incoming.ts";
import { defaultLimits, type Limits } from "./limits.ts";
import { Part } from "./part.ts";
import type { PeerSessions } from "./peer-sessions.ts";
import { Reason, SessionError } from "./reason.ts";
import type { CarrierFacts, Session } from "./session-face.ts";

export { AgentBudget } from "./budget.ts";
export type { LocalHello, Side } from "./hello.ts";
export type { IncomingDial, IncomingRpc, IncomingStream } from "./incoming.ts";
export type { DialOptions } from "./outgoing.ts";
export type { CarrierChange, CarrierFacts, Session, SessionEnd, SessionStats } from "./session-face.ts";

export interface SessionOptions {
  /** An authenticated byte stream, owned by the session from now on. */
  readonly carrier: Duplex;
  /** What is so of it, for `Session.carrier`; accepted, from nowhere known, unless said. */
  readonly facts?: CarrierFacts;
  /** "low" for the end with the smaller fingerprint. */
  readonly side: Side;
  readonly hello: LocalHello;
  /**
   * The sessions held with the agent at the other end of the carrier, the same object for each carrier to it: then a session
   * goes on at the next carrier when it loses one, if the other end can do that too. Without it a session ends with its carrier.
   */
  readonly sessions?: PeerSessions;
  /** What differs from {@link defaultLimits}. */
  readonly limits?: Partial<Limits>;
  /** What all sessions of the agent may promise together, the same object for each; without bound unless given. */
  readonly budget?: AgentBudget;
  readonly clock: Clock;
  /** From 0 up to 1, for jitter; `Math.random` unless given. */
  readonly random?: () => number;
  /**
   * Called once for each stream that the other end opens, synchronously from the read loop: it must not throw, and not
   * wait. Never called before whoever awaits `openSession` has had its turn. A session keeps that of its first carrier.
   */
  accept(incoming: IncomingStream): void;
  /** Told what `accept` or the listener of a stream threw, which has ended the session; nothing unless said. */
  onDefect?(error: unknown): void;
}

/**
 * Opens a session on a carrier, or goes on with one that is held: says Hello and resolves when the other end's has come and, when a
 * session goes on, its Resume, each within 10 s. Then it is the session that was there before, whose streams noticed nothing;
 * so it is when another carrier of the same session has come later, and this one is left. Rejects with a
 * {@link SessionError}, or with the signal's reason; the carrier is then closed.
 */
export function openSession(options: SessionOptions, signal: AbortSignal): Promise<Session> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      options.carrier.on("error", () => undefined).destroy();
      reject(signal.reason);
      return;
    }
    const limits = { ...defaultLimits, ...options.limits };
    const onAbort = (): void => {
      reject(signal.reason);
      part.giveUp(new SessionError(Reason.CANCELLED, "The connection was given up before it stood."));
    };
    const settled = (): void => signal.removeEventListener("abort", onAbort);
    const part = new Part(
      { ...options, limits },
      {
        opened: (session) => {
          settled();
          resolve(session);
        },
        failed: (error) => {
          settled();
          reject(error);
        },
      },
    );
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
