import type { Clock } from "../base/clock.ts";
import { reasonName } from "../wire/reason.ts";
import type { ResetCounts } from "../wire/reset-counts.ts";
import type { Session, SessionEnd, SessionStats } from "../wire/session.ts";

/** What all links to one peer have moved and met since this agent knows it, those that are over included. Only grows. */
export interface LineTotals {
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Streams opened by this end, and by the other, refused ones not counted. */
  readonly opened: number;
  readonly accepted: number;
  readonly creditStalls: number;
  /** Streams that did not end well, by the reason's name: reset by this end, by the other one, or lost with their link. */
  readonly resets: Readonly<Record<keyof ResetCounts, ReadonlyMap<string, number>>>;
  /** Links that have stood. */
  readonly links: number;
  /** Links that are over, by the reason's name. */
  readonly ends: ReadonlyMap<string, number>;
  /** Attempts to dial that failed, by the code of their error. */
  readonly dialFailures: ReadonlyMap<string, number>;
}

/** That a link to the peer is over, and what can be learnt from it. */
export interface PastLink extends Pick<SessionEnd, "by" | "message"> {
  /** When, in milliseconds since 1970. */
  readonly at: number;
  /** How long it stood, in milliseconds. */
  readonly ageMs: number;
  /** The reason's name. */
  readonly reason: string;
}

/** Links that are remembered after their end. */
const mostPast = 32;

/** Keeps account of the links to one peer. What lives is asked for its numbers, what is over has been added up. */
export class LineTally {
  readonly #clock: Clock;
  readonly #living = new Set<Session>();
  readonly #past: PastLink[] = [];
  #links = 0;
  #sums = { bytesIn: 0, bytesOut: 0, opened: 0, accepted: 0, creditStalls: 0 };
  readonly #resets = copyResets();
  readonly #ends = new Map<string, number>();
  readonly #dialFailures = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The latest last. */
  get past(): readonly PastLink[] {
    return this.#past;
  }

  /** From now on its numbers count. Harmless for one that is known. */
  add(session: Session): void {
    if (this.#living.has(session)) return;
    this.#living.add(session);
    this.#links += 1;
    const since = this.#clock.monotonic();
    void session.closed.then((end) => this.#over(session, end, since));
  }

  /** An attempt to dial has failed; `code` is one of few. */
  dialFailed(code: string): void {
    count(this.#dialFailures, code, 1);
  }

  totals(): LineTotals {
    const sums = { ...this.#sums };
    const resets = copyResets(this.#resets);
    for (const session of this.#living) {
      const stats = session.stats();
      addSums(sums, stats);
      addResets(resets, stats.resets);
    }
    return {
      ...sums,
      resets,
      links: this.#links,
      ends: new Map(this.#ends),
      dialFailures: new Map(this.#dialFailures),
    };
  }

  #over(session: Session, end: SessionEnd, since: number): void {
    const stats = session.stats();
    this.#living.delete(session);
    addSums(this.#sums, stats);
    addResets(this.#resets, stats.resets);
    const reason = reasonName(end.reason);
    count(this.#ends, reason, 1);
    const ageMs = this.#clock.monotonic() - since;
    this.#past.push({ at: this.#clock.now(), ageMs, reason, by: end.by, message: end.message });
    if (this.#past.length > mostPast) this.#past.shift();
  }
}

type Sums = Record<"bytesIn" | "bytesOut" | "opened" | "accepted" | "creditStalls", number>;

function addSums(to: Sums, stats: SessionStats): void {
  to.bytesIn += stats.bytesIn;
  to.bytesOut += stats.bytesOut;
  to.opened += stats.opened;
  to.accepted += stats.accepted;
  to.creditStalls += stats.creditStalls;
}

type Resets = Record<keyof ResetCounts, Map<string, number>>;

function copyResets(from?: Resets): Resets {
  return { sent: new Map(from?.sent), received: new Map(from?.received), lost: new Map(from?.lost) };
}

function addResets(to: Resets, from: ResetCounts): void {
  for (const how of ["sent", "received", "lost"] as const) {
    for (const [reason, times] of from[how]) count(to[how], reasonName(reason), times);
  }
}

function count(to: Map<string, number>, name: string, by: number): void {
  to.set(name, (to.get(name) ?? 0) + by);
}
