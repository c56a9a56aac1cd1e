/**
 * What an app says on its way passes: sent, taken, rolling out. Told at once, each such word is a write, an Event and a line in the log
 * that are over before anybody reads them. So it is told only when it has lasted, and what it leads to at once.
 */
import type { Clock } from "../base/clock.ts";
import type { RemoteAppStatus } from "../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";

export interface Passing {
  /**
   * In how many milliseconds the word of an app is to be looked at again; 0 tells it now. `isPassing` says whether it leads to
   * another by itself.
   */
  waitMs(uid: string, isPassing: boolean): number;
  forget(uid: string): void;
}

/** How long a word has to last, in milliseconds: longer the more apps are on their way, of which each is looked at less. */
const leastMs = 1_000;
const eachMs = 50;
const mostMs = 30_000;

export function createPassing({ clock }: { clock: Pick<Clock, "monotonic"> }): Passing {
  /** By UID, all that are on their way: since when there is a word that was not told, on the monotonic clock. */
  const onWay = new Map<string, { untoldSince?: number }>();

  return {
    waitMs(uid, isPassing) {
      if (!isPassing) {
        onWay.delete(uid);
        return 0;
      }
      const now = clock.monotonic();
      const since = onWay.get(uid)?.untoldSince ?? now;
      onWay.set(uid, { untoldSince: since });
      const leftMs = since + Math.min(mostMs, leastMs + eachMs * (onWay.size - 1)) - now;
      if (leftMs > 0) return leftMs;
      onWay.set(uid, {});
      return 0;
    },
    forget: (uid) => void onWay.delete(uid),
  };
}

/** Phases and reasons that an app comes through by itself when all goes well. */
const onTheWay: Readonly<Record<string, ReadonlySet<string>>> = {
  Pending: new Set(["Reading", "Sent", "Accepted"]),
  Progressing: new Set(["Reading", "Sent", "RollingOut"]),
};

/** Pure. */
export function isOnTheWay({ phase = "", reason = "" }: Pick<RemoteAppStatus, "phase" | "reason">): boolean {
  return onTheWay[phase]?.has(reason) ?? false;
}
