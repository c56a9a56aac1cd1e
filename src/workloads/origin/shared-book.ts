/**
 * The Secrets and ConfigMaps that apps refer to, followed in the namespaces of those apps and nowhere else. Where the agent may list
 * all of a namespace it asks for those with the label, else for each by its name: RBAC can grant a name, and no label.
 * Content without the label never reaches this process.
 */
import type { Clock } from "../../base/clock.ts";
import { createKeyedWorker } from "../../base/keyed-worker.ts";
import type { Log } from "../../base/log.ts";
import type { KubeClient } from "../../kube/client.ts";
import { KubeError } from "../../kube/errors.ts";
import { keyOf } from "../../kube/object.ts";
import { createReflector, type Reflector } from "../../kube/reflector.ts";
import type { ResourceKind } from "../../kube/resource-kind.ts";
import { type ConfigMap, configMaps, type Secret, secrets, selfSubjectAccessReviews } from "../../kube/resources.ts";
import { type Found, type SharedName, sharedLabel } from "./shared-content.ts";

export interface SharedBook {
  /** States what an app refers to now; nothing when it is gone. */
  want(app: string, names: readonly SharedName[]): void;
  find(name: SharedName): Found;
  /** Resolves when it is known of all that is wanted now whether it is there. Rejects when the signal aborts. */
  settled(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** One kind in one namespace. */
interface Shelf {
  readonly kind: SharedName["kind"];
  readonly namespace: string;
  /** By name, the apps that refer to it. */
  readonly wanted: Map<string, Set<string>>;
  /** Undefined until it is known what the agent may. */
  mode?: "all" | "named";
  /** By name; in the mode "all" there is one, under the empty name. */
  readonly reflectors: Map<string, Reflector<Secret | ConfigMap>>;
}

/** `onChange` is called with the key of an app after something that it refers to has changed, or can be read again or no more. */
export function createSharedBook(deps: {
  client: Pick<KubeClient, "create" | "list" | "watch">;
  onChange(app: string): void;
  clock: Clock;
  log: Log;
}): SharedBook {
  const { client, clock, log } = deps;
  const shelves = new Map<string, Shelf>();
  const namesOf = new Map<string, readonly SharedName[]>();
  const waiters = new Set<() => void>();
  const endings = new Set<Promise<void>>();
  /** Asks what the agent may, and opens what follows from that. */
  const worker = createKeyedWorker({ run, clock, onError });

  async function run(key: string, signal: AbortSignal): Promise<void> {
    const shelf = shelves.get(key);
    if (!shelf || shelf.mode) return;
    const resource = `${shelf.kind.toLowerCase()}s`;
    const resourceAttributes = { namespace: shelf.namespace, group: "", resource, verb: "list" };
    const review = { metadata: {}, spec: { resourceAttributes } };
    const { status } = await client.create(selfSubjectAccessReviews, review, signal);
    shelf.mode = status?.allowed ? "all" : "named";
    open(shelf);
  }

  function open(shelf: Shelf): void {
    if (!shelf.mode) return;
    const needed = new Set(shelf.mode === "all" ? [""] : shelf.wanted.keys());
    for (const name of [...shelf.reflectors.keys()]) if (!needed.has(name)) shut(shelf, name);
    for (const name of needed) if (!shelf.reflectors.has(name)) shelf.reflectors.set(name, reflect(shelf, name));
  }

  function reflect(shelf: Shelf, name: string): Reflector<Secret | ConfigMap> {
    const kind: ResourceKind<Secret | ConfigMap> = shelf.kind === "Secret" ? secrets : configMaps;
    const reflector = createReflector<Secret | ConfigMap>({
      client,
      kind,
      namespace: shelf.namespace,
      labelSelector: `${sharedLabel}=true`,
      ...(name === "" ? {} : { fieldSelector: `metadata.name=${name}` }),
      onTouch: (error) => touched(shelf, name, error),
      clock,
      log,
    });
    reflector.subscribe((_key, object, before) => tell(shelf, (object ?? before)?.metadata.name));
    reflector.synced(new AbortController().signal).then(
      () => tell(shelf, name === "" ? undefined : name),
      () => undefined, // It was closed before.
    );
    return reflector;
  }

  /** The API server refused, or answers again. */
  function touched(shelf: Shelf, name: string, error: Error | undefined): void {
    if (isForbidden(error) && shelf.mode === "all") {
      // The right to all was taken back; there may be one to some.
      delete shelf.mode;
      shut(shelf, "");
      worker.add(shelfKey(shelf));
    }
    tell(shelf, name === "" ? undefined : name);
  }

  function tell(shelf: Shelf, name: string | undefined): void {
    for (const wake of [...waiters]) wake();
    for (const [wanted, apps] of shelf.wanted) {
      if (name === undefined || name === wanted) for (const app of apps) deps.onChange(app);
    }
  }

  function shut(shelf: Shelf, name: string): void {
    const reflector = shelf.reflectors.get(name);
    shelf.reflectors.delete(name);
    if (!reflector) return;
    const ending = reflector.close().finally(() => endings.delete(ending));
    endings.add(ending);
  }

  function find({ kind, namespace, name }: SharedName): Found {
    const shelf = shelves.get(shelfKey({ kind, namespace }));
    const reflector = shelf?.reflectors.get(shelf.mode === "all" ? "" : name);
    if (!reflector) return { is: "unknown" };
    // What was read before the right was taken back is not used for what is new.
    if (isForbidden(reflector.lastError)) return { is: "forbidden", message: reflector.lastError.message };
    if (!reflector.isSynced) return { is: "unknown" };
    const object = reflector.get(keyOf({ namespace, name }));
    // A field selector is the API server's to obey; the label is looked at here once more.
    return object?.metadata.labels?.[sharedLabel] === "true" ? { is: "there", object } : { is: "missing" };
  }

  function drop(app: string, { kind, namespace, name }: SharedName): void {
    const key = shelfKey({ kind, namespace });
    const shelf = shelves.get(key);
    const apps = shelf?.wanted.get(name);
    if (!shelf || !apps?.delete(app) || apps.size > 0) return;
    shelf.wanted.delete(name);
    if (shelf.wanted.size === 0) {
      shelves.delete(key);
      for (const open of [...shelf.reflectors.keys()]) shut(shelf, open);
    } else open(shelf);
  }

  function onError(key: string, error: unknown, attempt: number): void {
    log.warn(
      { shared: key, err: error, attempt },
      "it is not known what may be read of a namespace; it is asked again",
    );
  }

  return {
    want(app, names) {
      const before = namesOf.get(app) ?? [];
      if (names.length > 0) namesOf.set(app, names);
      else namesOf.delete(app);
      for (const { kind, namespace, name } of names) {
        const key = shelfKey({ kind, namespace });
        const shelf: Shelf = shelves.get(key) ?? { kind, namespace, wanted: new Map(), reflectors: new Map() };
        shelves.set(key, shelf);
        shelf.wanted.set(name, (shelf.wanted.get(name) ?? new Set()).add(app));
        if (shelf.mode) open(shelf);
        else worker.add(key);
      }
      const isSame = (one: SharedName) => (other: SharedName) =>
        one.kind === other.kind && one.namespace === other.namespace && one.name === other.name;
      for (const old of before) if (!names.some(isSame(old))) drop(app, old);
    },
    find,
    async settled(signal) {
      const isUnknown = (): boolean => [...namesOf.values()].flat().some((name) => find(name).is === "unknown");
      while (isUnknown()) {
        const { promise, resolve, reject } = Promise.withResolvers<void>();
        const onAbort = (): void => reject(signal.reason);
        signal.addEventListener("abort", onAbort, { once: true });
        waiters.add(resolve);
        try {
          signal.throwIfAborted();
          await promise;
        } finally {
          waiters.delete(resolve);
          signal.removeEventListener("abort", onAbort);
        }
      }
    },
    async close() {
      await worker.close();
      for (const shelf of shelves.values()) for (const name of [...shelf.reflectors.keys()]) shut(shelf, name);
      shelves.clear();
      await Promise.all(endings);
    },
  };
}

function shelfKey({ kind, namespace }: Pick<SharedName, "kind" | "namespace">): string {
  return `${kind} ${namespace}`;
}

function isForbidden(error: Error | undefined): error is KubeError {
  return error instanceof KubeError && error.status === 403;
}
