/** Rules of a pod, or of the template of one, that no schema says. */
import { at, isObject, type JsonObject } from "../json.ts";
import type { Cause } from "../status-error.ts";
import { required } from "./breaches.ts";

export function containerBreaches(object: JsonObject, path: readonly string[]): Cause[] {
  const spec = at(object, ...path);
  const where = path.join(".");
  const containers = list(at(spec, "containers"));
  if (containers.length === 0) return [required(`${where}.containers`)];
  const seen = new Set<unknown>();
  const volumes = new Set(list(at(spec, "volumes")).map(({ name }) => name));
  // The claims of a StatefulSet are volumes of its pods.
  for (const claim of list(at(object, "spec", "volumeClaimTemplates"))) volumes.add(at(claim, "metadata", "name"));
  return [
    ...list(at(spec, "initContainers")).flatMap((container, i) =>
      breaches(container, `${where}.initContainers[${i}]`, seen, volumes),
    ),
    ...containers.flatMap((container, i) => breaches(container, `${where}.containers[${i}]`, seen, volumes)),
  ];
}

/** A controller that keeps its pods running wants them restarted; one that runs them to an end does not. */
export function restartBreaches(object: JsonObject, path: readonly string[], allowed: readonly string[]): Cause[] {
  const policy = at(object, ...path, "restartPolicy");
  if (typeof policy === "string" && allowed.includes(policy)) return [];
  const supported = allowed.map((word) => JSON.stringify(word)).join(", ");
  const message = `Unsupported value: ${JSON.stringify(policy)}: supported values: ${supported}`;
  return [{ reason: "FieldValueNotSupported", message, field: `${path.join(".")}.restartPolicy` }];
}

function breaches(container: JsonObject, where: string, seen: Set<unknown>, volumes: ReadonlySet<unknown>): Cause[] {
  const causes: Cause[] = [];
  if (!container.name) causes.push(required(`${where}.name`));
  if (!container.image) causes.push(required(`${where}.image`));
  if (seen.has(container.name)) {
    const message = `Duplicate value: ${JSON.stringify(container.name)}`;
    causes.push({ reason: "FieldValueDuplicate", message, field: `${where}.name` });
  }
  seen.add(container.name);
  list(container.ports).forEach((port, i) => {
    const number = Number(port.containerPort);
    if (!(number >= 1 && number <= 65535)) {
      const message = `Invalid value: ${number}: must be between 1 and 65535, inclusive`;
      causes.push({ reason: "FieldValueInvalid", message, field: `${where}.ports[${i}].containerPort` });
    }
  });
  list(container.volumeMounts).forEach(({ name }, i) => {
    if (volumes.has(name)) return;
    const message = `Not found: ${JSON.stringify(name)}`;
    causes.push({ reason: "FieldValueNotFound", message, field: `${where}.volumeMounts[${i}].name` });
  });
  return causes;
}

function list(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}
