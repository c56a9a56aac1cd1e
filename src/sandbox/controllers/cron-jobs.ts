/** CronJobs: a Job for the latest time that was due, beside the one before it, instead of it or not at all. */
import { timestamp } from "../object.ts";
import { type Resource, storeKey } from "../resource.ts";
import { builtin, type Controller, type ControllerDeps, splitKey, startController, withOwned } from "./controller.ts";
import { isOver } from "./job-progress.ts";
import { parseSchedule } from "./schedule.ts";
import { type CronJob, controllerReference, isCronJob, isJob, type Job } from "./shapes.ts";

const component = "cronjob-controller";
const manager = { manager: component };
/** So many missed times are looked at, as Kubernetes does it; of more only the latest counts. */
const longestLookback = 100;

export function startCronJobController(deps: ControllerDeps): Controller {
  const cronJobs = builtin(deps.registry, "batch", "cronjobs");
  const jobs = builtin(deps.registry, "batch", "jobs");
  const { store } = deps.registry;
  return startController(deps, {
    name: "cronjobs",
    watched: withOwned("CronJob", cronJobs, jobs),
    async reconcile(key) {
      const { namespace, name } = splitKey(key);
      const cron = store.get(storeKey(cronJobs), namespace, name);
      if (!cron || !isCronJob(cron) || cron.metadata.deletionTimestamp) return;
      const owned = (): Job[] => store.controlledBy(storeKey(jobs), cron.metadata.uid).filter(isJob);
      const now = deps.clock.now();
      const due = cron.spec.suspend ? undefined : dueAt(cron, now);
      const isTaken = due !== undefined && start(deps, jobs, cron, due, owned());
      forget(deps, jobs, cron, owned());
      const all = owned();
      const active = all.filter((job) => !isOver(job.status));
      const done = all.map(({ status }) => status?.completionTime).filter((at) => at !== undefined);
      const last = [...done, cron.status?.lastSuccessfulTime ?? ""].sort().at(-1);
      const lastScheduleTime = isTaken ? timestamp(due) : cron.status?.lastScheduleTime;
      const status = {
        ...(active.length > 0 ? { active: active.map(reference) } : {}),
        ...(lastScheduleTime ? { lastScheduleTime } : {}),
        ...(last ? { lastSuccessfulTime: last } : {}),
      };
      deps.registry.update(cronJobs, namespace, name, (live) => ({ ...live, status }), {
        ...manager,
        subresource: "status",
      });
      const next = cron.spec.suspend ? undefined : parseSchedule(cron.spec.schedule, cron.spec.timeZone).next(now);
      return next === undefined ? undefined : { againMs: next - now };
    },
  });
}

/** The latest time that has come and was not served yet; undefined when there is none, or when it is too late for it. */
function dueAt({ metadata, spec, status }: CronJob, nowMs: number): number | undefined {
  const schedule = parseSchedule(spec.schedule, spec.timeZone);
  let latest: number | undefined;
  let at = Date.parse(status?.lastScheduleTime ?? metadata.creationTimestamp);
  for (let looked = 0; ; looked++) {
    // Of a long absence only the end is looked at.
    if (looked === longestLookback) at = Math.max(at, nowMs - 60 * 60_000);
    const next = schedule.next(at);
    if (next === undefined || next > nowMs) break;
    latest = at = next;
  }
  const deadline = spec.startingDeadlineSeconds;
  return latest !== undefined && deadline !== undefined && nowMs - latest > deadline * 1000 ? undefined : latest;
}

/** Whether this time is served: a Job was started for it, or had been. With Forbid it waits for the one before. */
function start(deps: ControllerDeps, jobs: Resource, cron: CronJob, dueMs: number, owned: readonly Job[]): boolean {
  const { namespace, name } = cron.metadata;
  const active = owned.filter((job) => !isOver(job.status));
  if (active.length > 0 && cron.spec.concurrencyPolicy === "Forbid") return false;
  if (cron.spec.concurrencyPolicy === "Replace") for (const job of active) remove(deps, jobs, job);
  const jobName = `${name}-${Math.floor(dueMs / 60_000)}`;
  if (deps.registry.store.get(storeKey(jobs), namespace, jobName)) return true;
  const { metadata, spec } = cron.spec.jobTemplate;
  const annotations = {
    ...metadata?.annotations,
    "batch.kubernetes.io/cronjob-scheduled-timestamp": timestamp(dueMs),
  };
  const ownerReferences = [controllerReference(cron)];
  deps.registry.create(
    jobs,
    namespace,
    { metadata: { ...metadata, name: jobName, annotations, ownerReferences }, spec },
    manager,
  );
  deps.events.write(cron, "Normal", "SuccessfulCreate", `Created job ${jobName}`, component);
  return true;
}

/** Keeps as many finished Jobs of each end as the history wants. */
function forget(deps: ControllerDeps, jobs: Resource, { spec }: CronJob, owned: readonly Job[]): void {
  const limits = { Complete: spec.successfulJobsHistoryLimit ?? 3, Failed: spec.failedJobsHistoryLimit ?? 1 };
  for (const [type, limit] of Object.entries(limits)) {
    const ended = owned
      .filter(({ status }) => isOver(status)?.type === type)
      .sort((a, b) => (a.status?.startTime ?? "").localeCompare(b.status?.startTime ?? ""));
    for (const job of ended.slice(0, Math.max(0, ended.length - limit))) remove(deps, jobs, job);
  }
}

function remove(deps: ControllerDeps, jobs: Resource, { metadata }: Job): void {
  if (metadata.deletionTimestamp) return;
  deps.registry.delete(jobs, metadata.namespace, metadata.name, { uid: metadata.uid });
}

function reference({ apiVersion, kind, metadata }: Job): object {
  const { namespace, name, uid, resourceVersion } = metadata;
  return { apiVersion, kind, namespace, name, uid, resourceVersion };
}
