/** Things of which each change is told one by one. */
import type { Change, Topic } from "../../gen/fairlead/console/v1/watch_service_pb.ts";
import { refOf } from "../../kube/object.ts";
import type { Traits } from "./logged.ts";
import type { WatchSource } from "./sources.ts";

/** Objects of a kind, and what becomes of them. */
export interface Changing<T> {
  /** Calls the listener for each object, by "namespace/name", at once, and then after each change; undefined: it is gone. */
  subscribe(listener: (key: string, object: T | undefined) => void): () => void;
  synced(signal: AbortSignal): Promise<void>;
}

export interface ObjectSourceOptions<T> {
  readonly topic: Topic;
  readonly objects: Changing<T>;
  /** Whether the namespace is a part of the name; false unless given: then all are in one. */
  readonly isNamespaced?: boolean;
  traitsOf(object: T): Traits;
  now(object: T): Change["now"];
}

export function objectSource<T>(o: ObjectSourceOptions<T>): WatchSource {
  return {
    topic: o.topic,
    synced: (signal) => o.objects.synced(signal),
    feed: (into) =>
      o.objects.subscribe((key, object) => {
        const { namespace = "", name } = refOf(key);
        const told = object === undefined ? undefined : { ...o.traitsOf(object), now: () => o.now(object) };
        into.put({ namespace: o.isNamespaced ? namespace : "", name }, told);
      }),
  };
}
