/** Changes of one kind of resource by people at this agent: exactly of what they saw. */
import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { type DescMessage, type MessageShape, toJson } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { KubeClient } from "../../kube/client.ts";
import { isConflict, isForbidden, isNotFound } from "../../kube/errors.ts";
import { isJsonObject, type JsonObject, type ObjectMeta, type Resource } from "../../kube/object.ts";
import type { ResourceKind } from "../../kube/resource-kind.ts";
import { mergePatchOf } from "./merge-patch.ts";

export interface SeenChangesDeps<Spec extends DescMessage, Status> {
  readonly kube: Pick<KubeClient, "get" | "create" | "apply" | "mergePatch" | "delete">;
  readonly kind: ResourceKind<Resource<MessageShape<Spec>, Status>>;
  readonly spec: Spec;
  /** What is thrown where there is none of that name. */
  missing(ref: SeenRef): ConnectError;
}

export interface SeenRef {
  readonly namespace: string;
  readonly name: string;
}

/** A resource as somebody wants it. */
export interface SeenDraft<Spec> {
  readonly spec: Spec;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** Check everything, change nothing. */
  readonly dryRun: boolean;
}

/** What has to be as it was: of {@link versionOf}. Empty where whatever it is will do. */
interface Seen<T> {
  readonly version: string;
  /** Asked before each attempt about what is there then; throws when it may not be touched. */
  check?(present: T): void;
}

interface Changed<T> {
  readonly before: T;
  readonly now: T;
  readonly changed: boolean;
}

/** It throws ConnectErrors for what a person can mend, and KubeErrors for the rest. */
export interface SeenChanges<Spec, T> {
  get(ref: SeenRef, signal: AbortSignal): Promise<T>;
  /** ALREADY_EXISTS when there is one. */
  make(ref: SeenRef, draft: SeenDraft<Spec>, signal: AbortSignal): Promise<T>;
  change(ref: SeenRef, draft: SeenDraft<Spec> & Seen<T>, signal: AbortSignal): Promise<Changed<T>>;
  /** Returns what it was. */
  delete(ref: SeenRef, how: Seen<T> & Pick<SeenDraft<Spec>, "dryRun">, signal: AbortSignal): Promise<T>;
}

/** A write meets one of the agent of its status now and then; more often than so many times in a row it does not. */
const attempts = 5;

