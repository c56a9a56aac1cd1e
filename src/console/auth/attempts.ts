/**
 * How often passwords may be tried. Whoever is wrong waits, twice as long each time, and only they: what is counted is a name together with
 * where the attempt comes from, so that a stranger who is wrong on purpose does not keep the owner of the name out. Where all come from
 * one address, behind an ingress that tells no other, a browser that has signed in by that name before is told from the stranger by a mark
 * that it was given then, and is counted by itself; without one, a stranger there can keep the others of that name waiting, a minute at a time.
 * Beside that an address, and a name over all addresses, have an allowance in a time, for those who try many names, or come from many places.
 * Whatever others have used up of a name's, each place may try it once in a minute. Who is right over and over waits as well, by name: each
 * password costs the agent as much, right or wrong.
 *
 * Memory is bounded: the oldest counts are forgotten first. To push one out takes thousands of attempts, each at the price of a password.
 */
import { BoundedMap } from "../../base/bounded-map.ts";
import type { Clock } from "../../base/clock.ts";
import { networkOf } from "../../base/network-of.ts";
import { createRateLimit, type RateLimit } from "../../base/rate-limit.ts";

/** Who tries. */
export interface Attempt {
  readonly name: string;
  /** IPv4 or IPv6, as the connection has it or the trusted proxy says. */
  readonly address: string;
  /** Names a browser that has signed in by this name before; only what was checked may be given. */
  readonly browser?: string | undefined;
}

export interface Attempts {
  /** 0 if it may be tried now, and it counts as a mistake until something else is said; else in how many milliseconds. */
  begin(attempt: Attempt): number;
  /** It was right: what was wrong before from there is forgotten. */
  succeeded(attempt: Attempt): void;
  /** It was neither right nor wrong: nobody had time for it. */
  undone(attempt: Attempt): void;
}

/** So many in a row may be wrong before anybody waits: people mistype. */
const free = 5;
/** The first wait and the longest, in milliseconds. */
const firstWaitMs = 1_000;
const longestWaitMs = 60_000;
/** Counts end after this long without a mistake, in milliseconds. */
const forgetMs = 60 * 60_000;
/** Of each kind. */
const mostKeys = 10_000;

const perAddress = { burst: 30, perSecond: 0.5 } as const;
/** For those who come by a name from many addresses and have signed in from none. */
const perName = { burst: 50, perSecond: 0.1 } as const;
/** Of those who are right, by name. */
const perRight = { burst: 20, perSecond: 1 / 6 } as const;
/** One place may try a name so often although others have used up what there is for it, in milliseconds. */
const placeEveryMs = 60_000;

interface Count {
  wrong: number;
  /** On the monotonic clock. */
  until: number;
  at: number;
  /** When it was last let through although the name's allowance was used up. */
  letAt?: number;
  /** How many were let through so and have not ended: they have nothing to give back. */
  owes: number;
}

interface Right {
  readonly limit: RateLimit;
  until: number;
}

export function createAttempts({ clock, most = mostKeys }: { clock: Clock; most?: number }): Attempts {
  const counts = new BoundedMap<string, Count>(most);
  const addresses = new BoundedMap<string, RateLimit>(most);
  const names = new BoundedMap<string, RateLimit>(most);
  const rights = new BoundedMap<string, Right>(most);

  /** What bounds this attempt beside the count of its own. */
  function allowancesOf({ name, address, browser }: Attempt): RateLimit[] {
    if (browser !== undefined) return [];
    return [
      addresses.touch(networkOf(address), () => createRateLimit({ clock, ...perAddress })),
      names.touch(name, () => createRateLimit({ clock, ...perName })),
    ];
  }

  /** In how many milliseconds there is something left for it; takes it if there is now. */
  function takeAllowances(attempt: Attempt, count: Count): number {
    const [ofAddress, ofName] = allowancesOf(attempt);
    if (!ofAddress || !ofName) return 0;
    if (!ofAddress.take()) return 1_000 / perAddress.perSecond;
    if (ofName.take()) return 0;
    const now = clock.monotonic();
    if (count.letAt === undefined || now - count.letAt >= placeEveryMs) {
      count.letAt = now;
      count.owes += 1;
      return 0;
    }
    ofAddress.giveBack();
    return Math.min(1_000 / perName.perSecond, count.letAt + placeEveryMs - now);
  }

  function giveBack(attempt: Attempt, count: Count | undefined): void {
    const [ofAddress, ofName] = allowancesOf(attempt);
    ofAddress?.giveBack();
    if (count && count.owes > 0) count.owes -= 1;
    else ofName?.giveBack();
  }

  return {
    begin(attempt) {
      const now = clock.monotonic();
      const right = rights.get(attempt.name);
      if (right && right.until > now) return right.until - now;
      const key = keyOf(attempt);
      const mine = counts.get(key) ?? { wrong: 0, until: 0, at: now, owes: 0 };
      if (mine.until > now) return mine.until - now;
      const waitMs = takeAllowances(attempt, mine);
      if (waitMs > 0) return waitMs;
      // Only what was let through is remembered: to be refused costs nothing, and must push nobody out.
      counts.set(key, mine);
      if (now - mine.at > forgetMs) mine.wrong = 0;
      mine.wrong += 1;
      mine.at = now;
      const over = mine.wrong - free;
      if (over >= 0) mine.until = now + Math.min(longestWaitMs, firstWaitMs * 2 ** Math.min(over, 20));
      return 0;
    },
    succeeded(attempt) {
      giveBack(attempt, counts.get(keyOf(attempt)));
      counts.delete(keyOf(attempt));
      const right = rights.touch(attempt.name, () => ({ limit: createRateLimit({ clock, ...perRight }), until: 0 }));
      if (!right.limit.take()) right.until = clock.monotonic() + 1_000 / perRight.perSecond;
    },
    undone(attempt) {
      const count = counts.get(keyOf(attempt));
      if (count) {
        count.wrong -= 1;
        count.until = 0;
      }
      giveBack(attempt, count);
    },
  };
}

function keyOf({ name, address, browser }: Attempt): string {
  return JSON.stringify(browser === undefined ? [name, networkOf(address)] : [name, "browser", browser]);
}
