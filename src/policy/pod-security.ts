/**
 * What pods get that do not say it themselves, so that they meet the Pod Security level of their namespace. Pure; the manifests are
 * made by it and admission judges what it leaves, so that both mean the same pod.
 */
import type { JsonObject } from "../kube/object.ts";
import { partAt } from "./fragment.ts";

export type PodSecurityLevel = "baseline" | "restricted";

/** Of the pod: what is written, and the level's own where nothing is. */
export function securedPod(written: JsonObject | undefined, level: PodSecurityLevel): JsonObject {
  return {
    ...(level === "restricted" ? { runAsNonRoot: true } : {}),
    seccompProfile: { type: "RuntimeDefault" },
    ...written,
  };
}

/**
 * Of each container, whether it runs before the others, beside them or with them. Undefined when there is nothing to say: under
 * "baseline" what "restricted" asks for would break images that run as root.
 */
export function securedContainer(written: JsonObject | undefined, level: PodSecurityLevel): JsonObject | undefined {
  if (level === "baseline") return written;
  return {
    allowPrivilegeEscalation: false,
    ...written,
    capabilities: { drop: ["ALL"], ...partAt(written, "capabilities") },
  };
}
