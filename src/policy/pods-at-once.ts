/** How many pods of an app there may be at one time. Pure. */
import type { AppJob } from "../gen/fairlead/resources/v1alpha1/app_job_pb.ts";
import type { RemoteAppSpec } from "../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";

export interface PodsAtOnce {
  readonly count: number;
  /** There may be any number of them: Jobs of a CronJob begin while earlier ones run. Then `count` is that of one Job. */
  readonly isEndless: boolean;
  /** The field that says how many. */
  readonly field: string;
}

export function podsAtOnce(app: RemoteAppSpec): PodsAtOnce {
  switch (app.kind) {
    case "Job":
      return { count: ofJob(app.job), isEndless: false, field: "job.parallelism" };
    case "CronJob": {
      const policy = app.cronJob?.concurrencyPolicy ?? "Allow";
      return { count: ofJob(app.job), isEndless: policy === "Allow", field: "job.parallelism" };
    }
    default:
      return { count: app.replicas ?? 1, isEndless: false, field: "replicas" };
  }
}

/** A Job without a number of completions is done when one of its pods is, and runs as many as it says until then. */
function ofJob(job: AppJob | undefined): number {
  if (job?.suspend) return 0;
  const { parallelism = 1, completions } = job ?? {};
  return completions === undefined ? parallelism : Math.min(parallelism, completions);
}
