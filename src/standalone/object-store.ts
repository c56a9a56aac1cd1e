/**
 * What an agent keeps of its own (its identity, invites and tokens, the Peers, their PeerPolicies and the audit) in a journal, by the
 * verbs by which the rooms know a cluster. Of all other kinds there are none, and none can be made.
 */
import { randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { abortable } from "../base/abort.ts";
import type { Clock } from "../base/clock.ts";
import { errorText } from "../base/error-text.ts";
import type { KubeClient, ListOptions, WatchEvent, WatchOptions } from "../kube/client.ts";
import { KubeError } from "../kube/errors.ts";
import { isJsonObject, type JsonObject, keyOf, type ObjectMeta, type ObjectRef } from "../kube/object.ts";
import { apiVersionOf, formatDraft, type KindAddress, type ResourceKind } from "../kube/resource-kind.ts";
import { configMaps, peerPolicies, peers, secrets } from "../kube/resources.ts";
import { History } from "./history.ts";
import type { Journal } from "./journal.ts";
import { readSelection } from "./selected.ts";

/** The kinds that are kept. Those with a status of its own say so, as their CRDs do. */
const kept: ReadonlyMap<string, { readonly hasStatus: boolean }> = new Map([
  [secrets.plural, { hasStatus: false }],
  [configMaps.plural, { hasStatus: false }],
  [peers.plural, { hasStatus: true }],
  [peerPolicies.plural, { hasStatus: true }],
]);

export interface ObjectStoreDeps {
  readonly journal: Pick<Journal, "values" | "sequence" | "write">;
  /** Told of each write that failed, and with undefined of each after which something new is kept. */
  onWrite(error: Error | undefined): void;
  readonly clock: Clock;
}

export function createObjectStore({ journal, onWrite, clock }: ObjectStoreDeps): KubeClient {
  const history = new History(journal.sequence);

  function read(kind: KindAddress, ref: ObjectRef): JsonObject | undefined {
    const text = journal.values.get(keyIn(kind, ref));
    return text === undefined ? undefined : asObject(text);
  }

  function readAll(kind: KindAddress, options: ListOptions): JsonObject[] {
    const isSelected = readSelection(options);
    const prefix = `${kind.plural}/${options.namespace === undefined ? "" : `${options.namespace}/`}`;
    const found = [...journal.values].filter(([key]) => key.startsWith(prefix)).sort(([a], [b]) => (a < b ? -1 : 1));
    return found.map(([, text]) => asObject(text)).filter(isSelected);
  }

  /** `decide` gets what is there and gives what is to be there, the same if nothing is to change, or throws. */
  async function change(
    kind: KindAddress,
    ref: ObjectRef,
    decide: (present: JsonObject | undefined) => JsonObject | undefined,
  ): Promise<JsonObject | undefined> {
    if (!kept.has(kind.plural)) throw notKept(kind);
    const key = keyIn(kind, ref);
    let before: JsonObject | undefined;
    let after: JsonObject | undefined;
    let number = 0;
    try {
      await journal.write((values, sequence) => {
        const text = values.get(key);
        before = text === undefined ? undefined : asObject(text);
        const decided = decide(before);
        after = decided;
        number = sequence;
        if (decided === before) return undefined;
        after = decided && withMetadata(decided, { resourceVersion: String(sequence) });
        return { key, value: after && JSON.stringify(after) };
      });
    } catch (error) {
      if (error instanceof KubeError) throw error;
      const failure = notWritten(kind, ref, error);
      onWrite(failure);
      throw failure;
    }
    const happened = after ?? before;
    if (after !== before && happened) {
      onWrite(undefined);
      const type = after ? (before ? "MODIFIED" : "ADDED") : "DELETED";
      history.add({ type, sequence: number, kind: kind.plural, object: happened });
    }
    return after;
  }

  async function* watch<T>(
    kind: ResourceKind<T>,
    options: WatchOptions,
    signal: AbortSignal,
  ): AsyncGenerator<WatchEvent<T>> {
    const isSelected = readSelection(options);
    let from = Number(options.resourceVersion ?? journal.sequence);
    const over = Promise.withResolvers<"over">();
    const timer = clock.after((options.timeoutSeconds ?? 300) * 1_000, () => over.resolve("over"));
    timer.unref?.();
    options.onOpen?.();
    try {
      for (;;) {
        signal.throwIfAborted();
        const next = history.next();
        const events = history.after(from);
        if (!events) throw expired(kind);
        for (const { type, sequence, kind: plural, object } of events) {
          from = sequence;
          if (plural !== kind.plural || !isSelected(object)) continue;
          yield { type, object: kind.parse(structuredClone(object)), resourceVersion: String(sequence) };
        }
        if (events.length > 0) continue;
        if ((await abortable(Promise.race([next, over.promise]), signal)) === "over") return;
      }
    } finally {
      timer.cancel();
    }
  }

  return {
    async get(kind, ref, signal) {
      signal.throwIfAborted();
      const found = read(kind, ref);
      return found && kind.parse(found);
    },
    async list(kind, options, signal) {
      signal.throwIfAborted();
      const items = readAll(kind, options).map((object) => kind.parse(object));
      return { items, resourceVersion: String(journal.sequence) };
    },
    watch,
    async create(kind, draft, signal) {
      signal.throwIfAborted();
      const ref = refIn(kind, draft.metadata);
      const made = await change(kind, ref, (present) => {
        if (present) throw refusal(409, "AlreadyExists", `${kind.kind} ${keyOf(ref)} exists already.`);
        const { status, ...asked } = formatDraft(kind, draft);
        const creationTimestamp = new Date(clock.now()).toISOString();
        const metadata = { ...ref, uid: randomUUID(), creationTimestamp, generation: 1 };
        const isPart = status !== undefined && !kept.get(kind.plural)?.hasStatus;
        return withMetadata({ ...asked, ...(isPart && { status }) }, metadata);
      });
      return kind.parse(made ?? {});
    },
    async update(kind, draft, signal) {
      signal.throwIfAborted();
      const ref = refIn(kind, draft.metadata);
      const made = await change(kind, ref, (present) => {
        if (!present) throw gone(kind, ref);
        checkPresent(kind, present, draft.metadata);
        return replaced(kind, present, formatDraft(kind, draft));
      });
      return kind.parse(made ?? {});
    },
    async applyStatus(kind, draft, options, signal) {
      signal.throwIfAborted();
      const ref = refIn(kind, draft.metadata);
      const made = await change(kind, ref, (present) => {
        if (!present) throw gone(kind, ref);
        checkPresent(kind, present, draft.metadata);
        const { status = {} } = formatDraft(kind, draft);
        return options.dryRun || isDeepStrictEqual(present.status, status) ? present : { ...present, status };
      });
      return kind.parse(made ?? {});
    },
    async delete(kind, ref, options, signal) {
      signal.throwIfAborted();
      if (!kept.has(kind.plural)) return false;
      let wasThere = false;
      await change(kind, ref, (present) => {
        wasThere = present !== undefined;
        if (present) checkPresent(kind, present, options);
        return options.dryRun ? present : undefined;
      });
      return wasThere;
    },
    async apply(kind) {
      throw kept.has(kind.plural) ? notMeant(kind) : notKept(kind);
    },
    async mergePatch(kind) {
      throw kept.has(kind.plural) ? notMeant(kind) : notKept(kind);
    },
  };
}

/** What an update makes of an object: the agent's own metadata stays, and the status is changed by nothing but its own verb. */
function replaced(kind: KindAddress, present: JsonObject, asked: JsonObject): JsonObject {
  if (present.immutable === true) throw refusal(422, "Invalid", `This ${kind.kind} is never changed.`);
  const { hasStatus = false } = kept.get(kind.plural) ?? {};
  const { status, ...rest } = asked;
  const stored = metadataOf(present);
  const isSame = isDeepStrictEqual(present.spec, asked.spec);
  const metadata = {
    namespace: stored.namespace ?? "",
    name: stored.name ?? "",
    uid: stored.uid ?? "",
    creationTimestamp: stored.creationTimestamp ?? "",
    generation: Number(stored.generation ?? 1) + (hasStatus && isSame ? 0 : 1),
  };
  const kindOfStatus = hasStatus ? present.status : status;
  return withMetadata({ ...rest, ...(kindOfStatus === undefined ? {} : { status: kindOfStatus }) }, metadata);
}

function checkPresent(
  kind: KindAddress,
  present: JsonObject,
  wanted: { uid?: string | undefined; resourceVersion?: string | undefined },
): void {
  const { uid, resourceVersion, name } = metadataOf(present);
  const isOther =
    (wanted.uid !== undefined && wanted.uid !== uid) ||
    (wanted.resourceVersion !== undefined && wanted.resourceVersion !== resourceVersion);
  if (isOther) throw refusal(409, "Conflict", `${kind.kind} ${String(name)} is another than was meant. Read it again.`);
}

function keyIn(kind: KindAddress, ref: ObjectRef): string {
  return `${kind.plural}/${keyOf(ref)}`;
}

function refIn(kind: KindAddress, { namespace, name }: ObjectMeta): { namespace: string; name: string } {
  if (!namespace || !name) throw new TypeError(`The name or the namespace of the ${kind.kind} is missing.`);
  return { namespace, name };
}

function withMetadata(object: JsonObject, metadata: JsonObject): JsonObject {
  return { ...object, metadata: { ...metadataOf(object), ...metadata } };
}

function metadataOf({ metadata }: JsonObject): JsonObject {
  return isJsonObject(metadata) ? metadata : {};
}

/** The journal holds nothing but what was written here. */
function asObject(text: string): JsonObject {
  const value: unknown = JSON.parse(text);
  return isJsonObject(value) ? value : {};
}

function refusal(status: number, reason: string, message: string): KubeError {
  return new KubeError({ status, reason, message });
}

function gone(kind: KindAddress, ref: ObjectRef): KubeError {
  return refusal(404, "NotFound", `There is no ${kind.kind} ${keyOf(ref)}.`);
}

function expired(kind: KindAddress): KubeError {
  return refusal(410, "Expired", `More has happened to ${kind.plural} than is remembered.`);
}

function notKept(kind: KindAddress): KubeError {
  const message = `This agent stands alone, in no cluster, and has no ${kind.plural} (${apiVersionOf(kind)}).`;
  return refusal(405, "MethodNotAllowed", message);
}

function notMeant(kind: KindAddress): KubeError {
  return refusal(405, "MethodNotAllowed", `A ${kind.kind} of an agent that stands alone is only replaced as a whole.`);
}

function notWritten(kind: KindAddress, ref: ObjectRef, cause: unknown): KubeError {
  const message = `Could not keep ${kind.kind} ${keyOf(ref)}: ${errorText(cause)}`;
  return new KubeError({ status: 503, reason: "ServiceUnavailable", message }, { cause });
}
