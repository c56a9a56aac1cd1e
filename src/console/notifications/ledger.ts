/** Which notifications there are, from those before and what is so now. Pure. */
import { isDeepStrictEqual } from "node:util";

export type NotificationKind =
  | "Inbox"
  | "AppFailing"
  | "AppRefused"
  | "LinkDown"
  | "PeerJoined"
  | "Certificate"
  | "VersionSkew"
  | "Audit"
  | "Component"
  | "More";

/** Where the cause is to be seen. */
export type About =
  | { readonly peer: string }
  | { readonly app: { readonly namespace: string; readonly name: string } }
  | { readonly inboxItem: string }
  | { readonly component: string }
  | { readonly certificate: string };

/** Something that is so, or has happened. */
export interface Cause {
  /** The same as long as it is the same cause. */
  readonly key: string;
  readonly kind: NotificationKind;
  readonly severity: "Info" | "Warning" | "Problem";
  readonly summary: string;
  readonly message: string;
  readonly about: About;
  /** That have to do with it; none: it is the agent's own, or about any of them. */
  readonly peers: readonly string[];
  /** From when on it is worth telling, in milliseconds since 1970. */
  readonly dueAt: number;
  /** It has happened and is over, at `dueAt`. */
  readonly once?: boolean;
}

export interface Notification extends Omit<Cause, "dueAt" | "once"> {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly firstAt: number;
  readonly lastAt: number;
  readonly count: number;
  /** Undefined while the cause is there. */
  readonly resolvedAt?: number | undefined;
  /** Who has seen it, the earliest first. */
  readonly acknowledged: readonly { readonly name: string; readonly at: number }[];
}

export interface Ledger {
  /** The number of the next notification. */
  readonly next: number;
  /** Of what merely happened, the latest that was told happened then, in milliseconds since 1970. */
  readonly happenedUntil: number;
  /** The earliest first. */
  readonly notifications: readonly Notification[];
}

export const emptyLedger: Ledger = { next: 1, happenedUntil: 0, notifications: [] };

/** What is kept: so many, of which so many may be living, and what is over for so long, in milliseconds. */
export const mostKept = 300;
const mostLiving = 250;
const mostHappened = mostKept - mostLiving;
const keptMs = 7 * 24 * 3_600_000;
/** What comes back within this time is the same, in milliseconds. */
const sameWithinMs = 10 * 60_000;
/** What happened so long before something that was told has been told too, in milliseconds. */
const toldWithinMs = 60_000;
const mostAcknowledged = 16;
const longestText = 300;
const longestName = 100;

/**
 * What is so now. What is not due begins nothing, and ends nothing; with `ends: false` nothing ends at all. The same ledger when
 * nothing is new.
 */
export function keepLedger(before: Ledger, causes: readonly Cause[], now: number, { ends = true } = {}): Ledger {
  const living = new Set(before.notifications.flatMap((one) => (one.resolvedAt === undefined ? [one.key] : [])));
  const counted = causes.filter(({ key, dueAt }) => dueAt <= now || living.has(key));
  const happened = latestOf(counted, before.happenedUntil);
  const lasting = counted.filter(({ once }) => !once);
  const due = [...happened, ...bound(lasting, living)].map(clip);
  const byKey = new Map(due.map((cause) => [cause.key, cause]));
  const told = new Set<string>();
  const kept: Notification[] = [];
  // The latest of a key is the one that may come back.
  for (const one of before.notifications.toReversed()) {
    const cause = told.has(one.key) ? undefined : byKey.get(one.key);
    const same = cause && goOn(one, cause, now);
    if (same) told.add(one.key);
    if (same) kept.push(same);
    else if (one.resolvedAt === undefined) kept.push(ends ? { ...one, resolvedAt: now } : one);
    else if (now - one.resolvedAt <= keptMs) kept.push(one);
  }
  kept.reverse();
  let { next } = before;
  for (const cause of due) {
    if (told.has(cause.key)) continue;
    kept.push(begin(`n${next}`, cause, now));
    next += 1;
  }
  const notifications = dropOldest(kept, new Set(happened.map(({ key }) => key)));
  const happenedUntil = happened.reduce((latest, { dueAt }) => Math.max(latest, dueAt), before.happenedUntil);
  return isDeepStrictEqual(notifications, before.notifications) ? before : { next, happenedUntil, notifications };
}

