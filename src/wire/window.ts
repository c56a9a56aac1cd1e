/**
 * How large a stream's window is: what it starts with, when it doubles and when it halves. Decisions alone; what they decide about is in
 * `budget.ts` and `credit.ts`.
 */
const KiB = 1024;
const MiB = 1024 * KiB;

/** Streams of a link that start with as much as there is; each doubling of their number beyond halves what the next one starts with. */
const fewStreams = 16;
/** A first window is at most such a part of what is free, so that a small budget is not gone with a few streams. */
const partOfFree = 64;

/**
 * Up to here a window grows by speed alone. What stands behind a reader takes its first megabytes as quickly as they come (a kernel's
 * buffer for a client that never reads holds four), so a larger one needs a reader that has gone on beyond that.
 */
const untriedWindow = MiB;
const triedBytes = 8 * MiB;

/** A window that is used up in fewer round trips than this may be what holds the sender up: it doubles. */
const fewRoundTrips = 4;
/** One that lasts for more than this, and for so long, is larger than its reader needs: it halves. */
const manyRoundTrips = 16;
const longMs = 500;
/** Two processes on one machine take so long to hear of one another when they are busy, whatever a quiet moment has shown. */
const leastRoundTripMs = 1;

/** Bytes that a stream starts with when so many are there already, and so many bytes are free; never below `least`. */
export function firstWindow(most: number, least: number, streams: number, free: number): number {
  let window = most;
  for (let n = streams; n >= fewStreams && window > least; n /= 2) window /= 2;
  while (window > least && window * partOfFree > free) window /= 2;
  return Math.max(Math.min(least, most), Math.floor(window));
}

/** What is known of a window since it was last looked at. */
export interface WindowUse {
  readonly size: number;
  /** Bytes that came and were not read, now, or when it was last looked at if those were more. */
  readonly held: number;
  /** Bytes read since it was last looked at. */
  readonly read: number;
  readonly elapsedMs: number;
  /** Bytes read in the life of the stream. */
  readonly readInAll: number;
  /** Of the connection when nothing else is under way; undefined as long as it was not measured. */
  readonly roundTripMs: number | undefined;
}

/**
 * What becomes of a window; "wait" when too little was read to tell. It doubles when its reader keeps up, and reads it in so few round
 * trips that the sender must have stood at the edge of its credit; it halves when it lasts for many.
 */
export function judgeWindow(use: WindowUse): "wait" | "keep" | "double" | "halve" {
  const { size, held, read, elapsedMs, readInAll } = use;
  if (read * 2 < size) return "wait";
  if (use.roundTripMs === undefined) return "keep";
  const roundTrips = elapsedMs / Math.max(leastRoundTripMs, use.roundTripMs);
  const windows = read / size;
  if (roundTrips > manyRoundTrips * windows && elapsedMs > longMs * windows) return "halve";
  const isTried = size * 2 <= untriedWindow || readInAll >= triedBytes;
  return roundTrips < fewRoundTrips * windows && held * 2 <= size && isTried ? "double" : "keep";
}

/** What a budget has promised: first windows, and what windows have grown by. Bytes. */
export interface Promised {
  readonly total: number;
  readonly first: number;
  readonly grown: number;
}

/** Whether a stream may start with so many bytes. */
export function mayStart({ total, first, grown }: Promised, bytes: number): boolean {
  return first + grown + bytes <= total;
}

/**
 * Whether a window may grow by so many bytes. Half of what first windows leave is kept for those that come; of the other half each step takes half of
 * what is left at most. So however many windows are large and stalled, the next one still finds something.
 */
export function mayGrow({ total, first, grown }: Promised, bytes: number): boolean {
  return bytes * 2 <= (total - first) / 2 - grown;
}

/** Each link has such a part of its agent's budget for itself, as long as there are a quarter as many links as parts. */
const ownPart = 4096;

/**
 * Whether a link that holds so much of an agent's budget may hold more: its own small part; and of three quarters of the budget so much that it leaves a quarter, or
 * half, of what it found. So the greed of some takes speed from others, and never all.
 */
export function mayTake(held: number, bytes: number, agent: Promised, leaves: "quarter" | "half"): boolean {
  if ((held + bytes) * ownPart <= agent.total) return true;
  const free = agent.total * 0.75 - agent.first - agent.grown - bytes;
  return held + bytes <= free * (leaves === "quarter" ? 3 : 1);
}
