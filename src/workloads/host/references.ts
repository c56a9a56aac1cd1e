/**
 * Where a pod refers to what its app brings along: to a ConfigMap, a Secret or a claim. The same walk finds what may not be
 * referred to, when a spec is read, and gives each its name in this cluster, when a pod is made of it: so no reference is seen by
 * the one and missed by the other. Pure.
 */
import { isJsonObject, type JsonObject, type JsonValue } from "../../kube/object.ts";

/** What an app can bring along. */
export type BroughtKind = "configMap" | "secret" | "claim";

/** Answers what stands in the place of a name. `path` is where it stands. */
export type Rename = (kind: BroughtKind, name: string, path: string) => string;

/** The container with all names in it renamed. `path` is the container's own, empty for one whose fields are the spec's. */
export function renameInContainer(container: JsonObject, rename: Rename, path = ""): JsonObject {
  const at = path === "" ? "" : `${path}.`;
  const { env, envFrom } = container;
  return {
    ...container,
    ...(env === undefined ? {} : { env: each(env, `${at}env`, (entry, where) => inVariable(entry, rename, where)) }),
    ...(envFrom === undefined
      ? {}
      : {
          envFrom: each(envFrom, `${at}envFrom`, (entry, where) =>
            inPart(inPart(entry, "configMapRef", "name", "configMap", rename, where), ...secretRef, rename, where),
          ),
        }),
  };
}

const secretRef = ["secretRef", "name", "secret"] as const;

export function renameInVolume(volume: JsonObject, rename: Rename, path: string): JsonObject {
  const configured = inPart(volume, "configMap", "name", "configMap", rename, path);
  const secret = inPart(configured, "secret", "secretName", "secret", rename, path);
  const claimed = inPart(secret, "persistentVolumeClaim", "claimName", "claim", rename, path);
  const { projected } = claimed;
  if (!isJsonObject(projected) || projected.sources === undefined) return claimed;
  const sources = each(projected.sources, `${path}.projected.sources`, (source, where) =>
    inPart(inPart(source, "configMap", "name", "configMap", rename, where), "secret", "name", "secret", rename, where),
  );
  return { ...claimed, projected: { ...projected, sources } };
}

function inVariable(variable: JsonObject, rename: Rename, path: string): JsonObject {
  const { valueFrom } = variable;
  if (!isJsonObject(valueFrom)) return variable;
  const where = `${path}.valueFrom`;
  const configured = inPart(valueFrom, "configMapKeyRef", "name", "configMap", rename, where);
  return { ...variable, valueFrom: inPart(configured, "secretKeyRef", "name", "secret", rename, where) };
}

/** A reference without a name is one to the name "", which nobody brings along. */
function inPart(
  whole: JsonObject,
  part: string,
  field: string,
  kind: BroughtKind,
  rename: Rename,
  path: string,
): JsonObject {
  const reference = whole[part];
  if (!isJsonObject(reference)) return whole;
  const name = reference[field];
  const renamed = rename(kind, typeof name === "string" ? name : "", `${path}.${part}.${field}`);
  return { ...whole, [part]: { ...reference, [field]: renamed } };
}

function each(list: JsonValue, path: string, change: (entry: JsonObject, path: string) => JsonObject): JsonValue {
  if (!Array.isArray(list)) return list;
  return list.map((entry, index) => (isJsonObject(entry) ? change(entry, `${path}[${index}]`) : entry));
}
