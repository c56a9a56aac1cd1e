/** Of which kind an app is. */
import type { RemoteAppSpec } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";

const kinds = ["Deployment", "StatefulSet", "Job", "CronJob"] as const;
export type Kind = (typeof kinds)[number];

/** A Deployment, unless the app says something else. */
export function kindOf(app: Pick<RemoteAppSpec, "kind">): Kind {
  return kinds.find((kind) => kind === app.kind) ?? "Deployment";
}
