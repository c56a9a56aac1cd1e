/**
 * Whether an app that a peer asks for may run here. Pure: the same request under the same rules gets the same answer. Each
 * rule looks at the whole and speaks for itself, so that an answer names everything that is wrong at once.
 */
import { demandOf } from "./demand.ts";
import { mustBeApproved } from "./rules/approval.ts";
import { areImagesAllowed, areImagesDenied, areImagesPinned, areImagesReferences } from "./rules/images.ts";
import { areKeysAllowed } from "./rules/keys.ts";
import { areAmountsRead, areResourcesAllowed, doesPodFit, doLimitsCoverRequests, isPodStated } from "./rules/pod.ts";
import { mayPullThrough } from "./rules/pull-through.ts";
import type { AdmissionContext, AdmissionRequest, Finding, Question, Rule } from "./rules/question.ts";
import { areAppsFew, areJobsBounded, areReplicasFew, isWithinQuota, isWithinTotal } from "./rules/quota.ts";
import { areNodePortsLeft, areVolumesOwn, doMountsStay, doProbesStay } from "./rules/reach.ts";
import { areNodesAllowed, arePodsSpreadAsAllowed, areTaintsAllowed } from "./rules/scheduling.ts";
import { isPodSecure } from "./rules/security.ts";
import { isAccepted, isDeniedByPerson, mayRunApps } from "./rules/standing.ts";
import { areClaimsAllowed } from "./rules/storage.ts";
import { shorten } from "./shorten.ts";

export type { AdmissionContext, AdmissionRequest, Finding, RunningApp } from "./rules/question.ts";

/** `findings` names every rule that spoke, and is empty exactly when the verdict is "admit". */
export interface Verdict {
  readonly decision: "admit" | "hold" | "deny";
  readonly findings: readonly Finding[];
  /** When the passing of time alone changes it, in milliseconds since 1970. */
  readonly until?: number;
  /** What a person here had to say. */
  readonly message?: string;
}

/** What is in the way whatever a person says; in the order in which the answer names them. */
const denials: readonly Rule[] = [
  mayRunApps,
  isAccepted,
  isDeniedByPerson,
  areImagesReferences,
  areImagesDenied,
  areImagesAllowed,
  areImagesPinned,
  mayPullThrough,
  isPodSecure,
  areNodePortsLeft,
  doProbesStay,
  areVolumesOwn,
  doMountsStay,
  areNodesAllowed,
  areTaintsAllowed,
  arePodsSpreadAsAllowed,
  areKeysAllowed,
  areAmountsRead,
  isPodStated,
  areResourcesAllowed,
  doLimitsCoverRequests,
  doesPodFit,
  areReplicasFew,
  areJobsBounded,
  areAppsFew,
  isWithinQuota,
  isWithinTotal,
  areClaimsAllowed,
];

/** As many as an answer may hold. */
const mostFindings = 64;
/** Of a text in a finding; twice as many of its message. */
const mostChars = 512;

export function admit(request: AdmissionRequest, context: AdmissionContext): Verdict {
  const question = questionOf(request, context);
  const denied = denials.flatMap((rule) => rule(question));
  const held = mustBeApproved(question);
  const word = context.decision?.hash === context.hash ? context.decision : undefined;
  // A denial has no end: whoever was asked has answered.
  const isAnswered =
    word !== undefined && (word.verdict === "Denied" || (word.until ?? Number.POSITIVE_INFINITY) > context.now);
  const open = isAnswered ? [] : held;
  const said = word?.message ? { message: word.message } : {};
  if (denied.length > 0) {
    return { decision: "deny", findings: bounded([...denied, ...open]), ...(word?.verdict === "Denied" ? said : {}) };
  }
  if (open.length > 0) return { decision: "hold", findings: bounded(open) };
  // An approval that was not needed changes nothing, nor does its end.
  if (held.length === 0) return { decision: "admit", findings: [] };
  return { decision: "admit", findings: [], ...(word?.until === undefined ? {} : { until: word.until }), ...said };
}

function questionOf(request: AdmissionRequest, context: AdmissionContext): Question {
  const { running, policy } = context;
  return {
    ...request,
    context,
    runningDemand: running && demandOf(running.app, policy),
    isUnchanged: running?.hash === context.hash,
  };
}

/** Names and values in it are the peer's. */
function bounded(findings: readonly Finding[]): readonly Finding[] {
  return findings.slice(0, mostFindings).map(({ rule, field, message, asked, allowed }) => ({
    rule: shorten(rule, mostChars),
    field: shorten(field, mostChars),
    message: shorten(message, 2 * mostChars),
    ...(asked === undefined ? {} : { asked: shorten(asked, mostChars) }),
    ...(allowed === undefined ? {} : { allowed: shorten(allowed, mostChars) }),
  }));
}
