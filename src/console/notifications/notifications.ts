/** Keeps the notifications of this agent: looks at what is so when something changes, and now and then, and writes down what is new. */
import { createBackoff } from "../../base/backoff.ts";
import type { Clock, Timer } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { NotificationStore } from "./kube-notification-store.ts";
import type { Cause, Ledger, Notification } from "./ledger.ts";
import { acknowledge, emptyLedger, isAcknowledged, keepLedger } from "./ledger.ts";

export interface Notifications {
  /** The earliest first; none before what was kept has been read. */
  list(): readonly Notification[];
  /** Notes that somebody has seen these. How many they had not before. */
  acknowledge(ids: readonly string[], name: string): number;
  /** Tells that some have changed. Returns what ends it. */
  subscribe(listener: () => void): () => void;
  /** Writes what is not written yet, within two seconds. */
  close(): Promise<void>;
}

export interface NotificationsDeps {
  readonly store: NotificationStore;
  /** Resolves when what causes are found in is known. */
  ready(signal: AbortSignal): Promise<void>;
  /** What is so now. */
  causes(): readonly Cause[];
  /** Each calls back when something may have changed. */
  readonly sources: readonly ((listener: () => void) => () => void)[];
  readonly clock: Clock;
  readonly log: Log;
}

/** After a change it is looked at within this time, and anyhow so often, in milliseconds. */
const soonMs = 1_000;
const anyhowMs = 5_000;
/** For so long after the start not all may be known, so that nothing is taken to be over. Milliseconds. */
const settleMs = 30_000;
/** Between two writes, and for the last one, in milliseconds. */
const writeGapMs = 2_000;
const lastWriteMs = 2_000;

export function createNotifications(deps: NotificationsDeps): Notifications {
  const { store, clock } = deps;
  const log = deps.log.child({ room: "console" });
  const startedAt = clock.monotonic();
  const closing = new AbortController();
  const listeners = new Set<() => void>();
  let ledger: Ledger = emptyLedger;
  let written: Ledger | undefined;
  let version: string | undefined;
  let isRead = false;
  let next: { readonly timer: Timer; readonly at: number } | undefined;

  function lookWithin(ms: number): void {
    const at = clock.monotonic() + ms;
    if (closing.signal.aborted || !isRead || (next && next.at <= at)) return;
    next?.timer.cancel();
    next = { at, timer: clock.after(ms, look) };
    next.timer.unref?.();
  }

  function look(): void {
    next = undefined;
    try {
      const isSettled = clock.monotonic() - startedAt >= settleMs;
      take(keepLedger(ledger, deps.causes(), clock.now(), { ends: isSettled }));
    } catch (error) {
      log.error({ err: error }, "notifications could not be looked at");
    }
    lookWithin(anyhowMs);
  }

  function take(after: Ledger): void {
    if (after === ledger) return;
    ledger = after;
    for (const listener of [...listeners]) listener();
    wake?.();
  }

  let wake: (() => void) | undefined;
  const changed = (): Promise<void> => {
    if (ledger !== written || closing.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      wake = resolve;
    });
  };

  async function keep(): Promise<void> {
    const backoff = createBackoff({ minMs: 500, maxMs: 30_000 });
    const { signal } = closing;
    while (!signal.aborted) {
      try {
        if (!isRead) await readAgain(signal);
        await changed();
        if (signal.aborted) return;
        await write(signal);
        backoff.reset();
        await clock.sleep(writeGapMs, signal);
      } catch (error) {
        if (signal.aborted) return;
        log.warn({ err: error }, "notifications could not be kept; it is tried again");
        await clock.sleep(backoff.next(), signal).catch(() => undefined);
      }
    }
  }

  async function readAgain(signal: AbortSignal): Promise<void> {
    await deps.ready(signal);
    const found = await store.read(signal);
    version = found.version;
    written = found.ledger;
    isRead = true;
    take(found.ledger);
    lookWithin(0);
  }

  /** What somebody else wrote meanwhile, as an agent that is being replaced, is not lost: this is written over the top of it. */
  async function write(signal: AbortSignal): Promise<void> {
    const writing = ledger;
    const got = await store.write(writing, version, signal);
    if (got !== undefined) {
      version = got;
      written = writing;
      return;
    }
    version = (await store.read(signal)).version;
    throw new Error("another agent has written them meanwhile");
  }

  const keeping = keep();
  const ends = deps.sources.map((source) => source(() => lookWithin(soonMs)));

  return {
    list: () => ledger.notifications,
    acknowledge(ids, name) {
      const known = ledger.notifications.filter((one) => ids.includes(one.id) && !isAcknowledged(one, name));
      take(acknowledge(ledger, new Set(known.map(({ id }) => id)), name, clock.now()));
      return known.length;
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async close() {
      for (const end of ends) end();
      next?.timer.cancel();
      closing.abort(new Error("the agent is stopping"));
      wake?.();
      await keeping;
      if (!isRead || ledger === written) return;
      const last = new AbortController();
      const timer = clock.after(lastWriteMs, () => last.abort(new Error("it took too long")));
      await store.write(ledger, version, last.signal).catch((error: unknown) => {
        log.warn({ err: error }, "the last notifications were not kept");
      });
      timer.cancel();
    },
  };
}
