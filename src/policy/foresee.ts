/** What policies would do that are not yet, or no longer, those that count. Pure. */
import type { RemoteAppSpec } from "../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { PeerPolicy } from "../kube/resources.ts";
import { admit, type Verdict } from "./admission.ts";
import { noAmounts } from "./amounts.ts";
import { demandOf } from "./demand.ts";
import { combine, type EffectivePolicy, type PolicyPeer, rank } from "./effective.ts";
import { hashSpec } from "./spec-hash.ts";
import { statePolicy } from "./stated.ts";

/** What counts otherwise for a peer than before. */
export interface PolicyEffect {
  readonly peer: string;
  /** Values as JSON text, empty where there is no bound. */
  readonly values: readonly { readonly path: string; readonly before: string; readonly after: string }[];
  /** Why policies about it cannot be understood. */
  readonly problems: readonly string[];
}

/** Of each peer for which something changes, when `after` takes the place of `before`. */
export function foreseeEffects(
  before: readonly PeerPolicy[],
  after: readonly PeerPolicy[],
  peers: readonly PolicyPeer[],
): PolicyEffect[] {
  const [was, willBe] = [chooser(before), chooser(after)];
  return peers.flatMap((peer) => {
    const [old, next] = [was(peer), willBe(peer)];
    const known = new Map(old.values.map(({ path, value }) => [path, value]));
    const names = [...new Set([...known.keys(), ...next.values.map(({ path }) => path)])];
    const following = new Map(next.values.map(({ path, value }) => [path, value]));
    const values = names
      .map((path) => ({ path, before: known.get(path) ?? "", after: following.get(path) ?? "" }))
      .filter((value) => value.before !== value.after);
    const isSame = values.length === 0 && old.problems.join() === next.problems.join();
    return isSame ? [] : [{ peer: peer.name, values, problems: next.problems }];
  });
}

/** What would be said to an app of a peer that has nothing else here. */
export function foreseeVerdict(
  app: RemoteAppSpec,
  peer: PolicyPeer & { readonly grants: readonly string[] },
  policies: readonly PeerPolicy[],
  { now, hasImageDoor }: { readonly now: number; readonly hasImageDoor: boolean },
): Verdict & { readonly policies: readonly string[] } {
  const policy = chooser(policies)(peer);
  const nothing = { apps: 0, amounts: noAmounts };
  const verdict = admit(
    { app, demand: demandOf(app, policy) },
    {
      peer: peer.name,
      grants: peer.grants,
      policy,
      usage: nothing,
      totalUsage: nothing,
      knownImages: new Set<string>(),
      hasImageDoor,
      hash: hashSpec(app),
      now,
    },
  );
  return { ...verdict, policies: policy.policies };
}

function chooser(policies: readonly PeerPolicy[]): (peer: PolicyPeer) => EffectivePolicy {
  const ranked = rank(policies.map((policy) => statePolicy(policy)));
  return (peer) => combine(ranked.filter((policy) => policy.selects(peer)));
}
