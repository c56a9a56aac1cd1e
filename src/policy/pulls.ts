/** What a peer may pull through this agent. Pure. */
import type { EffectivePolicy, RegistryRule } from "./effective-policy.ts";
import { isInPlace } from "./image-pattern.ts";
import type { PulledPlace } from "./pulled-image.ts";

export type PullPermission =
  | { readonly allowed: true; readonly by: RegistryRule }
  | { readonly allowed: false; readonly rule: string; readonly message: string };

/** Whether the policy shares the place with the peer. The first rule that does says how the registry is reached. */
export function permitPull(policy: Pick<EffectivePolicy, "registries">, place: PulledPlace): PullPermission {
  const ofRegistry = policy.registries.filter(({ registry }) => registry === place.registry);
  if (ofRegistry.length === 0) {
    const message = `the origin's PeerPolicy shares no registry ${place.registry} with this peer (images.registries)`;
    return { allowed: false, rule: "images/registry", message };
  }
  const by = ofRegistry.find(
    ({ repositories }) => repositories.length === 0 || repositories.some((pattern) => isInPlace(pattern, place)),
  );
  if (by) return { allowed: true, by };
  const message = `the origin's PeerPolicy shares ${place.registry} with this peer, and not its repository ${place.repository}`;
  return { allowed: false, rule: "images/repository", message };
}
