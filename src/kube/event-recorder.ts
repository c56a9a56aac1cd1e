/**
 * Tells what happened to an object by Events on it, for `kubectl describe`. Best effort and bounded: what repeats is counted
 * instead of written again, and when the API server cannot keep up the rest is dropped. Nothing ever waits for an Event.
 */

import { randomBytes } from "node:crypto";
import { createBackoff } from "../base/backoff.ts";
import { BoundedMap } from "../base/bounded-map.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { Queue } from "../base/queue.ts";
import { createRateLimit, type RateLimit } from "../base/rate-limit.ts";
import type { KubeClient } from "./client.ts";
import { isNotFound, KubeError } from "./errors.ts";
import type { KubeObject } from "./object.ts";
import { events } from "./resources.ts";
import { microTimeText } from "./time.ts";

export interface Happening {
  type: "Normal" | "Warning";
  /** Why, in one CamelCase word, such as "ImagePullBackOff". */
  reason: string;
  /** What happened, in a sentence. Cut at 1,024 bytes. */
  note: string;
  /** What the agent did or tried, in one CamelCase word, such as "Deploy". */
  action: string;
}

export interface EventRecorder {
  /** Returns at once. `about` needs apiVersion, kind and metadata with name and uid. */
  record(about: KubeObject, happening: Happening): void;
  /** Writes what waits, for two seconds at most. */
  close(): Promise<void>;
}

/** The same happening within this time belongs to one Event, in milliseconds, as in Kubernetes' own recorder. */
const seriesMs = 6 * 60_000;
/** The least time between two writes of one series' count, in milliseconds. */
const countGapMs = 60_000;
const maxSeries = 1_024;
const maxWaiting = 256;
const maxAttempts = 4;
/** New Events about one object at once, and how many more there may be in a second. Peers can cause them. */
const maxBurst = 25;
const refillPerSecond = 0.1;

interface Series {
  namespace: string;
  name: string;
  count: number;
  seenAt: number;
  writtenAt: number;
}

/** `instance` names this process among those that report, such as the pod's name. */
export function createEventRecorder(deps: {
  client: Pick<KubeClient, "create" | "mergePatch">;
  clock: Clock;
  log: Log;
  instance: string;
}): EventRecorder {
  const { client, clock, log } = deps;
  const waiting = new Queue<() => Promise<unknown>>(maxWaiting);
  const known = new BoundedMap<string, Series>(maxSeries); // Oldest use first.
  const allowances = new BoundedMap<string, RateLimit>(maxSeries); // By the object's uid, oldest use first.
  const closing = new AbortController();
  const running = writeAll();

  async function writeAll(): Promise<void> {
    for await (const write of waiting) {
      if (!closing.signal.aborted) await persist(write);
    }
  }

  async function persist(write: () => Promise<unknown>): Promise<void> {
    const backoff = createBackoff({ minMs: 200, maxMs: 5_000 });
    for (let attempt = 1; attempt <= maxAttempts; attempt += 1) {
      try {
        await write();
        return;
      } catch (error) {
        if (closing.signal.aborted || isNotFound(error)) return;
        const hopeless = !(error instanceof KubeError && error.retryable()) || attempt === maxAttempts;
        if (hopeless) {
          log.warn({ err: error }, "could not record an event");
          return;
        }
        await clock.sleep(backoff.next(), closing.signal).catch(() => undefined);
      }
    }
  }

  function start(about: KubeObject, happening: Happening): Series {
    const { name = "", namespace = "default", uid = "" } = about.metadata ?? {};
    const { apiVersion = "", kind = "" } = about;
    const event = {
      metadata: { namespace, name: `${name.slice(0, 200)}.${randomBytes(8).toString("hex")}` },
      eventTime: microTimeText(clock.now()),
      reportingController: "fairlead.dev/agent",
      reportingInstance: deps.instance.slice(0, 128),
      action: happening.action,
      reason: happening.reason.slice(0, 128),
      note: cutAt(happening.note, 1_024),
      type: happening.type,
      regarding: { apiVersion, kind, name, namespace: about.metadata?.namespace ?? "", uid },
    };
    push(() => client.create(events, event, closing.signal));
    const now = clock.monotonic();
    return { namespace, name: event.metadata.name, count: 1, seenAt: now, writtenAt: now };
  }

  function repeat(series: Series): void {
    const now = clock.monotonic();
    series.count += 1;
    series.seenAt = now;
    if (now - series.writtenAt < countGapMs) return;
    series.writtenAt = now;
    const patch = { series: { count: series.count, lastObservedTime: microTimeText(clock.now()) } };
    push(() => client.mergePatch(events, series, patch, closing.signal));
  }

  function mayStart(uid: string): boolean {
    const fresh = () => createRateLimit({ clock, burst: maxBurst, perSecond: refillPerSecond });
    return allowances.touch(uid, fresh).take();
  }

  function push(write: () => Promise<unknown>): void {
    if (!waiting.push(write)) log.debug({}, "an event was dropped because too many wait");
  }

  return {
    record(about, happening) {
      const { type, reason, note, action } = happening;
      const key = JSON.stringify([about.metadata?.uid, type, reason, note, action]);
      const series = known.get(key);
      known.delete(key);
      if (series && clock.monotonic() - series.seenAt < seriesMs) {
        repeat(series);
        known.set(key, series);
      } else if (mayStart(about.metadata?.uid ?? "")) known.set(key, start(about, happening));
      else log.debug({ reason }, "an event was dropped because too much happens to its object");
    },
    async close() {
      waiting.close();
      const limit = clock.after(2_000, () => closing.abort(new Error("The event recorder is closed.")));
      await running;
      limit.cancel();
    },
  };
}

/** At most so many bytes of UTF-8, never ending in half a character. */
function cutAt(text: string, bytes: number): string {
  const encoded = Buffer.from(text);
  if (encoded.length <= bytes) return text;
  return `${new TextDecoder().decode(encoded.subarray(0, bytes - 3), { stream: true })}…`;
}
