/** A Workload's status, and what of it its origin is told. Pure. */
import { create, toJsonString } from "@bufbuild/protobuf";
import type { AppEvent } from "../../gen/fairlead/resources/v1alpha1/app_pod_pb.ts";
import { RemoteAppStatusSchema } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { type WorkloadStatus, WorkloadStatusSchema } from "../../gen/fairlead/resources/v1alpha1/workload_pb.ts";
import type { Workload } from "../../kube/resources.ts";
import { conditionsFrom, type Finding } from "../conditions.ts";
import { annotations, selectorOf } from "./names.ts";
import type { Readiness } from "./readiness.ts";
import type { Standing } from "./standing.ts";
import { admissionOf, admissionWord, conformity, sentence, stopped, verdictWord, type Word } from "./verdict-words.ts";

/** Why the agent itself cannot do its part, or must not. */
export interface Obstacle {
  /** Degraded unless given. */
  readonly phase?: string;
  readonly reason: string;
  readonly message: string;
  /** It may pass by itself: to be tried again after so many milliseconds, and seldom unless it says. */
  readonly againMs?: number;
}

/** The reason of an obstacle: who asked for the app is no peer of this agent. */
export const noPeer = "NoPeer";

export interface Look {
  /** What runs, by its pods. */
  readonly seen: Readiness;
  readonly obstacle: Obstacle | undefined;
  /** What happened to it lately, the latest first. */
  readonly events: readonly AppEvent[];
  /** Undefined while it is not judged: it is being deleted. */
  readonly standing: Standing | undefined;
  /** Of a workload with a lease: until when it lasts at least. */
  readonly leaseUntil?: string | undefined;
  /** The status that was known last, for the times in it, and whether it was about what is asked for now. */
  readonly before: WorkloadStatus | undefined;
  readonly isSameWish: boolean;
}

/** `now` is wall time. */
export function statusOf(workload: Workload, look: Look, now: number): WorkloadStatus {
  const { seen, standing, before, isSameWish } = look;
  const generation = workload.metadata.generation ?? 0;
  const orphanedSince = workload.metadata.annotations?.[annotations.orphanedSince];
  const admission = standing
    ? admissionOf(standing, { admission: before?.admission, isSameWish }, now)
    : before?.admission;
  return create(WorkloadStatusSchema, {
    observedGeneration: generation,
    ...wordOf(workload, look),
    replicas: seen.replicas,
    readyReplicas: seen.readyReplicas,
    updatedReplicas: seen.updatedReplicas,
    availableReplicas: seen.availableReplicas,
    selector: Object.entries(selectorOf(workload))
      .map(([label, value]) => `${label}=${value}`)
      .join(","),
    pods: [...seen.pods],
    ...(seen.rollout ? { rollout: seen.rollout } : {}),
    ...(seen.job ? { job: seen.job } : {}),
    events: [...look.events],
    conditions: conditionsFrom(findings(workload, look), before?.conditions ?? [], { generation, now }),
    ...(admission ? { admission } : {}),
    ...(orphanedSince ? { orphanedSince } : {}),
    ...(look.leaseUntil ? { leaseUntil: look.leaseUntil } : {}),
  });
}

/** Whether the agent that wrote this status had stopped what was admitted. */
export function isStoppedBy(status: WorkloadStatus | undefined): boolean {
  return status?.conditions.some(({ type, reason }) => type === "Conforms" && reason === stopped) ?? false;
}

function wordOf(workload: Workload, { seen, obstacle, standing }: Look): Word {
  if (workload.metadata.deletionTimestamp) {
    return { phase: "Deleting", reason: "Deleting", message: "The app and all that belongs to it are being deleted." };
  }
  if (workload.metadata.annotations?.[annotations.orphanedSince]) {
    const message = "Its origin no longer knows this app. It runs on until somebody adopts it there or deletes it.";
    return { phase: "Orphaned", reason: "UnknownToOrigin", message };
  }
  if (obstacle) return { phase: "Degraded", reason: obstacle.reason, message: obstacle.message };
  return (standing && admissionWord(standing)) ?? { phase: seen.phase, reason: seen.reason, message: seen.message };
}

function findings(workload: Workload, look: Look): Finding[] {
  const { seen, obstacle, standing } = look;
  const { reason, message } = wordOf(workload, look);
  const isAsWished = !obstacle && standing !== undefined && admissionWord(standing) === undefined;
  const ready = isAsWished && seen.phase === "Ready";
  const moving = isAsWished && (seen.phase === "Progressing" || seen.phase === "Pending");
  return [
    ...(standing ? [admitted(standing)] : []),
    ...(standing ? conformity(standing) : []),
    { type: "Ready", status: ready ? "True" : "False", reason, message },
    { type: "Progressing", status: moving ? "True" : "False", reason, message },
  ];
}

function admitted(standing: Standing): Finding {
  const verdict = verdictWord(standing);
  if (verdict === "Admitted") return { type: "Admitted", status: "True", reason: verdict, message: "" };
  const message = sentence(standing.verdict.findings);
  return { type: "Admitted", status: verdict === "Held" ? "Unknown" : "False", reason: verdict, message };
}

/**
 * As the origin hears it: its own RemoteApp's status, as JSON text, with what only the host can say. A status that is about
 * an earlier spec tells the pods and no more.
 */
export function statusForOrigin(workload: Workload, said: WorkloadStatus | undefined): string {
  // Who hears it is a peer, so that was before they paired, and the app is about to be looked at anew.
  const status = said?.reason === noPeer ? undefined : said;
  const isCurrent = status !== undefined && (status.observedGeneration ?? 0) >= (workload.metadata.generation ?? 0);
  // One that waits for a decision or was refused goes on so until it is judged anew, which takes no time to speak of.
  const isStill = status?.phase === "Held" || status?.phase === "Denied";
  const word =
    isCurrent || isStill
      ? { phase: status.phase ?? "", reason: status.reason ?? "", message: status.message ?? "" }
      : status
        ? { phase: "Progressing", reason: "RollingOut", message: "The host took the change." }
        : { phase: "Pending", reason: "Accepted", message: "The host took the app." };
  return toJsonString(
    RemoteAppStatusSchema,
    create(RemoteAppStatusSchema, {
      ...word,
      hostNamespace: workload.metadata.namespace ?? "",
      replicas: status?.replicas ?? 0,
      readyReplicas: status?.readyReplicas ?? 0,
      updatedReplicas: status?.updatedReplicas ?? 0,
      availableReplicas: status?.availableReplicas ?? 0,
      pods: status?.pods ?? [],
      events: status?.events ?? [],
      ...(isCurrent && status.rollout ? { rollout: status.rollout } : {}),
      ...(status?.job ? { job: status.job } : {}),
      ...(status?.selector ? { selector: status.selector } : {}),
      ...(status?.admission ? { admission: status.admission } : {}),
    }),
  );
}
