/** What the cluster tells of an app in Events, in words for the origin. Pure. */
import { create } from "@bufbuild/protobuf";
import { type AppEvent, AppEventSchema } from "../../gen/fairlead/resources/v1alpha1/app_pod_pb.ts";
import type { ObjectMeta } from "../../kube/object.ts";
import type { Event } from "../../kube/resources.ts";
import { readTime, timeText } from "../../kube/time.ts";
import { shorten } from "../../policy/shorten.ts";

/** What is kept of an Event: there are many, and they are long. */
export interface Happening {
  readonly metadata: Pick<ObjectMeta, "name" | "namespace" | "uid" | "resourceVersion">;
  readonly type: string;
  readonly reason: string;
  readonly message: string;
  /** Such as "Pod web-7d4f-x2x". */
  readonly object: string;
  readonly count: number;
  /** Milliseconds since 1970. */
  readonly firstAt: number;
  readonly lastAt: number;
  /** The Workloads that it may be about, by their names. */
  readonly workloads: readonly string[];
}

/** What an app's status has room for. */
const mostEvents = 20;
const mostMessageChars = 512;
const mostWordChars = 128;

/** What is made for an app, by the agent or by what it made. */
const kinds: ReadonlySet<string> = new Set([
  "CronJob",
  "Deployment",
  "Job",
  "PersistentVolumeClaim",
  "Pod",
  "ReplicaSet",
  "StatefulSet",
]);

export function happeningOf(event: Event): Happening {
  const { name, namespace, uid, resourceVersion } = event.metadata;
  const { kind = "", name: about = "" } = event.regarding ?? {};
  const times = [event.deprecatedFirstTimestamp, event.eventTime, event.metadata.creationTimestamp];
  const firstAt = times.map(timeOf).find((time) => time !== undefined) ?? 0;
  const later = [event.series?.lastObservedTime, event.deprecatedLastTimestamp].map(timeOf);
  return {
    metadata: {
      ...(name === undefined ? {} : { name }),
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    },
    type: event.type === "Warning" ? "Warning" : "Normal",
    reason: told(event.reason, mostWordChars),
    message: told(event.note, mostMessageChars),
    object: told(`${kind} ${about}`, 2 * mostWordChars),
    count: Math.max(1, event.series?.count ?? event.deprecatedCount ?? 1),
    firstAt,
    lastAt: Math.max(firstAt, later.find((time) => time !== undefined) ?? 0),
    workloads: kinds.has(kind) ? workloadsIn(about) : [],
  };
}

/**
 * Names of Workloads that the name of an object may begin with or contain: all end in ten hexadecimal digits (names.ts), and
 * controllers put their own before and behind.
 */
export function workloadsIn(name: string): string[] {
  return name.split(".").flatMap((part) => {
    const words = part.split("-");
    return words.flatMap((word, end) =>
      /^[0-9a-f]{10}$/.test(word)
        ? words
            .slice(0, end)
            .flatMap((first, start) => (/^[a-z]/.test(first) ? [words.slice(start, end + 1).join("-")] : []))
        : [],
    );
  });
}

/** The latest first; what was said alike of several objects is one, about the one that it was said of last. */
export function appEvents(happenings: Iterable<Happening>): AppEvent[] {
  const groups = new Map<string, Happening>();
  for (const each of happenings) {
    const key = JSON.stringify([each.type, each.reason, each.message]);
    const known = groups.get(key);
    groups.set(key, known ? together(known, each) : each);
  }
  return [...groups.values()]
    .sort((a, b) => b.lastAt - a.lastAt || (a.reason + a.message < b.reason + b.message ? -1 : 1))
    .slice(0, mostEvents)
    .map(({ type, reason, message, object, count, firstAt, lastAt }) =>
      create(AppEventSchema, {
        type,
        reason,
        message,
        object,
        count: Math.min(count, 2 ** 31 - 1),
        firstAt: timeText(firstAt),
        lastAt: timeText(lastAt),
      }),
    );
}

function together(a: Happening, b: Happening): Happening {
  const isLater = b.lastAt > a.lastAt || (b.lastAt === a.lastAt && b.object > a.object);
  return {
    ...(isLater ? b : a),
    count: a.count + b.count,
    firstAt: Math.min(a.firstAt, b.firstAt),
    lastAt: Math.max(a.lastAt, b.lastAt),
  };
}

/** A container's own words may stand in it. */
function told(text: string | undefined, most: number): string {
  return shorten((text ?? "").replace(/\p{Cc}+/gu, " ").trim(), most);
}

function timeOf(text: string | undefined): number | undefined {
  return text ? readTime(text) : undefined;
}
