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
  /** Carriers that links were on, and how often a link went on at another one. */
  readonly carriers: number;
  readonly resumes: number;
  /** Streams that did not end well, by the reason's name: reset by this end, by the other one, or lost with their link. */
  readonly resets: Readonly<Record<keyof ResetCounts, ReadonlyMap<string, number>>>;
  /** Links that have stood. */
  readonly links: number;
  /** Links that are over, by the reason's name. */
  readonly ends: ReadonlyMap<string, number>;
  /** Carriers that are gone with their link or without, by the reason's name; not those that a later one took over from. */
  readonly carrierEnds: ReadonlyMap<string, number>;
  /** Attempts to dial that failed, by the code of their error. */
  readonly dialFailures: ReadonlyMap<string, number>;
}

/** That a link has lost its carrier, or has ended with it, and what can be learnt from it. */
export interface PastCarrier extends Pick<SessionEnd, "by" | "message"> {
  /** When, in milliseconds since 1970. */
  readonly at: number;
  /** How long it stood, in milliseconds. */
  readonly ageMs: number;
  /** How long nothing had come on it then, in milliseconds; undefined when the link ended with it. */
  readonly silentMs?: number | undefined;
  /** The reason's name. */
  readonly reason: string;
}

/** What is looked at of a session. */
type TalliedSession = Pick<Session, "closed" | "onCarrier" | "stats">;

/** Carriers that are remembered after their end. */
const mostPast = 32;

/** Keeps account of the links to one peer. What lives is asked for its numbers, what is over has been added up. */
export class LineTally {
  readonly #clock: Clock;
  readonly #living = new Set<TalliedSession>();
  readonly #past: PastCarrier[] = [];
  #links = 0;
  readonly #sums: Sums = {
    bytesIn: 0,
    bytesOut: 0,
    opened: 0,
    accepted: 0,
    creditStalls: 0,
    carriers: 0,
    resumes: 0,
  };
  readonly #resets = copyResets();
  readonly #ends = new Map<string, number>();
  readonly #carrierEnds = new Map<string, number>();
  readonly #dialFailures = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The latest last. */
  get past(): readonly PastCarrier[] {
    return this.#past;
  }

  /** From now on its numbers count. Harmless for one that is known. */
  add(session: TalliedSession): void {
    if (this.#living.has(session)) return;
    this.#living.add(session);
    this.#links += 1;
    /** Since when it has its present carrier; undefined while it has none. */
    let since: number | undefined = this.#clock.monotonic();
    session.onCarrier((change) => {
      if (change.kind === "lost") this.#carrierGone(change.why, change.ageMs, change.silentMs);
      since = change.kind === "lost" ? undefined : this.#clock.monotonic();
    });
    void session.closed.then((end) => {
      if (since !== undefined) this.#carrierGone(end, this.#clock.monotonic() - since);
      this.#over(session, end);
    });
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
      carrierEnds: new Map(this.#carrierEnds),
      dialFailures: new Map(this.#dialFailures),
    };
  }

  #carrierGone({ by, message, reason }: SessionEnd, ageMs: number, silentMs?: number): void {
    const name = reasonName(reason);
    count(this.#carrierEnds, name, 1);
    this.#past.push({ at: this.#clock.now(), ageMs, silentMs, reason: name, by, message });
    if (this.#past.length > mostPast) this.#past.shift();
  }

  #over(session: TalliedSession, end: SessionEnd): void {
    const stats = session.stats();
    this.#living.delete(session);
    addSums(this.#sums, stats);
    addResets(this.#resets, stats.resets);
    count(this.#ends, reasonName(end.reason), 1);
  }
}

const summed = ["bytesIn", "bytesOut", "opened", "accepted", "creditStalls", "carriers", "resumes"] as const;

type Sums = Record<(typeof summed)[number], number>;

function addSums(to: Sums, stats: SessionStats): void {
  for (const name of summed) to[name] += stats[name];
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
