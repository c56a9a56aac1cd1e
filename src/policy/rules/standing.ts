/** Rules about who asks, whatever it asks for. */
import { missingGrant, notUnderstood } from "../grants.ts";
import type { Finding, Question } from "./question.ts";

export function mayRunApps({ context: { peer, grants } }: Question): readonly Finding[] {
  if (grants.includes("apps")) return [];
  return [{ rule: "grants/apps", field: "", message: missingGrant(peer, "apps") }];
}

export function isAccepted({ context: { peer, policy } }: Question): readonly Finding[] {
  if (policy.accept) return [];
  return [{ rule: "policy/accept", field: "", message: whyNot(peer, policy) }];
}

function whyNot(peer: string, policy: Question["context"]["policy"]): string {
  const [problem] = policy.problems;
  if (problem !== undefined) return notUnderstood(peer, problem);
  const { policies } = policy;
  if (policies.length === 0) {
    return `no PeerPolicy here is about peer ${peer}, so nothing of it runs; the operator of this cluster can make one with workloads.accept: true`;
  }
  const by = policy.values.find(({ path }) => path === "workloads.accept")?.policy;
  const who = by ? `PeerPolicy ${by} says that` : `no PeerPolicy here says workloads.accept: true, so`;
  return `${who} nothing of peer ${peer} runs; the operator of this cluster can change that (kubectl edit peerpolicy ${by || policies[0]})`;
}

/** The word of a person about this very wish stands until something of the wish changes. */
export function isDeniedByPerson({ context: { decision, hash } }: Question): readonly Finding[] {
  if (decision?.verdict !== "Denied" || decision.hash !== hash) return [];
  const why = decision.message ? `: ${decision.message}` : "";
  return [{ rule: "inbox/denied", field: "", message: `a person at this cluster denied it${why}` }];
}
