/** Whether a Deployment or a Service is still as the agent made it. Pure. */
import { isDeepStrictEqual } from "node:util";
import { isJsonObject, type JsonValue } from "../../kube/object.ts";
import type { Deployment, Service } from "../../kube/resources.ts";

/** What was applied last, and what the API server made of it. */
export interface Applied {
  /** The manifest as JSON text. */
  readonly manifest: string;
  readonly uid: string | undefined;
  /** Changes with every edit of the spec by anybody. */
  readonly generation: number | undefined;
  /** For kinds without a generation: the spec and the agent's metadata as they were answered. */
  readonly face: JsonValue;
}

export function appliedOf(manifest: object, answer: Deployment | Service): Applied {
  const { uid, generation } = answer.metadata;
  return { manifest: JSON.stringify(manifest), uid, generation, face: faceOf(answer) };
}

/** True when `manifest` has to be applied: it is new, or the object is missing or was edited since. */
export function isDrifted(
  manifest: object,
  applied: Applied | undefined,
  found: Deployment | Service | undefined,
): boolean {
  if (!applied || !found || applied.manifest !== JSON.stringify(manifest) || applied.uid !== found.metadata.uid)
    return true;
  if (applied.generation !== found.metadata.generation) return true;
  return !isDeepStrictEqual(applied.face, faceOf(found));
}

/** What ties the object to its Workload, and a Service's whole spec; a Deployment's spec is covered by its generation. */
function faceOf(object: Deployment | Service): JsonValue {
  const { labels = {}, ownerReferences = [] } = object.metadata;
  const spec = object.metadata.generation === undefined ? (object.spec ?? {}) : {};
  return JSON.parse(JSON.stringify({ labels, ownerReferences, spec }));
}

/**
 * What somebody added to a Deployment beside the manifest, which an apply does not take away: whole containers, volumes
 * and rights of the pod. Empty when there is nothing, else what is there, for the log.
 */
export function additions(manifest: object, found: Deployment): string[] {
  const wanted: JsonValue = JSON.parse(JSON.stringify(manifest));
  const pod = found.spec?.template.spec;
  const names = containerNames(wanted);
  const extra: string[] = [];
  for (const { name } of pod?.containers ?? []) if (!names.includes(name)) extra.push(`container ${name}`);
  for (const { name } of pod?.initContainers ?? []) extra.push(`init container ${name}`);
  for (const { name } of pod?.volumes ?? []) extra.push(`volume ${name}`);
  for (const right of ["hostNetwork", "hostPID", "hostIPC"] as const) if (pod?.[right]) extra.push(right);
  const account = pod?.serviceAccountName;
  if (account !== undefined && account !== "" && account !== "default") extra.push(`service account ${account}`);
  return extra;
}

function containerNames(manifest: JsonValue): JsonValue[] {
  const at = (value: JsonValue | undefined, key: string): JsonValue | undefined =>
    isJsonObject(value) ? value[key] : undefined;
  const containers = at(at(at(at(manifest, "spec"), "template"), "spec"), "containers");
  return Array.isArray(containers) ? containers.map((container) => at(container, "name") ?? "") : [];
}
