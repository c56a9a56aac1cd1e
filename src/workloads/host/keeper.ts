/**
 * Makes one object and makes it again when somebody changed or deleted it, until nothing of what others did to it is left.
 * Whether and when something is put back is decided by those who call: `isRepair` tells them that it is somebody else's doing.
 */
import { isDeepStrictEqual } from "node:util";
import type { Log } from "../../base/log.ts";
import type { KubeClient } from "../../kube/client.ts";
import { isConflict, KubeError } from "../../kube/errors.ts";
import { type Draft, keyOf, refOf } from "../../kube/object.ts";
import type { ResourceKind } from "../../kube/resource-kind.ts";
import type { Latest } from "../latest.ts";
import { type Applied, appliedOf, isDrifted, isKnown, type Keepable } from "./drift.ts";
import { asDropped, demandAll, lostOf, tryOut } from "./dropped-fields.ts";

export interface KeeperDeps {
  client: Pick<KubeClient, "apply" | "update" | "delete">;
  log: Log;
}

/** The least time between two repairs of what belongs together, in milliseconds, for when somebody goes on undoing them. */
export const repairGapMs = 1_000;

/** How often an object is made before a conflict with others who write to it is left to the caller. */
const mostAttempts = 3;

/** One object that is to be as its manifest says. */
export interface Chore {
  /** It has to be applied. */
  readonly isDue: boolean;
  /** It was applied before as it is: somebody else changed or deleted it. */
  readonly isRepair: boolean;
  /** Resolves with what is to be remembered as `applied`. */
  do(signal: AbortSignal): Promise<Applied>;
}

/** A chore, and under which name what it made is remembered. */
export interface Named {
  readonly name: string;
  readonly chore: Chore;
}

export interface ChoreOf<T extends Keepable> {
  kind: ResourceKind<T>;
  manifest: Draft<T>;
  latest: Pick<Latest<T>, "get" | "put" | "isSynced">;
  applied: Applied | undefined;
  /** What of the object is not of the manifest and survives an apply, in words for the log; nothing unless given. */
  additions?(manifest: Draft<T>, found: T): string[];
  /**
   * Whether the object may be deleted and made anew, where what somebody put in its place cannot be edited into it, such as the
   * scopes of a quota. Not unless given.
   */
  isExpendable?: boolean;
  /**
   * Whether the API server has to keep all that the manifest says, else `do` rejects with `DroppedFields`: found out "first", before
   * anything is stored, or "after", by what it has stored. It is not asked unless given.
   */
  complete?: "first" | "after";
}

export function choreOf<T extends Keepable>({ client, log }: KeeperDeps, o: ChoreOf<T>): Chore {
  const { kind, manifest, latest, applied } = o;
  const wasMade = isKnown(manifest, applied);
  // After a start, what is found is not known until it has been read; applying once more changes nothing.
  const isDue = (latest.isSynced || !wasMade) && isDrifted(manifest, applied, latest.get(keyOf(manifest)));

  async function make(signal: AbortSignal): Promise<T> {
    const found = latest.get(keyOf(manifest));
    // Where all of it is there, if with other values, the server knows it all.
    const isProven = found !== undefined && lostOf(kind, manifest, found).length === 0;
    if (o.complete === "first" && !isProven) await tryOut(client, kind, manifest, signal);
    const answer = await client.apply(kind, manifest, { force: true }, signal);
    if (o.complete) demandAll(kind, manifest, answer);
    const extra = o.additions?.(manifest, answer) ?? [];
    if (extra.length === 0) return answer;
    const replaced = await client.update(kind, replacing(manifest, answer), signal);
    // A replacement that changes nothing met no addition but the API server's own spelling, such as 1 for 1000m.
    if (!isDeepStrictEqual(replaced.spec, answer.spec)) {
      const fields = { kind: kind.kind, object: keyOf(answer), extra };
      log.warn(fields, "somebody added to an object of a peer; it is taken away");
    }
    return replaced;
  }

  /** Others write to an object too, if only its status: who was not quick enough looks again. */
  async function makeSoon(signal: AbortSignal, attempt = 1): Promise<T> {
    try {
      return await make(signal);
    } catch (error) {
      if (isConflict(error) && attempt < mostAttempts) return makeSoon(signal, attempt + 1);
      if (o.isExpendable && error instanceof KubeError && error.status === 422) return makeAnew(signal);
      throw asDropped(kind, error) ?? error;
    }
  }

  async function makeAnew(signal: AbortSignal): Promise<T> {
    // It must be what is there that is wrong, and not the manifest: else there would be nothing instead.
    const elsewhere = { ...manifest, metadata: { ...manifest.metadata, name: `${manifest.metadata.name}-check` } };
    await client.apply(kind, elsewhere, { force: true, dryRun: true }, signal);
    await client.delete(kind, refOf(manifest), {}, signal);
    return client.apply(kind, manifest, { force: true }, signal);
  }

  return {
    isDue,
    isRepair: isDue && wasMade,
    async do(signal) {
      const answer = await makeSoon(signal);
      latest.put(answer);
      return appliedOf(manifest, answer);
    },
  };
}

/** Replaces all that is there, other people's additions with it, if nobody was quicker. */
function replacing<T extends Keepable>(manifest: Draft<T>, found: T): Draft<T> {
  const { resourceVersion = "", uid = "", annotations = {} } = found.metadata;
  return { ...manifest, metadata: { ...manifest.metadata, resourceVersion, uid, annotations } };
}
