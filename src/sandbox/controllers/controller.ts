/** The common frame of the sandbox's controllers: changes become keys, and each key is brought in order. */
import type { Clock } from "../../base/clock.ts";
import { createKeyedWorker } from "../../base/keyed-worker.ts";
import type { Log } from "../../base/log.ts";
import type { KubeObject } from "../object.ts";
import type { Registry } from "../registry/registry.ts";
import { type Resource, storeKey } from "../resource.ts";
import { StatusError } from "../status-error.ts";
import type { EventWriter } from "./events.ts";

export interface ControllerDeps {
  registry: Registry;
  clock: Clock;
  log: Log;
  events: EventWriter;
}

export interface Controller {
  add(key: string, afterMs?: number): void;
  close(): Promise<void>;
}

/** What a change of one resource means: the keys to look at again. */
export interface Watched {
  resource: Resource;
  keysOf(object: KubeObject): Iterable<string>;
  /** How long to wait for more of the same, in milliseconds; not at all unless given. */
  afterMs?: number;
}

export function startController(
  deps: ControllerDeps,
  o: {
    name: string;
    watched: readonly Watched[];
    reconcile(key: string, signal: AbortSignal): Promise<void | { againMs: number }>;
  },
): Controller {
  const { store } = deps.registry;
  const worker = createKeyedWorker({
    clock: deps.clock,
    run: o.reconcile,
    minMs: 20,
    maxMs: 5_000,
    onError(key, error) {
      // A conflict means that somebody else was quicker: the next run sees what they did.
      if (!(error instanceof StatusError && error.code === 409))
        deps.log.warn({ controller: o.name, key, err: error }, "reconciling failed");
    },
  });
  const unsubscribes = o.watched.map(({ resource, keysOf, afterMs }) => {
    const add = (object: KubeObject): void => {
      for (const key of keysOf(object)) worker.add(key, afterMs);
    };
    for (const object of store.list(storeKey(resource))) add(object);
    return store.subscribe(storeKey(resource), ({ object }) => add(object));
  });
  return {
    add: (key, afterMs) => worker.add(key, afterMs),
    async close() {
      for (const unsubscribe of unsubscribes) unsubscribe();
      await worker.close();
    },
  };
}

export function keyOf({ metadata }: KubeObject): string {
  return `${metadata.namespace ?? ""}/${metadata.name}`;
}

export function splitKey(key: string): { namespace: string; name: string } {
  const [namespace = "", name = ""] = key.split("/");
  return { namespace, name };
}

/** The keys of the controllers of an object that are of this kind. */
export function controllerKey(kind: string): Watched["keysOf"] {
  return ({ metadata }) =>
    (metadata.ownerReferences ?? [])
      .filter((owner) => owner.controller && owner.kind === kind)
      .map((owner) => `${metadata.namespace ?? ""}/${owner.name}`);
}

/** Objects, and what they own: news of the one or of the other is about the one. */
export function withOwned(kind: string, resource: Resource, owned: Resource): readonly Watched[] {
  return [
    { resource, keysOf: (object) => [keyOf(object)] },
    { resource: owned, keysOf: controllerKey(kind), afterMs: 5 },
  ];
}

/** A built-in resource by its address; the catalog always has it. */
export function builtin(registry: Registry, group: string, plural: string): Resource {
  const found = registry.catalog.find(group, "v1", plural);
  if (!found) throw new Error(`the sandbox has no ${plural}.${group}`);
  return found;
}
