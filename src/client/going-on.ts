/** Gets a session its connection, and keeps it on one: when one is lost, it makes the next, until the session is over. */
import { createBackoff } from "../base/backoff.ts";
import type { Clock } from "../base/clock.ts";
import { Reason, SessionError } from "../wire/reason.ts";
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
/** To open a session whose connection breaks meanwhile, as it does while an ingress reloads. */
const mostOpenings = 6;

/** Opens a session by `connect`, once more when its connection broke before it stood; whatever else fails is thrown at once. */
export async function openFirst<T>(
  connect: (signal: AbortSignal) => Promise<T>,
  clock: Clock,
  signal: AbortSignal,
): Promise<T> {
  const backoff = createBackoff(retry);
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await connect(signal);
    } catch (error) {
      if (attempt === mostOpenings || signal.aborted || !isBreak(error)) throw error;
    }
    await clock.sleep(backoff.next(), signal);
  }
}

/** Whether something answered, and its connection was lost: it may stand the next time. */
function isBreak(error: unknown): boolean {
  if (error instanceof SessionError && error.reason === Reason.CARRIER_LOST) return true;
  if (!(error instanceof Error)) return false;
  const code = "code" in error ? error.code : undefined;
  return code === "ECONNRESET" || code === "EPIPE" || isBreak(error.cause);
}

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
