/** Keeps a session on a connection: when one is lost, it makes the next, until the session is over. */
import { createBackoff } from "../base/backoff.ts";
import type { Clock } from "../base/clock.ts";
import { Reason } from "../wire/reason.ts";
import type { Session } from "../wire/session.ts";

export interface GoingOnDeps {
  /** Makes a connection and opens it for what is held; gives the session that it is for. */
  connect(signal: AbortSignal): Promise<Session>;
  /** Why no later attempt can do better; undefined when one may. */
  isFinal(error: unknown): string | undefined;
  readonly clock: Clock;
}

/** The first attempt comes at once, for most connections break while the way is good. Milliseconds. */
const retry = { minMs: 100, maxMs: 3_000 };
/** Of one attempt. */
const attemptMs = 10_000;

/**
 * Goes on until the session is over, which it is by itself when it had no connection for so long as its limits say. It is ended here when an
 * attempt fails for good, and when the other end no longer knows it and begins another.
 */
export function keepGoing(session: Session, { connect, isFinal, clock }: GoingOnDeps): void {
  const over = new AbortController();
  void session.closed.then(() => over.abort(new Error("The session is over.")));
  let busy = false;

  async function attempt(): Promise<void> {
    const limit = new AbortController();
    const timer = clock.after(attemptMs, () => limit.abort(new Error("The agent did not answer in time.")));
    try {
      const found = await connect(AbortSignal.any([over.signal, limit.signal]));
      if (found === session) return;
      found.close({ reason: Reason.CANCELLED, message: "Another session was to go on." });
      session.close({ reason: Reason.SESSION_LOST, message: "The agent that answers now does not know the session." });
    } finally {
      timer.cancel();
    }
  }

  async function goOn(): Promise<void> {
    if (busy) return;
    busy = true;
    const backoff = createBackoff(retry);
    while (!over.signal.aborted && session.stats().carrierlessSince !== undefined) {
      try {
        await attempt();
      } catch (error) {
        const message = isFinal(error);
        if (message !== undefined) session.close({ reason: Reason.DENIED, message });
        await clock.sleep(backoff.next(), over.signal).catch(() => undefined);
      }
    }
    busy = false;
  }

  session.onCarrier(({ kind }) => {
    if (kind === "lost") void goOn();
  });
}
