/** Tells who grants apps to a peer, and has no policy that accepts them, that nothing will run, and what to write. */
import type { FairleadClient } from "../client/index.ts";
import type { ExplainPolicyResponse, Policy } from "../gen/fairlead/console/v1/policy_service_pb.ts";
import type { PeerPolicy } from "../kube/resources.ts";
import { effectivePolicy } from "../policy/effective.ts";
import { type KubectlOptions, policyAdvice } from "./policy-advice.ts";
import { acceptsApps } from "./policy-view.ts";
import { plain } from "./table.ts";

interface Advice {
  readonly kubectl: KubectlOptions;
  /** Writes to the person; nothing of it is the command's result. */
  say(text: string): void;
}

/** For a peer that there is: says nothing when it was not granted apps, or when they are accepted. */
export async function warnOfPolicy(
  client: FairleadClient,
  peer: string,
  advice: Advice,
  signal: AbortSignal,
): Promise<void> {
  const explained = await client.policies.explainPolicy({ peer }, { signal });
  if (acceptsApps(explained) || !explained.grants.some(({ name }) => name === "apps")) return;
  advice.say(`${plain(explained.summary)}\n`);
  await adviseOnPolicy(client, explained, advice, signal);
}

/** What to write, where a PeerPolicy more is what is missing. */
export async function adviseOnPolicy(
  client: FairleadClient,
  explained: ExplainPolicyResponse,
  { kubectl, say }: Advice,
  signal: AbortSignal,
): Promise<void> {
  if (acceptsApps(explained)) return;
  if (explained.problems.length > 0) return say("\nSee: fairlead policy list, kubectl describe peerpolicy NAME\n");
  const refuser = explained.values.find(({ path }) => path === "workloads.accept")?.policy;
  const { namespace } = await client.agent.getInfo({}, { signal });
  if (refuser) return say(`\nTo change that: kubectl -n ${namespace} edit peerpolicy ${refuser}\n`);
  const { policies } = await client.policies.listPolicies({}, { signal });
  const taken = policies.map(({ metadata }) => metadata?.name ?? "");
  const text = policyAdvice(explained.peer, { namespace, taken, kubectl });
  say(`\nThis lets its apps run here, without bounds; docs/policies.md has bounds:\n\n${text}`);
}

/** For a peer that will come by an invite: by the name and the labels that it will have here. */
export async function warnOfComingPeer(
  client: FairleadClient,
  coming: { readonly name: string; readonly labels: Readonly<Record<string, string>> },
  { kubectl, say }: Advice,
  signal: AbortSignal,
): Promise<void> {
  const { policies } = await client.policies.listPolicies({}, { signal });
  const { accept, problems } = effectivePolicy(policies.flatMap(asResource), coming);
  if (accept) return;
  const who = coming.name || "the peer";
  if (problems.length > 0) {
    return say(`Nothing of ${who} will run here: a policy about it cannot be understood. See: fairlead policy list\n`);
  }
  const { namespace } = await client.agent.getInfo({}, { signal });
  const taken = policies.map(({ metadata }) => metadata?.name ?? "");
  const text = policyAdvice(coming.name || undefined, { namespace, taken, kubectl });
  say(
    `Nothing of ${who} will run here yet: no PeerPolicy accepts it. This one does, without bounds; docs/policies.md has bounds:\n\n${text}\n`,
  );
}

/** As the agent reads it from its cluster. */
function asResource({ metadata, spec }: Policy): PeerPolicy[] {
  if (!metadata || !spec) return [];
  const { name, namespace, createdAt } = metadata;
  const meta = { name, namespace, creationTimestamp: createdAt };
  return [{ apiVersion: "fairlead.dev/v1alpha1", kind: "PeerPolicy", metadata: meta, spec }];
}
