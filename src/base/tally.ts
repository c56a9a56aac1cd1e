/**
 * Tells what happens one by one while it happens seldom, and counts it while it happens often, so that whoever makes much
 * of it happen cannot fill what it is told to.
 */
import type { Clock, Timer } from "./clock.ts";
import { createRateLimit, type RateLimit } from "./rate-limit.ts";

/** What happened. */
export interface Happening<T> {
  /** Who made it happen; each has an allowance of their own. */
  readonly who: string;
  /** Equal for happenings that are the same but for their time. */
  readonly same: string;
  /** Equal for happenings of one kind, of which there are few: so they are counted when even different ones are too many. */
  readonly kind: string;
  readonly what: T;
}

export interface Tally<T> {
  note(happening: Happening<T>): void;
  /** Tells what was counted so far, and nothing any more after that. */
  close(): void;
}

export interface TallyOptions<T> {
  readonly clock: Clock;
  /** Told at once of what is new, and of the last of several that were counted, with their number. It must not throw. */
  tell(what: T, count: number): void;
  /** What is told of one at once, and then in a second, at most; 60 and 1 unless given. */
  readonly burst?: number;
  readonly perSecond?: number;
  /** Different happenings of one that are told apart at a time; 32 unless given. */
  readonly apart?: number;
}

/** What is the same within this is counted, in milliseconds. */
const windowMs = 1_000;
/** Those whose happenings are told apart at a time; who comes when there are so many is one with all others who do. */
const mostAccounts = 4_096;

interface Counted<T> {
  last: T;
  /** Those that were not told. */
  count: number;
}

interface Account<T> {
  readonly allowance: RateLimit;
  readonly counted: Map<string, Counted<T>>;
  /** On the monotonic clock. */
  idleSince: number;
}

export function createTally<T>(o: TallyOptions<T>): Tally<T> {
  const { clock, burst = 60, perSecond = 1, apart = 32 } = o;
  const accounts = new Map<string, Account<T>>();
  /** After this long an allowance is whole again, and need not be remembered. */
  const forgetMs = (burst / perSecond) * 1_000;
  let timer: Timer | undefined;
  let closed = false;

  function accountOf(who: string): Account<T> {
    const known = accounts.get(who);
    if (known) return known;
    if (accounts.size >= mostAccounts && who !== "") return accountOf("");
    const allowance = createRateLimit({ clock, burst, perSecond });
    const account: Account<T> = { allowance, counted: new Map(), idleSince: clock.monotonic() };
    accounts.set(who, account);
    return account;
  }

  function look(): void {
    timer = undefined;
    for (const [who, { allowance, counted, idleSince }] of accounts) {
      for (const [key, entry] of counted) {
        if (entry.count === 0) counted.delete(key);
        else if (allowance.take()) {
          o.tell(entry.last, entry.count);
          entry.count = 0;
        }
      }
      if (counted.size === 0 && clock.monotonic() - idleSince >= forgetMs) accounts.delete(who);
    }
    if (accounts.size > 0) arm();
  }

  function arm(): void {
    timer ??= clock.after(windowMs, look);
    timer.unref?.();
  }

  return {
    note({ who, same, kind, what }) {
      if (closed) return;
      const account = accountOf(who);
      const { counted, allowance } = account;
      account.idleSince = clock.monotonic();
      arm();
      const known = counted.get(`=${same}`);
      if (known) {
        known.last = what;
        known.count += 1;
      } else if (counted.size < apart && allowance.take()) {
        counted.set(`=${same}`, { last: what, count: 0 });
        o.tell(what, 1);
      } else {
        counted.set(`~${kind}`, { last: what, count: (counted.get(`~${kind}`)?.count ?? 0) + 1 });
      }
    },
    close() {
      closed = true;
      timer?.cancel();
      for (const { counted } of accounts.values()) {
        for (const { last, count } of counted.values()) if (count > 0) o.tell(last, count);
      }
      accounts.clear();
    },
  };
}
