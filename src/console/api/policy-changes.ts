/** Changes of PeerPolicies by people at this agent: exactly of what they saw, and with what comes of it for whom. */
import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { toJson } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { type PeerPolicySpec, PeerPolicySpecSchema } from "../../gen/fairlead/resources/v1alpha1/peer_policy_pb.ts";
import type { KubeClient } from "../../kube/client.ts";
import { isConflict, isNotFound } from "../../kube/errors.ts";
import { isJsonObject, type JsonObject } from "../../kube/object.ts";
import { type PeerPolicy, peerPolicies } from "../../kube/resources.ts";
import type { PolicyPeer } from "../../policy/effective.ts";
import { foreseeEffects, type PolicyEffect } from "../../policy/foresee.ts";
import { statePolicy } from "../../policy/stated.ts";
import { peoplesOwn } from "./app-changes.ts";
import { mergePatchOf } from "./merge-patch.ts";

export interface PolicyChangesDeps {
  readonly kube: Pick<KubeClient, "get" | "create" | "apply" | "mergePatch" | "delete">;
  /** The agent's own, where its policies are. */
  readonly namespace: string;
  /** Undefined where policies are written otherwise: how, in a sentence. */
  readonly writtenElsewhere: string | undefined;
  policies(): readonly PeerPolicy[];
  peers(): readonly PolicyPeer[];
}

export interface DraftedPolicy {
  readonly name: string;
  readonly spec: PeerPolicySpec;
  /** From {@link versionOf}; empty for one that is to be made. */
  readonly version: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly dryRun: boolean;
}

/** It throws ConnectErrors for what a person can mend, and KubeErrors for the rest. */
export interface PolicyChanges {
  get(name: string, signal: AbortSignal): Promise<PeerPolicy>;
  apply(
    draft: DraftedPolicy,
    signal: AbortSignal,
  ): Promise<{ policy: PeerPolicy; changed: boolean; effects: PolicyEffect[] }>;
  delete(
    o: { readonly name: string; readonly version: string; readonly dryRun: boolean },
    signal: AbortSignal,
  ): Promise<PolicyEffect[]>;
}

/** A write meets one of the agent of its status now and then; more often than so many times in a row it does not. */
const attempts = 5;

/** Peers of which an answer says what changes for them. */
const mostEffects = 200;

