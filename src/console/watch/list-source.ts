/** Things of which it is only known that something may have changed: what did is found by looking, while somebody watches. */
import { createHash } from "node:crypto";
import { type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { abortable } from "../../base/abort.ts";
import type { Clock, Timer } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { Topic } from "../../gen/fairlead/console/v1/watch_service_pb.ts";
import type { Ref, Told, Traits } from "./logged.ts";
import type { TopicFeed, WatchSource } from "./sources.ts";

/** One thing as a look found it. */
export interface Listed extends Told {
  readonly ref: Ref;
  /** The same for the same: what is not said by it is no change. */
  readonly state: string;
}

export interface ListSourceOptions {
  readonly topic: Topic;
  /** All that there is. */
  list(signal: AbortSignal): Promise<readonly Listed[]> | readonly Listed[];
  /** Told that something may have changed. */
  subscribe(listener: () => void): () => void;
  /** When something changes by the time alone, in milliseconds from now; undefined: not at all. */
  changesIn?(listed: readonly Listed[]): number | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** News that come together are looked at together, so many milliseconds after the first. */
const gatherMs = 25;
/** After a look that failed, in milliseconds. */
const retryMs = 5_000;

/** One thing, of which `state` or whom it concerns has to change for it to be told again. */
export function listed<Desc extends DescMessage>(
  ref: Ref,
  traits: Traits,
  schema: Desc,
  state: MessageShape<Desc>,
  now: Told["now"],
): Listed {
  const hash = createHash("sha256").update(JSON.stringify(traits)).update(toBinary(schema, state));
  return { ref, ...traits, now, state: hash.digest("base64") };
}

export function listSource(o: ListSourceOptions): WatchSource {
  const { clock, log } = o;
  const shown = new Map<string, { readonly ref: Ref; readonly state: string }>();
  const ending = new AbortController();
  let feed: TopicFeed | undefined;
  let isStale = true;
  let looking: Promise<void> | undefined;
  let next: { readonly at: number; readonly timer: Timer } | undefined;

  function onNews(): void {
    isStale = true;
    lookIn(gatherMs);
  }

  /** Or sooner, if that was to be. */
  function lookIn(ms: number): void {
    const at = clock.monotonic() + ms;
    if (!feed?.isWatched || (next && next.at <= at)) return;
    next?.timer.cancel();
    const timer = clock.after(ms, () => {
      next = undefined;
      isStale = true;
      if (feed?.isWatched) void look().catch(() => lookIn(retryMs));
    });
    timer.unref?.();
    next = { at, timer };
  }

  /** Resolves when what was so at the time of asking has been told. One at a time looks. */
  function look(): Promise<void> {
    looking ??= lookWhileStale().finally(() => {
      looking = undefined;
    });
    return looking;
  }

  async function lookWhileStale(): Promise<void> {
    while (isStale && feed) {
      isStale = false;
      try {
        const listed = await o.list(ending.signal);
        tell(listed, feed);
        const inMs = o.changesIn?.(listed);
        if (inMs !== undefined) lookIn(inMs);
      } catch (error) {
        isStale = true;
        if (!ending.signal.aborted) log.warn({ err: error, topic: o.topic }, "what is watched could not be read");
        throw error;
      }
    }
  }

  function tell(listed: readonly Listed[], into: TopicFeed): void {
    const present = new Set<string>();
    for (const { ref, state, ...told } of listed) {
      const key = `${ref.namespace}/${ref.name}`;
      present.add(key);
      if (shown.get(key)?.state === state) continue;
      shown.set(key, { ref, state });
      into.put(ref, told);
    }
    for (const [key, { ref }] of shown) {
      if (present.has(key)) continue;
      shown.delete(key);
      into.put(ref, undefined);
    }
  }

  return {
    topic: o.topic,
    synced(signal) {
      // What changes by the time was not looked at while nobody watched.
      isStale ||= o.changesIn !== undefined;
      return abortable(look(), signal);
    },
    feed(into) {
      feed = into;
      const unsubscribe = o.subscribe(onNews);
      return () => {
        unsubscribe();
        next?.timer.cancel();
        ending.abort(new Error("Nobody watches any more."));
      };
    },
  };
}
