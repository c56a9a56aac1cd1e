/** Where changes come from: one source a topic, each telling what there is and what becomes of it. */
import type { Topic } from "../../gen/fairlead/console/v1/watch_service_pb.ts";
import type { ChangeLog } from "./change-log.ts";
import type { Ref, Told } from "./logged.ts";

export interface WatchSource {
  readonly topic: Topic;
  /** Tells what there is and each change from now on, until the answer is called. */
  feed(into: TopicFeed): () => void;
  /** Resolves when all that there is now has been told. */
  synced(signal: AbortSignal): Promise<void>;
  /** How many a watch begins with at most: the latest. All unless given. */
  readonly mostAtFirst?: number;
}

/** Where a source tells. */
export interface TopicFeed {
  /** Undefined: it is gone. */
  put(ref: Ref, told: Told | undefined): void;
  /** It is too old to be told to anybody else. */
  forget(ref: Ref): void;
  /** Whether somebody watches the topic now. A source that is costly may tell nothing while nobody does. */
  readonly isWatched: boolean;
}

export interface Sources {
  /** Somebody watches these, until the answer is called. */
  hold(topics: readonly Topic[]): () => void;
  /** Resolves when all that there is of these has been told; rejects with the signal's reason. */
  synced(topics: ReadonlySet<Topic>, signal: AbortSignal): Promise<void>;
  mostAtFirst(topic: Topic): number;
  close(): void;
}

/** Has each source tell the log from now on. */
export function feedSources(log: ChangeLog, all: readonly WatchSource[]): Sources {
  const watched = new Map<Topic, number>();
  const byTopic = new Map(all.map((source) => [source.topic, source] as const));
  const ends = all.map((source) => {
    const { topic } = source;
    return source.feed({
      put: (ref, told) => log.put(topic, ref, told),
      forget: (ref) => log.forget(topic, ref),
      get isWatched() {
        return (watched.get(topic) ?? 0) > 0;
      },
    });
  });
  const add = (topics: readonly Topic[], count: number): void => {
    for (const topic of topics) watched.set(topic, (watched.get(topic) ?? 0) + count);
  };
  return {
    hold(topics) {
      add(topics, 1);
      return () => add(topics, -1);
    },
    async synced(topics, signal) {
      await Promise.all([...topics].map((topic) => byTopic.get(topic)?.synced(signal)));
    },
    mostAtFirst: (topic) => byTopic.get(topic)?.mostAtFirst ?? Number.POSITIVE_INFINITY,
    close() {
      for (const end of ends) end();
    },
  };
}
