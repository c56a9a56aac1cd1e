/** Which fields of a spec mean something for its kind. One that would change nothing is refused, and not ignored. Pure. */
import type { RemoteAppSpec } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { Violation } from "../../intent/wish.ts";
import { type Kind, kindOf } from "./kind.ts";

/** The kinds for which a field counts; all, for those that are not here. What has a default is always there, and never refused. */
const counts: readonly (readonly [keyof RemoteAppSpec, readonly Kind[]])[] = [
  ["strategy", ["Deployment"]],
  ["paused", ["Deployment"]],
  ["minReadySeconds", ["Deployment", "StatefulSet"]],
  ["restartedAt", ["Deployment", "StatefulSet", "Job"]],
  ["updateStrategy", ["StatefulSet"]],
  ["podManagementPolicy", ["StatefulSet"]],
  ["job", ["Job", "CronJob"]],
  ["restartPolicy", ["Job", "CronJob"]],
  ["cronJob", ["CronJob"]],
];

export function kindChecks(app: RemoteAppSpec): Violation[] {
  const kind = kindOf(app);
  const idle = counts.filter(([field, by]) => app[field] !== undefined && !by.includes(kind));
  const wrong = idle.map(([field, by]) => {
    const message = `means nothing for a ${kind}; it is for a ${by.join(" or a ")}. Leave it out, or choose another kind`;
    return { field, rule: "kind", message };
  });
  if (kind !== "CronJob" || app.cronJob) return wrong;
  return [...wrong, { field: "cronJob", rule: "required", message: "a CronJob needs a schedule" }];
}
