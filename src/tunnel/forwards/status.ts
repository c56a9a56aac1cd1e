/** What a Forward's status says. Pure. */
import { create } from "@bufbuild/protobuf";
import { ConditionSchema } from "../../gen/fairlead/resources/v1alpha1/condition_pb.ts";
import { type ForwardStatus, ForwardStatusSchema } from "../../gen/fairlead/resources/v1alpha1/forward_pb.ts";
import type { Forward } from "../../kube/resources.ts";
import { timeText } from "../../kube/time.ts";
import type { Fare } from "./traffic.ts";

/** How it stands with a Forward. */
export interface Standing {
  /** Why it cannot be carried out as it is written; undefined when it can. */
  readonly invalid?: string | undefined;
  /** Why it is not ready: one CamelCase word, and a sentence with what to do; undefined when it is. */
  readonly waiting?: { readonly reason: string; readonly message: string } | undefined;
  /** The Service, once it is there. */
  readonly service?: string | undefined;
  readonly clusterIp?: string | undefined;
  /** How the latest connection fared. */
  readonly fare?: Fare | undefined;
}

interface Finding {
  readonly type: string;
  readonly status: "True" | "False" | "Unknown";
  readonly reason: string;
  readonly message: string;
}

export function statusOf(
  forward: Forward,
  standing: Standing,
  before: ForwardStatus | undefined,
  now: number,
): ForwardStatus {
  const { generation = 0 } = forward.metadata;
  const { invalid, waiting, service, clusterIp, fare } = standing;
  const conditions = findingsOf(standing, forward.spec.direction === "Reverse").map((finding) => {
    const known = before?.conditions.find(({ type }) => type === finding.type);
    const since = known?.status === finding.status ? known.lastTransitionTime : undefined;
    return create(ConditionSchema, {
      ...finding,
      observedGeneration: generation,
      lastTransitionTime: since ?? timeText(now),
    });
  });
  const phase = invalid !== undefined ? "Invalid" : waiting ? "Waiting" : "Ready";
  const refused = fare && !fare.ok ? `The latest connection was not taken: ${fare.message}` : "";
  return create(ForwardStatusSchema, {
    observedGeneration: generation,
    phase,
    message: invalid ?? waiting?.message ?? refused,
    conditions,
    ...(service !== undefined && { service }),
    ...(clusterIp !== undefined && { clusterIp }),
  });
}

function findingsOf({ invalid, waiting, fare }: Standing, isOffer: boolean): Finding[] {
  if (invalid !== undefined) {
    return [
      { type: "Accepted", status: "False", reason: "Invalid", message: invalid },
      { type: "Ready", status: "False", reason: "Invalid", message: invalid },
    ];
  }
  const accepted: Finding = { type: "Accepted", status: "True", reason: "Accepted", message: "" };
  const ready: Finding = waiting
    ? { type: "Ready", status: "False", ...waiting }
    : { type: "Ready", status: "True", reason: "Ready", message: "" };
  // Of an offer only the other end knows who connects.
  return isOffer ? [accepted, ready] : [accepted, ready, reachedOf(fare)];
}

function reachedOf(fare: Fare | undefined): Finding {
  if (!fare) return { type: "Reached", status: "Unknown", reason: "NotTried", message: "Nobody has connected yet." };
  if (fare.ok) return { type: "Reached", status: "True", reason: "Reached", message: "" };
  return { type: "Reached", status: "False", reason: reasonOf[fare.failure], message: fare.message };
}

const reasonOf = {
  "not-found": "NotFound",
  denied: "Denied",
  "not-ready": "NotReady",
  away: "PeerAway",
  overloaded: "Overloaded",
  limited: "Overloaded",
  timeout: "TimedOut",
  broken: "Broken",
  cancelled: "Cancelled",
} as const;

/** What became of it since, for an Event; undefined when nothing that somebody has to know. */
export function happeningOf(
  before: ForwardStatus | undefined,
  after: ForwardStatus,
): { type: "Normal" | "Warning"; reason: string; note: string } | undefined {
  const ready = changeOf("Ready", before, after);
  if (ready?.status === "True") {
    const where = after.clusterIp ? ` at ${after.clusterIp}` : "";
    return { type: "Normal", reason: "Ready", note: `The Service ${after.service}${where} leads there.` };
  }
  if (ready) return { type: "Warning", reason: ready.reason ?? "", note: ready.message ?? "" };
  const reached = changeOf("Reached", before, after);
  if (reached?.status !== "False") return undefined;
  return { type: "Warning", reason: "NotReached", note: `${reached.reason}: ${reached.message}` };
}

/** The condition as it is, if it was another before. */
function changeOf(type: string, before: ForwardStatus | undefined, after: ForwardStatus) {
  const was = before?.conditions.find((one) => one.type === type);
  const is = after.conditions.find((one) => one.type === type);
  return was?.status === is?.status && was?.reason === is?.reason ? undefined : is;
}