export function createSeenChanges<Spec extends DescMessage, Status>(
  deps: SeenChangesDeps<Spec, Status>,
): SeenChanges<MessageShape<Spec>, Resource<MessageShape<Spec>, Status>> {
  type T = Resource<MessageShape<Spec>, Status>;
  const { kube, kind } = deps;

  async function get(ref: SeenRef, signal: AbortSignal): Promise<T> {
    const found = await kube.get(kind, ref, signal);
    if (found) return found;
    throw deps.missing(ref);
  }

  /** Does it on exactly what was read; anew when only the agent has written of its status in between. */
  async function onWhatWasSeen<Done>(
    ref: SeenRef,
    { version, check }: Seen<T>,
    act: (present: T) => Promise<Done>,
    signal: AbortSignal,
  ): Promise<Done> {
    for (let attempt = 1; ; attempt += 1) {
      const present = await get(ref, signal);
      if (version !== "" && versionOf(present) !== version) throw changedMeanwhile(`${kind.kind} ${ref.name}`);
      check?.(present);
      try {
        return await act(present);
      } catch (error) {
        if (!isConflict(error) && !isNotFound(error)) throw error;
        if (attempt === attempts) throw changedMeanwhile(`${kind.kind} ${ref.name}`, error);
      }
    }
  }

  async function put(
    ref: SeenRef,
    before: T,
    { spec, labels, annotations, dryRun }: SeenDraft<MessageShape<Spec>>,
    signal: AbortSignal,
  ): Promise<Changed<T>> {
    refuseUnknown(before);
    const metadata = {
      labels: mergePatchOf({ ...before.metadata.labels }, { ...labels }),
      annotations: mergePatchOf(peoplesOwn(before.metadata.annotations ?? {}), peoplesOwn(annotations)),
    };
    const patch = { metadata, spec: mergePatchOf(jsonOf(before.spec), jsonOf(spec)) };
    if (isDeepStrictEqual(patch, { metadata: { labels: {}, annotations: {} }, spec: {} })) {
      return { before, now: before, changed: false };
    }
    const { uid = "", resourceVersion = "" } = before.metadata;
    const whole = { ...patch, metadata: { ...metadata, uid, resourceVersion } };
    const now = await kube.mergePatch(kind, ref, whole, signal, { dryRun });
    // What is left out may be what the cluster fills in anyway.
    return { before, now, changed: versionOf(now) !== versionOf(before) };
  }

  function jsonOf(spec: MessageShape<Spec>): JsonObject {
    const json = toJson(deps.spec, spec);
    return isJsonObject(json) ? json : {};
  }

  return {
    get,
    async make(ref, { spec, labels, annotations, dryRun }, signal) {
      const there = await kube.get(kind, ref, signal);
      if (there) throw new ConnectError(`there is a ${kind.kind} ${ref.name} already`, Code.AlreadyExists);
      const draft = { metadata: { ...ref, labels, annotations: peoplesOwn(annotations) }, spec };
      if (dryRun) return kube.apply(kind, draft, { dryRun }, signal);
      return kube.create(kind, draft, signal);
    },
    change: (ref, draft, signal) => onWhatWasSeen(ref, draft, (before) => put(ref, before, draft, signal), signal),
    delete: (ref, { dryRun, ...seen }, signal) =>
      onWhatWasSeen(
        ref,
        seen,
        async (present) => {
          const { uid, resourceVersion } = present.metadata;
          await kube.delete(kind, ref, { uid, resourceVersion, dryRun }, signal);
          return present;
        },
        signal,
      ),
  };
}

/** Another one after each change of what people write of it, and the same after one of its status. */
export function versionOf({ metadata }: { readonly metadata: ObjectMeta }): string {
  const { uid, generation, labels = {}, annotations = {} } = metadata;
  const sorted = (texts: Readonly<Record<string, string>>) => Object.entries(texts).toSorted();
  const written = JSON.stringify([uid, generation, sorted(labels), sorted(peoplesOwn(annotations))]);
  return createHash("sha256").update(written).digest("base64url").slice(0, 22);
}

/**
 * FAILED_PRECONDITION with `elsewhere` unless that is undefined, and where the cluster refuses, for whatever reason, with `refused` and
 * its words.
 */
export async function writeHere<T>(
  { elsewhere, refused }: { readonly elsewhere: string | undefined; readonly refused: string },
  write: () => Promise<T>,
): Promise<T> {
  if (elsewhere !== undefined) throw new ConnectError(elsewhere, Code.FailedPrecondition);
  try {
    return await write();
  } catch (error) {
    if (!isForbidden(error)) throw error;
    throw new ConnectError(`${refused} (${error.message})`, Code.FailedPrecondition, undefined, undefined, error);
  }
}

/** Without the agent's own notes and kubectl's, which stand in what was once printed and comes back. */
export function peoplesOwn(annotations: Readonly<Record<string, string>>): Record<string, string> {
  const own = Object.entries(annotations).filter(
    ([key]) => !key.startsWith("fairlead.dev/") && key !== "kubectl.kubernetes.io/last-applied-configuration",
  );
  return Object.fromEntries(own);
}

/** FAILED_PRECONDITION for what a newer version wrote, of which part would be lost. */
export function refuseUnknown({
  metadata,
  problems = [],
}: Pick<Resource<unknown, unknown>, "metadata" | "problems">): void {
  if (problems.length === 0) return;
  const message = `this agent does not understand all of ${metadata.name}, and would lose that: ${problems.join("; ")}`;
  throw new ConnectError(message, Code.FailedPrecondition);
}

/** ABORTED: who writes must have seen what it is now. */
export function changedMeanwhile(what: string, cause?: unknown): ConnectError {
  const message = `${what} was changed by somebody else meanwhile, so nothing was done; read it again`;
  return new ConnectError(message, Code.Aborted, undefined, undefined, cause);
}
