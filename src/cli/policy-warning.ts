/** Tells who grants apps to a peer, and has no policy that accepts them, that nothing will run, and what to write. */
import type { FairleadClient } from "../client/index.ts";
import type { ExplainPolicyResponse, Policy } from "../gen/fairlead/console/v1/policy_service_pb.ts";
import { editAdvice, type KubectlOptions, policyAdvice } from "./policy-advice.ts";
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
  const { namespace } = await client.agent.getInfo({}, { signal });
  const { policies } = await client.policies.listPolicies({}, { signal });
  const wrong = explained.problems.length > 0 ? policies.filter((policy) => isWrong(policy, explained)) : [];
  const refuser = explained.values.find(({ path }) => path === "workloads.accept")?.policy;
  const toEdit = wrong.length > 0 ? wrong.map(({ metadata }) => metadata?.name ?? "") : refuser ? [refuser] : [];
  if (toEdit.length > 0) {
    const lines = toEdit.map((name) => editAdvice(name, { namespace, kubectl }));
    return say(`\nTo change that:\n\n${lines.join("\n")}\n`);
  }
  const taken = policies.map(({ metadata }) => metadata?.name ?? "");
  const text = policyAdvice(explained.peer, { namespace, taken, kubectl });
  say(`\nThis lets its apps run here, without bounds; docs/policies.md has bounds:\n\n${text}`);
}

function isWrong({ metadata, status }: Policy, { policies }: ExplainPolicyResponse): boolean {
  const isValid = status?.conditions.find(({ type }) => type === "Valid")?.status !== "False";
  return !isValid && policies.includes(metadata?.name ?? "");
}

/** For a peer that will come by an invite: by the name and the labels that it will have here. */
export async function warnOfComingPeer(
  client: FairleadClient,
  coming: { readonly name: string; readonly labels: Readonly<Record<string, string>> },
  { kubectl, say }: Advice,
  signal: AbortSignal,
): Promise<void> {
  // No peer is called so: then only what is about labels, or about all, counts.
  const peer = coming.name || "-";
  const assumed = { labels: { ...coming.labels }, grants: ["apps"] };
  const explained = await client.policies.explainPolicy({ peer, assumed }, { signal });
  if (acceptsApps(explained)) return;
  if (coming.name) {
    say(`${plain(explained.summary)}\n`);
    return adviseOnPolicy(client, explained, { kubectl, say }, signal);
  }
  const { namespace } = await client.agent.getInfo({}, { signal });
  const taken = (await client.policies.listPolicies({}, { signal })).policies.map(
    ({ metadata }) => metadata?.name ?? "",
  );
  const text = policyAdvice(undefined, { namespace, taken, kubectl });
  say(
    `Nothing of the peer will run here yet: no PeerPolicy accepts it. This one accepts all peers, without bounds; docs/policies.md has bounds:\n\n${text}`,
  );
}
