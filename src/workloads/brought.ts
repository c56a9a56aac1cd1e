/** What both halves know of what an app brings along. Pure. */
import type { AppConfigMap } from "../gen/fairlead/resources/v1alpha1/app_config_pb.ts";

/** Whether the content is written in the app's own spec; else it is that of an object at the origin, and travels beside the spec. */
export function isInline(one: Pick<AppConfigMap, "data" | "binaryData">): boolean {
  return Object.keys(one.data).length > 0 || Object.keys(one.binaryData).length > 0;
}

/** Types that mean something to a cluster's own controllers, which nobody else's cluster is to be given. */
const unshareable = /^(kubernetes\.io\/service-account-token|bootstrap\.kubernetes\.io\/.*|helm\.sh\/.*)$/;

/** Whether a host takes a Secret of this type, and an origin sends it. */
export function isShareableType(type: string): boolean {
  return !unshareable.test(type);
}
