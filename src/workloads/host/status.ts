/** A Workload's status, and what of it its origin is told. Pure. */
import { create, toJsonString } from "@bufbuild/protobuf";
import { RemoteAppStatusSchema } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { type WorkloadStatus, WorkloadStatusSchema } from "../../gen/fairlead/resources/v1alpha1/workload_pb.ts";
import type { Workload } from "../../kube/resources.ts";
import { timeText } from "../../kube/time.ts";
import { conditionsFrom, type Finding } from "../conditions.ts";
import { selectorOf } from "./manifests.ts";
import { annotations } from "./names.ts";
import type { Readiness } from "./readiness.ts";

/** Why the agent itself cannot do its part. */
export interface Obstacle {
  readonly reason: string;
  readonly message: string;
}

/** `before` is the status that was last known, for the times in it. `now` is wall time. */
export function statusOf(
  workload: Workload,
  before: WorkloadStatus | undefined,
  seen: Readiness,
  obstacle: Obstacle | undefined,
  now: number,
): WorkloadStatus {
  const word = phaseOf(workload, seen, obstacle);
  const generation = workload.metadata.generation ?? 0;
  const orphanedSince = workload.metadata.annotations?.[annotations.orphanedSince];
  return create(WorkloadStatusSchema, {
    observedGeneration: generation,
    ...word,
    replicas: seen.replicas,
    readyReplicas: seen.readyReplicas,
    updatedReplicas: seen.updatedReplicas,
    availableReplicas: seen.availableReplicas,
    selector: Object.entries(selectorOf(workload))
      .map(([label, value]) => `${label}=${value}`)
      .join(","),
    pods: [...seen.pods],
    conditions: conditionsFrom(findings(seen, obstacle), before?.conditions ?? [], { generation, now }),
    admission: {
      verdict: "Admitted",
      decidedAt: before?.admission?.decidedAt ?? workload.metadata.creationTimestamp ?? timeText(now),
    },
    ...(orphanedSince ? { orphanedSince } : {}),
  });
}

type Word = { phase: string; reason: string; message: string };

function phaseOf(workload: Workload, seen: Readiness, obstacle: Obstacle | undefined): Word {
  if (workload.metadata.deletionTimestamp) {
    return { phase: "Deleting", reason: "Deleting", message: "The app and all that belongs to it are being deleted." };
  }
  if (workload.metadata.annotations?.[annotations.orphanedSince]) {
    const message = "Its origin no longer knows this app. It runs on until somebody adopts it there or deletes it.";
    return { phase: "Orphaned", reason: "UnknownToOrigin", message };
  }
  if (obstacle) return { phase: "Degraded", ...obstacle };
  return { phase: seen.phase, reason: seen.reason, message: seen.message };
}

function findings(seen: Readiness, obstacle: Obstacle | undefined): Finding[] {
  const { reason, message } = obstacle ?? seen;
  const ready = !obstacle && seen.phase === "Ready";
  const moving = !obstacle && (seen.phase === "Progressing" || seen.phase === "Pending");
  return [
    { type: "Admitted", status: "True", reason: "Admitted", message: "" },
    { type: "Ready", status: ready ? "True" : "False", reason, message },
    { type: "Progressing", status: moving ? "True" : "False", reason, message },
  ];
}

/**
 * As the origin hears it: its own RemoteApp's status, as JSON text, with what only the host can say. A status that is about
 * an earlier spec tells the pods and no more.
 */
export function statusForOrigin(workload: Workload, status: WorkloadStatus | undefined): string {
  const isCurrent = status !== undefined && (status.observedGeneration ?? 0) >= (workload.metadata.generation ?? 0);
  const word = isCurrent
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
      ...(status?.selector ? { selector: status.selector } : {}),
    }),
  );
}