/** Notes that somebody has seen these. The same ledger when they had. */
export function acknowledge(before: Ledger, ids: ReadonlySet<string>, name: string, at: number): Ledger {
  const who = name.slice(0, longestName);
  let changed = false;
  const notifications = before.notifications.map((one) => {
    if (!ids.has(one.id) || isAcknowledged(one, name)) return one;
    changed = true;
    return { ...one, acknowledged: [...one.acknowledged, { name: who, at }].slice(-mostAcknowledged) };
  });
  return changed ? { ...before, notifications } : before;
}

export function isAcknowledged({ acknowledged }: Pick<Notification, "acknowledged">, name: string): boolean {
  return acknowledged.some((one) => one.name === name.slice(0, longestName));
}

/** Undefined when this is another one than before: it was over for too long. */
function goOn(one: Notification, { dueAt: _due, once, ...said }: Cause, now: number): Notification | undefined {
  if (once) return one;
  const { resolvedAt, ...rest } = one;
  if (resolvedAt !== undefined && now - resolvedAt > sameWithinMs) return undefined;
  const isOther = one.kind !== said.kind || one.severity !== said.severity;
  const isNews = isOther || resolvedAt !== undefined;
  return {
    ...rest,
    ...said,
    ...(isNews && { lastAt: now, count: one.count + 1 }),
    ...(isOther && { acknowledged: [] }),
  };
}

function begin(id: string, { dueAt, once, ...said }: Cause, now: number): Notification {
  const at = Math.min(dueAt, now);
  return { id, ...said, firstAt: at, lastAt: at, count: 1, acknowledged: [], ...(once && { resolvedAt: at }) };
}

/** What merely happened, and is not too long ago to be told for the first time: the latest, as many as there is room for. */
function latestOf(causes: readonly Cause[], happenedUntil: number): Cause[] {
  const recent = causes.filter(({ once, dueAt }) => once && dueAt > happenedUntil - toldWithinMs);
  return recent.sort((a, b) => a.dueAt - b.dueAt || (a.key < b.key ? -1 : 1)).slice(-mostHappened);
}

/** What was over first goes first. Nothing that is living goes, and nothing that would come again. */
function dropOldest(kept: readonly Notification[], staying: ReadonlySet<string>): Notification[] {
  const over = kept.filter(({ key, resolvedAt }) => resolvedAt !== undefined && !staying.has(key));
  const gone = new Set(over.slice(0, Math.max(0, kept.length - mostKept)));
  return kept.filter((one) => !gone.has(one));
}

/** As many as there is room for, those that are told already before others, and one more that counts the rest. */
function bound(lasting: readonly Cause[], living: ReadonlySet<string>): Cause[] {
  if (lasting.length <= mostLiving) return [...lasting];
  const inOrder = [...lasting.filter(({ key }) => living.has(key)), ...lasting.filter(({ key }) => !living.has(key))];
  const told = inOrder.slice(0, mostLiving - 1);
  const more: Cause = {
    key: "more",
    kind: "More",
    severity: "Problem",
    summary: `${lasting.length - told.length} more things need somebody`,
    message: "They are not told one by one while there are so many.",
    about: { component: "notifications" },
    peers: [],
    // When there came to be too many is not known, only that there are since then.
    dueAt: Math.max(...lasting.map(({ dueAt }) => dueAt)),
  };
  return [...told, more];
}

/** Texts and lists as long as fits into one object of Kubernetes with all the others. */
function clip(cause: Cause): Cause {
  const { summary, message, peers } = cause;
  // Who may see only some of the peers must not see it for want of the others' names.
  return { ...cause, summary: shorten(summary), message: shorten(message), peers: peers.length > 16 ? [] : peers };
}

function shorten(text: string): string {
  return text.length <= longestText ? text : `${text.slice(0, longestText - 1)}…`;
}
