/** What is worth telling of a new status: Events for people, and hosts' answers for the record. Pure. */
import { isDeepStrictEqual } from "node:util";
import type { Admission } from "../../gen/fairlead/resources/v1alpha1/admission_pb.ts";
import type { RemoteAppStatus } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { AtPeer } from "./at-peer.ts";
import type { Happening, HostAnswer } from "./facts.ts";

/** One Event for each change of the phase or its reason, and one for each approval. */
export function happeningsIn(before: RemoteAppStatus | undefined, after: RemoteAppStatus): Happening[] {
  const found: Happening[] = [];
  if (before?.admission?.verdict === "Held" && after.admission?.verdict === "Admitted") {
    found.push({ type: "Normal", reason: "Approved", note: approval(after, after.admission) });
  }
  if (before && before.phase === after.phase && before.reason === after.reason && !isHeldAnew(before, after))
    return found;
  const isBad = ["Degraded", "Denied", "Unknown"].includes(after.phase ?? "");
  const isLost = after.reason === "PeerUnknown" || after.reason === "NoPeer" || after.reason === "TooFewPeers";
  const type = isBad || isLost ? "Warning" : "Normal";
  return [...found, { type, reason: after.reason ?? "", note: `${after.phase}: ${after.message}` }];
}

function approval({ peer = "The host" }: RemoteAppStatus, { message, until }: Admission): string {
  return `${peer} lets it run${until ? ` until ${until}` : ""}${message ? `: ${message}` : "."}`;
}

/** An edit while it was held: what waits now is another wish. */
function isHeldAnew(before: RemoteAppStatus, after: RemoteAppStatus): boolean {
  const isNew = before.observedGeneration !== after.observedGeneration;
  return after.admission?.verdict === "Held" && before.admission?.verdict === "Held" && isNew;
}

/** What each host decided, when it is news: another verdict, other rules, or the same about another wish. */
export function answersIn(
  before: RemoteAppStatus | undefined,
  after: RemoteAppStatus,
  all: readonly AtPeer[],
): HostAnswer[] {
  return all.flatMap((at): HostAnswer[] => {
    const { admission } = at.view;
    const { verdict } = admission ?? {};
    if (verdict !== "Admitted" && verdict !== "Held" && verdict !== "Denied") return [];
    const rules = (generation: number | undefined, of: Admission | undefined): unknown[] => [
      generation,
      of?.verdict,
      ...(of?.findings.map(({ rule }) => rule) ?? []),
    ];
    const earlier = rules(at.before?.observedGeneration, at.before?.admission);
    if (before && at.before && isDeepStrictEqual(earlier, rules(after.observedGeneration, admission))) return [];
    const [first] = admission?.findings ?? [];
    const why = admission?.reasons.join("; ") || admission?.message;
    return [{ peer: at.peer, verdict, ...(first?.rule ? { rule: first.rule } : {}), ...(why ? { message: why } : {}) }];
  });
}
