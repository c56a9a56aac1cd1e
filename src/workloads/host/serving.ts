/** What makes an app's pods, by its kind. Pure. */
import type { CronJob, Deployment, Job, StatefulSet } from "../../kube/resources.ts";

/** Its pods run until they are told otherwise. */
export type Serving =
  | { readonly kind: "Deployment"; readonly object: Deployment }
  | { readonly kind: "StatefulSet"; readonly object: StatefulSet };

/** Its pods run to an end. */
export type Running =
  | { readonly kind: "Job"; readonly object: Job }
  | { readonly kind: "CronJob"; readonly object: CronJob };

export type Controller = Serving | Running;

/** Of a StatefulSet that changes only some of its pods, or none by itself, so many are to be of the present spec. */
export function wantedUpdates(controller: Serving, desired: number): number {
  if (controller.kind === "Deployment") return desired;
  const { type, rollingUpdate } = controller.object.spec?.updateStrategy ?? {};
  return type === "OnDelete" ? 0 : Math.max(0, desired - (rollingUpdate?.partition ?? 0));
}

export function conditionOf(deployment: Deployment, wanted: string) {
  return deployment.status?.conditions?.find(({ type }) => type === wanted);
}
