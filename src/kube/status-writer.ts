/**
 * Writes the status of many objects: only when it changed, at most once a second an object, the latest word always
 * last. A write that fails is tried again until it succeeds, is replaced by a newer one, or the object is gone.
 */
import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../base/clock.ts";
import { createKeyedWorker } from "../base/keyed-worker.ts";
import type { Log } from "../base/log.ts";
import type { KubeClient } from "./client.ts";
import { isConflict, isNotFound } from "./errors.ts";
import { type Draft, type JsonObject, keyOf, type ObjectMeta, type Resource, refOf } from "./object.ts";
import type { ResourceKind } from "./resource-kind.ts";

export interface StatusWriter<Status> {
  /**
   * States how the object is. `metadata` needs name, namespace and uid: by the uid the status of a deleted object is not
   * taken for that of a new one of its name. Returns at once. One that `passes` waits for as long as the least time between two
   * writes, and is never written when another follows meanwhile.
   */
  write(object: { metadata: ObjectMeta; status: Status }, o?: { passes?: boolean }): void;
  /** Forgets an object, above all one that was deleted. */
  forget(key: string): void;
  /** How long the oldest unwritten status has waited, in milliseconds; for health. */
  oldestPendingMs(): number;
  /** Gives up what is not written yet. */
  close(): Promise<void>;
}

export interface StatusWriterDeps<Spec, Status> {
  client: Pick<KubeClient, "applyStatus" | "get">;
  kind: ResourceKind<Resource<Spec, Status>>;
  clock: Clock;
  log: Log;
  /** The least time between two writes of one object, in milliseconds; 1,000 unless given. */
  minGapMs?: number;
}

interface Entry<Spec, Status> {
  wanted: Draft<Resource<Spec, Status>>;
  json: JsonObject;
  written?: JsonObject;
  /** On the monotonic clock. */
  writtenAt: number;
}

export function createStatusWriter<Spec, Status>(deps: StatusWriterDeps<Spec, Status>): StatusWriter<Status> {
  const { client, kind, clock, log } = deps;
  const minGapMs = deps.minGapMs ?? 1_000;
  const entries = new Map<string, Entry<Spec, Status>>();
  const worker = createKeyedWorker({
    run: writeOne,
    clock,
    minMs: 500,
    maxMs: 30_000,
    onError: (key, error, attempt) => log.warn({ err: error, key, attempt }, "could not write a status"),
  });

  async function writeOne(key: string, signal: AbortSignal): Promise<void> {
    const entry = entries.get(key);
    if (!entry || isDeepStrictEqual(entry.json, entry.written)) return;
    const { json, wanted } = entry;
    let answer: Resource<Spec, Status>;
    try {
      answer = await client.applyStatus(kind, wanted, { force: true }, signal);
    } catch (error) {
      if (!isNotFound(error) && !(isConflict(error) && (await isReplaced(wanted.metadata, signal)))) throw error;
      // Gone, or replaced by another object of its name: this status belongs to nobody.
      if (entries.get(key) === entry) entries.delete(key);
      return;
    }
    if (isOther(answer.metadata, wanted.metadata)) {
      // The API server does not compare the uid of a custom resource's status. The new object's own status comes after this
      // one, because one key is written by one run at a time.
      log.info({ key }, "a status met a new object of the same name");
      if (entries.get(key) === entry) entries.delete(key);
      return;
    }
    entry.written = json;
    entry.writtenAt = clock.monotonic();
    if (!isDeepStrictEqual(entry.json, json)) worker.add(key, minGapMs);
  }

  /** A conflict may also pass by itself; only another uid says that the object that was meant is no more. */
  async function isReplaced(metadata: ObjectMeta, signal: AbortSignal): Promise<boolean> {
    const present = await client.get(kind, refOf({ metadata }), signal);
    return present?.metadata.uid !== metadata.uid;
  }

  return {
    write({ metadata, status }, { passes = false } = {}) {
      const wanted = { metadata: identityOf(metadata), status };
      const { uid } = metadata;
      const key = keyOf(wanted);
      const json = kind.format(wanted);
      const known = entries.get(key);
      const isSameObject = known?.wanted.metadata.uid === uid;
      const entry: Entry<Spec, Status> =
        known && isSameObject ? known : { wanted, json, writtenAt: Number.NEGATIVE_INFINITY };
      entry.wanted = wanted;
      entry.json = json;
      entries.set(key, entry);
      if (isDeepStrictEqual(json, entry.written)) return;
      worker.add(key, Math.max(passes ? minGapMs : 0, entry.writtenAt + minGapMs - clock.monotonic()));
    },
    forget: (key) => void entries.delete(key),
    oldestPendingMs: () => worker.oldestPendingMs(),
    close: () => worker.close(),
  };
}

function isOther(found: ObjectMeta, meant: ObjectMeta): boolean {
  return found.uid !== undefined && meant.uid !== undefined && found.uid !== meant.uid;
}

/** Without a resourceVersion, which would make the write fail whenever anything else about the object has changed. */
function identityOf({ name, namespace, uid }: ObjectMeta): ObjectMeta {
  return { ...(name ? { name } : {}), ...(namespace ? { namespace } : {}), ...(uid ? { uid } : {}) };
}
