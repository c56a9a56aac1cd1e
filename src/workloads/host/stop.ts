/**
 * Stops what runs of a Workload that may not go on, where nothing can be made of it: its namespace is not its peer's any more, or this
 * agent does not understand all of it. Only what goes with the Workload is touched.
 */
import type { KubeClient } from "../../kube/client.ts";
import { type JsonObject, refOf } from "../../kube/object.ts";
import { cronJobs, deployments, jobs, statefulSets, type Workload } from "../../kube/resources.ts";
import { controllerOf, isOf, jobsOf } from "./controller.ts";
import type { Room } from "./room.ts";

export async function stop(
  client: Pick<KubeClient, "mergePatch">,
  workload: Workload,
  room: Room,
  signal: AbortSignal,
): Promise<void> {
  const found = controllerOf(workload, room);
  if (found && isOf(workload, found.object)) {
    const { metadata } = found.object;
    const write = (spec: JsonObject): JsonObject => ({ metadata: { uid: metadata.uid ?? "" }, spec });
    const ref = refOf(found.object);
    if (found.kind === "Deployment" && found.object.spec?.replicas !== 0)
      await client.mergePatch(deployments, ref, write({ replicas: 0 }), signal);
    if (found.kind === "StatefulSet" && found.object.spec?.replicas !== 0)
      await client.mergePatch(statefulSets, ref, write({ replicas: 0 }), signal);
    if (found.kind === "CronJob" && found.object.spec?.suspend !== true)
      await client.mergePatch(cronJobs, ref, write({ suspend: true }), signal);
  }
  const owners = new Set([workload.metadata.uid, ...(found?.kind === "CronJob" ? [found.object.metadata.uid] : [])]);
  for (const job of jobsOf(workload, room)) {
    const { ownerReferences = [], uid = "" } = job.metadata;
    const isOurs = ownerReferences.some((owner) => owners.has(owner.uid));
    if (!isOurs || job.spec?.suspend === true || hasEnded(job.status?.conditions ?? [])) continue;
    await client.mergePatch(jobs, refOf(job), { metadata: { uid }, spec: { suspend: true } }, signal);
  }
}

function hasEnded(conditions: readonly { type?: string; status?: string }[]): boolean {
  return conditions.some(({ type, status }) => (type === "Complete" || type === "Failed") && status === "True");
}
