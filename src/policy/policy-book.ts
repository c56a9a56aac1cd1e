/** The policies of this cluster as they are now, and what counts by them for each peer. */
import { isDeepStrictEqual } from "node:util";
import { create, equals } from "@bufbuild/protobuf";
import type { Clock } from "../base/clock.ts";
import { errorText } from "../base/error-text.ts";
import type { Log } from "../base/log.ts";
import { PeerPolicySpecSchema, PeerPolicyStatusSchema } from "../gen/fairlead/resources/v1alpha1/peer_policy_pb.ts";
import type { KubeClient } from "../kube/client.ts";
import { keyOf } from "../kube/object.ts";
import { createReflector } from "../kube/reflector.ts";
import { type PeerPolicy, peerPolicies } from "../kube/resources.ts";
import { createStatusWriter } from "../kube/status-writer.ts";
import { closedPolicy, combine, type EffectivePolicy, type PolicyPeer, rank } from "./effective.ts";
import type { Reading } from "./fields.ts";
import { policyStatus } from "./policy-status.ts";
import { type StatedPolicy, statePolicy } from "./stated.ts";

/** A peer that policies may select. */
export interface BookPeer {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly fingerprint: string;
}

export interface PolicyBook {
  /** What counts for a peer now; undefined when there is no such peer. Before the policies are known, nothing is allowed by it. */
  of(fingerprint: string): EffectivePolicy | undefined;
  /** What counts by the policies as they are now for a peer of this name with these labels, with all that it comes from. */
  explain(peer: PolicyPeer): EffectivePolicy;
  /** By name. */
  list(): PeerPolicy[];
  /** Tells whose policy really changed, each time it did. Returns what ends it. */
  subscribe(fn: (fingerprint: string) => void): () => void;
  /** Each PeerPolicy, by "namespace/name", at once and after each change of it; undefined: it is gone. Returns what ends it. */
  subscribeToEach(listener: (key: string, policy: PeerPolicy | undefined) => void): () => void;
  /** Resolves when the policies are known; rejects when the signal aborts or the book closes before. */
  synced(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

export interface PolicyBookDeps {
  client: Pick<KubeClient, "list" | "watch" | "applyStatus" | "get">;
  /** Where the PeerPolicies are: the agent's own namespace. */
  namespace: string;
  /** How policies are read; as in a cluster unless given. */
  reading?: Reading | undefined;
  peers: { list(): readonly BookPeer[]; subscribe(fn: (fingerprint: string) => void): () => void };
  clock: Clock;
  log: Log;
}

/** Starts at once. A failed read changes nothing: what was known counts until the API server says otherwise. */
export function createPolicyBook(deps: PolicyBookDeps): PolicyBook {
  const { client, namespace, peers, clock } = deps;
  const log = deps.log.child({ room: "policy" });
  const reflector = createReflector<PeerPolicy>({ client, kind: peerPolicies, namespace, clock, log });
  const writer = createStatusWriter({ client, kind: peerPolicies, clock, log });
  const listeners = new Set<(fingerprint: string) => void>();
  /** By key; each policy is understood once, when it comes. */
  const stated = new Map<string, StatedPolicy>();
  /** By fingerprint; bounded by the roster. */
  let effective = new Map<string, EffectivePolicy>();
  const changed = new Set<string>();
  /** Policies whose status this agent has stated; until then the stored one may be right as it is. */
  const told = new Set<string>();
  const closing = new AbortController();
  let isStale = true;
  let isFlushing = false;

  /** Many changes of one turn are one. */
  function touch(): void {
    isStale = true;
    if (isFlushing || closing.signal.aborted) return;
    isFlushing = true;
    queueMicrotask(() => {
      isFlushing = false;
      if (closing.signal.aborted) return;
      refresh();
      writeStatuses();
      tell();
    });
  }

  function refresh(): void {
    if (!isStale) return;
    isStale = false;
    const policyOf = reflector.isSynced ? chooser([...stated.values()]) : () => notYetKnown;
    const difference = comparer();
    const now = new Map<string, EffectivePolicy>();
    for (const peer of peers.list()) {
      const before = effective.get(peer.fingerprint);
      const policy = policyOf(peer);
      const differs = before ? difference(before, policy) : "effect";
      now.set(peer.fingerprint, before && differs === "nothing" ? before : policy);
      if (differs === "effect") changed.add(peer.fingerprint);
    }
    for (const fingerprint of effective.keys()) if (!now.has(fingerprint)) changed.add(fingerprint);
    effective = now;
  }

  function tell(): void {
    const news = [...changed];
    changed.clear();
    for (const fingerprint of news) {
      for (const listener of [...listeners]) {
        try {
          listener(fingerprint);
        } catch (error) {
          // One listener's defect must not keep the news from the others.
          log.error({ err: error, fingerprint }, "a listener failed");
        }
      }
    }
  }

  function writeStatuses(): void {
    if (!reflector.isSynced) return;
    const all = peers.list();
    for (const policy of reflector.list()) {
      const known = stated.get(keyOf(policy));
      if (!known) continue;
      const selected = all.filter((peer) => known.selects(peer));
      const found = { peers: selected.map(({ name }) => name), problems: known.problems };
      const status = policyStatus(policy, found, clock.now());
      const key = keyOf(policy);
      if (!told.has(key) && policy.status && equals(PeerPolicyStatusSchema, policy.status, status)) continue;
      told.add(key);
      writer.write({ metadata: policy.metadata, status });
    }
  }

  /** A policy that is left out would be a rule less; so one that breaks this very code closes everything too. */
  function understand(policy: PeerPolicy): StatedPolicy {
    try {
      return statePolicy(policy, deps.reading);
    } catch (error) {
      log.error({ err: error, policy: policy.metadata.name }, "a policy could not be read");
      const problems = [`spec: ${errorText(error)}`];
      return statePolicy({ ...policy, spec: create(PeerPolicySpecSchema), problems });
    }
  }

  const stopPolicies = reflector.subscribe((key, policy) => {
    if (policy) stated.set(key, understand(policy));
    else {
      stated.delete(key);
      told.delete(key);
      writer.forget(key);
    }
    touch();
  });
  const stopPeers = peers.subscribe(touch);
  // A cluster without any policy has no news to tell but that.
  reflector.synced(closing.signal).then(touch, () => undefined);

  return {
    of(fingerprint) {
      refresh();
      return effective.get(fingerprint);
    },
    explain: (peer) => combine(rank([...stated.values()]).filter((policy) => policy.selects(peer))),
    list: () => reflector.list().sort((a, b) => ((a.metadata.name ?? "") < (b.metadata.name ?? "") ? -1 : 1)),
    subscribe(fn) {
      listeners.add(fn);
      return () => listeners.delete(fn);
    },
    subscribeToEach: (listener) => reflector.subscribe(listener),
    synced: (signal) => reflector.synced(signal),
    async close() {
      closing.abort(new Error("The book of policies is closed."));
      stopPolicies();
      stopPeers();
      listeners.clear();
      await Promise.all([reflector.close(), writer.close()]);
    },
  };
}

/** Peers that the same policies select share what counts for them, so that many peers cost little more than few. */
function chooser(policies: readonly StatedPolicy[]): (peer: BookPeer) => EffectivePolicy {
  const ranked = rank(policies);
  const made = new Map<string, EffectivePolicy>();
  return (peer) => {
    const selecting = ranked.filter((policy) => policy.selects(peer));
    const key = JSON.stringify(selecting.map(({ name }) => name));
    const policy = made.get(key) ?? combine(selecting);
    made.set(key, policy);
    return policy;
  };
}

/** In what one differs from another: in what is allowed, or only in where it comes from. */
type Difference = "nothing" | "source" | "effect";

/** Compares two policies once, however many peers have them. */
function comparer(): (a: EffectivePolicy, b: EffectivePolicy) => Difference {
  const known = new Map<EffectivePolicy, Map<EffectivePolicy, Difference>>();
  return (a, b) => {
    const answers = known.get(a) ?? new Map<EffectivePolicy, Difference>();
    const difference = answers.get(b) ?? differenceOf(a, b);
    known.set(a, answers.set(b, difference));
    return difference;
  };
}

function differenceOf(a: EffectivePolicy, b: EffectivePolicy): Difference {
  if (isDeepStrictEqual(a, b)) return "nothing";
  const effect = (policy: EffectivePolicy) => ({ ...policy, values: [], policies: [] });
  return isDeepStrictEqual(effect(a), effect(b)) ? "source" : "effect";
}

const notYetKnown = closedPolicy("the policies of this cluster are not known yet; its API server has not told them");