export function createPolicyChanges(deps: PolicyChangesDeps): PolicyChanges {
  const { kube, namespace } = deps;

  async function get(name: string, signal: AbortSignal): Promise<PeerPolicy> {
    const found = await kube.get(peerPolicies, { namespace, name }, signal);
    if (found) return found;
    throw new ConnectError(`there is no PeerPolicy ${name}; see: fairlead policy list`, Code.NotFound);
  }

  function refuseElsewhere(): void {
    if (deps.writtenElsewhere !== undefined) throw new ConnectError(deps.writtenElsewhere, Code.FailedPrecondition);
  }

  /** What changes when `policy` takes the place of the one of its name in `before`; undefined: when that goes. */
  function effects(before: readonly PeerPolicy[], name: string, policy: PeerPolicy | undefined): PolicyEffect[] {
    const others = before.filter(({ metadata }) => metadata.name !== name);
    return foreseeEffects(before, policy ? [...others, policy] : others, deps.peers()).slice(0, mostEffects);
  }

  async function make(draft: DraftedPolicy, signal: AbortSignal): Promise<PeerPolicy> {
    const { name, spec, labels, annotations, dryRun } = draft;
    const metadata = { namespace, name, labels, annotations: peoplesOwn(annotations) };
    const there = await kube.get(peerPolicies, { namespace, name }, signal);
    if (there) throw new ConnectError(`there is a PeerPolicy ${name} already`, Code.AlreadyExists);
    if (dryRun) return kube.apply(peerPolicies, { metadata, spec }, { dryRun }, signal);
    return kube.create(peerPolicies, { metadata, spec }, signal);
  }

  /** Does it on exactly what was read; anew when only the agent has written of its status in between. */
  async function onWhatWasSeen<T>(
    { name, version }: { readonly name: string; readonly version: string },
    act: (policy: PeerPolicy) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      const policy = await get(name, signal);
      if (version !== "" && versionOf(policy) !== version) throw changedMeanwhile(name);
      try {
        return await act(policy);
      } catch (error) {
        if (!isConflict(error) && !isNotFound(error)) throw error;
        if (attempt === attempts) throw changedMeanwhile(name, error);
      }
    }
  }

  async function change(
    { name, spec, labels, annotations, dryRun }: DraftedPolicy,
    before: PeerPolicy,
    signal: AbortSignal,
  ): Promise<{ policy: PeerPolicy; changed: boolean }> {
    const problems = before.problems ?? [];
    if (problems.length > 0) {
      const message = `this agent does not understand all of ${name}, and would lose that: ${problems.join("; ")}`;
      throw new ConnectError(message, Code.FailedPrecondition);
    }
    const metadata = {
      labels: mergePatchOf({ ...before.metadata.labels }, { ...labels }),
      annotations: mergePatchOf(peoplesOwn(before.metadata.annotations ?? {}), peoplesOwn(annotations)),
    };
    const patch = { metadata, spec: mergePatchOf(specJson(before.spec), specJson(spec)) };
    if (isDeepStrictEqual(patch, { metadata: { labels: {}, annotations: {} }, spec: {} })) {
      return { policy: before, changed: false };
    }
    const { uid = "", resourceVersion = "" } = before.metadata;
    const whole = { ...patch, metadata: { ...metadata, uid, resourceVersion } };
    const policy = await kube.mergePatch(peerPolicies, { namespace, name }, whole, signal, { dryRun });
    return { policy, changed: true };
  }

  return {
    get,

    async apply(draft, signal) {
      refuseElsewhere();
      const { name, spec } = draft;
      const { apiVersion, kind } = { apiVersion: "fairlead.dev/v1alpha1", kind: "PeerPolicy" };
      const { problems } = statePolicy({ apiVersion, kind, metadata: { namespace, name }, spec });
      // Half a rule would be worse than none: such a policy shuts out all peers that it is about.
      if (problems.length > 0) {
        throw new ConnectError(`${name} cannot be understood: ${problems.join("; ")}`, Code.InvalidArgument);
      }
      // News of the write may be here before its answer is.
      const before = deps.policies();
      const { policy, changed } =
        draft.version === ""
          ? { policy: await make(draft, signal), changed: true }
          : await onWhatWasSeen(draft, (seen) => change(draft, seen, signal), signal);
      return { policy, changed, effects: changed ? effects(before, name, policy) : [] };
    },

    async delete({ name, version, dryRun }, signal) {
      refuseElsewhere();
      const coming = effects(deps.policies(), name, undefined);
      await onWhatWasSeen(
        { name, version },
        async ({ metadata: { uid, resourceVersion } }) => {
          if (!dryRun) await kube.delete(peerPolicies, { namespace, name }, { uid, resourceVersion }, signal);
        },
        signal,
      );
      return coming;
    },
  };
}

/** Another one after each change of what people write of it, and the same after one of its status. */
export function versionOf({ metadata }: Pick<PeerPolicy, "metadata">): string {
  const { uid, generation, labels = {}, annotations = {} } = metadata;
  const sorted = (texts: Readonly<Record<string, string>>) => Object.entries(texts).toSorted();
  const written = JSON.stringify([uid, generation, sorted(labels), sorted(peoplesOwn(annotations))]);
  return createHash("sha256").update(written).digest("base64url").slice(0, 22);
}

function specJson(spec: PeerPolicySpec): JsonObject {
  const json = toJson(PeerPolicySpecSchema, spec);
  return isJsonObject(json) ? json : {};
}

/** ABORTED: who writes must have seen what it is now. */
function changedMeanwhile(name: string, cause?: unknown): ConnectError {
  const message = `PeerPolicy ${name} was changed by somebody else meanwhile, so nothing was done; read it again`;
  return new ConnectError(message, Code.Aborted, undefined, undefined, cause);
}
