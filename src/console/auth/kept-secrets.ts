/**
 * Who may sign in, by what, and who has: one record each, as JSON in a Secret of the agent's namespace, and all of them in memory, so
 * that whoever asks is answered at once. What somebody else changes or deletes with kubectl counts as soon as the API server tells of it.
 */
import { createHash } from "node:crypto";
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { KubeClient } from "../../kube/client.ts";
import { isAlreadyExists, isConflict, isNotFound, KubeError } from "../../kube/errors.ts";
import { isOlder, keyOf } from "../../kube/object.ts";
import { createReflector } from "../../kube/reflector.ts";
import { type Secret, secrets } from "../../kube/resources.ts";
import { decodeData, encodeData } from "../../kube/secret-data.ts";

/** What a record is about. */
export type KeptKind = "user" | "token" | "session";

export interface KeptSecretsDeps {
  readonly client: Pick<KubeClient, "get" | "list" | "watch" | "create" | "update" | "delete">;
  /** The agent's own; no Secret of anybody else is read. */
  readonly namespace: string;
  readonly clock: Clock;
  readonly log: Log;
}

export interface KeptSecrets {
  /**
   * The records of one kind. `parse` gets what JSON was kept and answers undefined for what it does not understand: such a record does not
   * count, and stays as it is. `format` makes the JSON of a record that is not its own.
   */
  of<R>(kind: KeptKind, parse: (json: unknown) => R | undefined, format?: (record: R) => unknown): Kept<R>;
  /** Calls the listener when records of whatever kind have come, changed or gone. Returns what ends it. */
  subscribe(listener: () => void): () => void;
  /** Resolves when all that is kept is known; until then nobody is. */
  synced(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** Records of one kind. What was written here is seen here at once. Rejects with a `KubeError` when the API server does not do it. */
export interface Kept<R> {
  /** As far as is known. Costs a hash. */
  get(id: string): R | undefined;
  list(): { readonly id: string; readonly record: R }[];
  /** False when there is one already. */
  create(id: string, record: R, signal: AbortSignal): Promise<boolean>;
  /**
   * Puts what `decide` makes of the record in its place, and answers what is kept then; undefined when there is none. `decide` is asked
   * again when somebody else was faster; with undefined, or by throwing, it leaves the record as it is.
   */
  change(id: string, decide: (record: R) => R | undefined, signal: AbortSignal): Promise<R | undefined>;
  /** False when there was none. */
  delete(id: string, signal: AbortSignal): Promise<boolean>;
}

const label = "fairlead.dev/kind";
const dataKey = "record.json";

/** How often `change` tries again against somebody who is always faster. */
const mostTries = 8;

/** For so long the API server's news may lag behind its own answer to a creation, in milliseconds. */
const newsLagMs = 60_000;

/** What was written here and is not heard of yet; no object for what was deleted. */
interface Written {
  readonly uid: string;
  readonly secret: Secret | undefined;
  readonly at: number;
}

/** Starts at once. */
export function openKeptSecrets({ client, namespace, clock, log }: KeptSecretsDeps): KeptSecrets {
  const written = new Map<string, Written>();
  const reflector = createReflector<Secret>({ client, kind: secrets, namespace, labelSelector: label, clock, log });
  reflector.subscribe((key, heard, before) => {
    const own = written.get(key);
    if (own && (heard ? !isAhead(own, heard) : own.uid === before?.metadata.uid)) written.delete(key);
  });

  /** The latest that is known of a Secret, be it heard or written here. */
  function look(key: string): Secret | undefined {
    const heard = reflector.get(key);
    const own = written.get(key);
    if (!own || (heard && !isAhead(own, heard)) || isMissed(key, own)) return heard;
    return own.secret;
  }

  /** Made here and never heard of although all is well: somebody deleted it before the API server could tell. */
  function isMissed(key: string, { at }: Written): boolean {
    return !reflector.get(key) && clock.monotonic() - at > newsLagMs && !reflector.lastError;
  }

  function noteWritten(key: string, uid: string, secret: Secret | undefined): void {
    for (const [known, own] of written) if (isMissed(known, own)) written.delete(known);
    const own = { uid, secret, at: clock.monotonic() };
    const heard = reflector.get(key);
    if (!heard || isAhead(own, heard)) written.set(key, own);
    else written.delete(key);
  }

  function of<R>(
    kind: KeptKind,
    parse: (json: unknown) => R | undefined,
    format: (record: R) => unknown = (record) => record,
  ): Kept<R> {
    const parsed = new WeakMap<Secret, { readonly id: string; readonly record: R }>();
    const refOf = (id: string) => ({ namespace, name: nameOf(kind, id) });

    function read(secret: Secret): { readonly id: string; readonly record: R } | undefined {
      const before = parsed.get(secret);
      if (before) return before;
      const found = readSecret(kind, secret);
      const record = found && parse(found.record);
      if (!found || record === undefined) return undefined;
      const read = { id: found.id, record };
      parsed.set(secret, read);
      return read;
    }

    async function readAgain(id: string, signal: AbortSignal): Promise<Secret | undefined> {
      const secret = await client.get(secrets, refOf(id), signal);
      const key = keyOf(refOf(id));
      if (secret) noteWritten(key, secret.metadata.uid ?? "", secret);
      else forget(key);
      return secret;
    }

    function forget(key: string): void {
      const known = look(key);
      if (known) noteWritten(key, known.metadata.uid ?? "", undefined);
    }

    return {
      get(id) {
        const secret = look(keyOf(refOf(id)));
        return secret && read(secret)?.record;
      },

      list() {
        const keys = new Set([...reflector.list().map((secret) => keyOf(secret)), ...written.keys()]);
        const found = [...keys].map((key) => look(key)).map((secret) => secret && read(secret));
        return found.filter((one) => one !== undefined);
      },

      async create(id, record, signal) {
        const labels = { [label]: kind, "app.kubernetes.io/managed-by": "fairlead" };
        const draft = { metadata: { ...refOf(id), labels }, type: typeOf(kind), data: dataOf(id, format(record)) };
        try {
          const made = await client.create(secrets, draft, signal);
          noteWritten(keyOf(made), made.metadata.uid ?? "", made);
          return true;
        } catch (error) {
          if (!isAlreadyExists(error)) throw error;
          await readAgain(id, signal);
          return false;
        }
      },

      async change(id, decide, signal) {
        let secret = look(keyOf(refOf(id)));
        for (let tries = 0; tries < mostTries; tries += 1) {
          const present = secret && read(secret);
          if (!secret || !present) return undefined;
          const wanted = decide(present.record);
          if (wanted === undefined) return present.record;
          try {
            const changed = await client.update(secrets, { ...secret, data: dataOf(id, format(wanted)) }, signal);
            noteWritten(keyOf(changed), changed.metadata.uid ?? "", changed);
            return wanted;
          } catch (error) {
            if (!isConflict(error) && !isNotFound(error)) throw error;
            secret = await readAgain(id, signal);
          }
        }
        const message = `The Secret ${nameOf(kind, id)} is changed by somebody else all the time. Try again.`;
        throw new KubeError({ status: 409, reason: "Conflict", message });
      },

      async delete(id, signal) {
        const key = keyOf(refOf(id));
        const was = await client.delete(secrets, refOf(id), {}, signal);
        forget(key);
        return was;
      },
    };
  }

  return {
    of,
    subscribe: (listener) => reflector.subscribe(() => listener()),
    synced: (signal) => reflector.synced(signal),
    close: () => reflector.close(),
  };
}

/** Whether what was written here is newer than what was heard. */
function isAhead({ uid, secret }: Written, heard: Secret): boolean {
  return secret ? isOlder(heard, secret) : heard.metadata.uid === uid;
}

/** By hash: what people call themselves need not be a name to Kubernetes. That two meet in 64 bits is found when the record is read. */
function nameOf(kind: KeptKind, id: string): string {
  return `fairlead-${kind}-${createHash("sha256").update(`${kind}\n${id}`).digest("hex").slice(0, 16)}`;
}

function typeOf(kind: KeptKind): string {
  return `fairlead.dev/${kind}`;
}

function dataOf(id: string, record: unknown): Record<string, string> {
  return encodeData({ [dataKey]: JSON.stringify({ id, record }) });
}

/** Undefined for a Secret that holds no record of this kind, or one that was copied from another name. */
function readSecret(kind: KeptKind, secret: Secret): { readonly id: string; readonly record: unknown } | undefined {
  if (secret.type !== typeOf(kind) || secret.metadata.labels?.[label] !== kind) return undefined;
  try {
    const kept: unknown = JSON.parse(decodeData(secret, dataKey) ?? "");
    if (typeof kept !== "object" || kept === null || !("id" in kept) || !("record" in kept)) return undefined;
    const { id, record } = kept;
    return typeof id === "string" && secret.metadata.name === nameOf(kind, id) ? { id, record } : undefined;
  } catch {
    return undefined;
  }
}
