/** What of a Workload is to run now, and how. */
import type { RemoteAppSpec } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { PulledImages } from "./pulled-images.ts";

export interface Plan {
  /** What was admitted, which is not what is asked for while a change is held or denied. */
  readonly app: RemoteAppSpec;
  /** Nothing of it may run now. */
  readonly isStopped: boolean;
  /** 0 for an app that is stopped. */
  readonly replicas: number;
  /** The Pod Security level of the namespace, which the pods have to meet. */
  readonly podSecurity: "baseline" | "restricted";
  /** Labels of the nodes that the pods may run on; all when there are none. */
  readonly nodeSelector: Readonly<Record<string, string>>;
  /** Where its images come from when its origin brings them along. */
  readonly images?: PulledImages;
  /** Whether a rollout may run one pod more than the app has: not where the quota has no room for it. */
  readonly surge: boolean;
}
