/** How far an app is and what happened to it, for a person at a terminal: rollout, Job, containers, Events. Pure. */
import type { App } from "../gen/fairlead/console/v1/app_service_pb.ts";
import type { AppJobStatus } from "../gen/fairlead/resources/v1alpha1/app_job_pb.ts";
import type { AppContainer, AppEvent, AppPod, AppRollout } from "../gen/fairlead/resources/v1alpha1/app_pod_pb.ts";
import { type Column, formatTable, sinceOf } from "./table.ts";

/** Whether what is told of it has to name the peer. */
export function isAtSeveral({ status }: App): boolean {
  return (status?.peers.length ?? 0) > 1;
}

/** Empty when there is none. */
export function rolloutText(rollout: AppRollout | undefined, now: number): string {
  if (!rollout) return "";
  const { updated = 0, updatedReady = 0, old = 0, total = 0, paused, startedAt, deadlineAt } = rollout;
  const left = old > 0 ? `, ${old} of an earlier spec left` : "";
  const late = deadlineAt !== undefined && Date.parse(deadlineAt) <= now;
  const until = paused ? ", paused" : deadlineAt ? `, ${late ? "late since" : "until"} ${deadlineAt}` : "";
  return `${updated} of ${total} pods made anew, ${updatedReady} of them ready${left}; for ${sinceOf(startedAt, now)}${until}`;
}

/** Empty for what is neither a Job nor a CronJob. */
export function jobText(job: AppJobStatus | undefined, now: number): string {
  if (!job) return "";
  const ago = (what: string, at: string | undefined): string[] => (at ? [`${what} ${sinceOf(at, now)} ago`] : []);
  const { active = 0, succeeded = 0, failed = 0 } = job;
  return [
    `${succeeded} completed, ${active} at work, ${failed} failed`,
    ...ago("begun", job.startedAt),
    ...ago("completed", job.completedAt),
    ...ago("last begun by the clock", job.lastScheduleAt),
    ...ago("last ended well", job.lastSuccessAt),
  ].join("; ");
}

/** Of pods that have several. Empty when none has. */
export function containerTable(pods: readonly AppPod[], now: number): string {
  const rows = pods.flatMap((pod) =>
    pod.containers.length > 1 ? pod.containers.map((container) => ({ pod: podName(pod), container })) : [],
  );
  if (rows.length === 0) return "";
  const columns: Column<{ pod: string; container: AppContainer }>[] = [
    { head: "POD", cell: ({ pod }) => pod },
    { head: "CONTAINER", cell: ({ container }) => `${container.name ?? ""}${container.init ? " (before)" : ""}` },
    { head: "STATE", cell: ({ container }) => container.state ?? "" },
    { head: "READY", cell: ({ container }) => (container.ready ? "yes" : "no") },
    { head: "RESTARTS", cell: ({ container }) => String(container.restarts ?? 0) },
    { head: "LAST-END", cell: ({ container }) => lastEnd(container, now) },
    { head: "BECAUSE", cell: ({ container }) => container.reason ?? "" },
  ];
  return formatTable(columns, rows, { wide: false, head: true }).text;
}

/** With the peer before it, where there are several. */
export function podName({ name = "", peer }: AppPod): string {
  return peer ? `${peer}/${name}` : name;
}

function lastEnd({ exitCode, finishedAt }: AppContainer, now: number): string {
  if (exitCode === undefined) return "";
  return finishedAt ? `${exitCode}, ${sinceOf(finishedAt, now)} ago` : String(exitCode);
}

/** The latest first; empty when nothing happened. */
export function eventTable(events: readonly AppEvent[], now: number): string {
  if (events.length === 0) return "";
  const columns: Column<AppEvent>[] = [
    { head: "LAST", cell: ({ lastAt }) => sinceOf(lastAt, now) },
    { head: "TYPE", cell: ({ type }) => type ?? "" },
    { head: "REASON", cell: ({ reason }) => reason ?? "" },
    { head: "TIMES", cell: ({ count }) => String(count ?? 1) },
    { head: "OBJECT", cell: ({ object, peer }) => [object, peer && `at ${peer}`].filter(Boolean).join(" ") },
    { head: "MESSAGE", cell: ({ message }) => message ?? "" },
  ];
  return formatTable(columns, events, { wide: false, head: true }).text;
}
