/** From a CustomResourceDefinition to a resource that is served. */
import { age, ageColumn, nameColumn } from "./columns.ts";
import { at, isObject, type JsonObject } from "./json.ts";
import { evaluateJsonPath } from "./json-path.ts";
import type { KubeObject } from "./object.ts";
import type { Column, Resource, ScalePaths } from "./resource.ts";
import { anything, type Definitions, type Schema } from "./schema/schema.ts";
import { type Cause, invalid } from "./status-error.ts";

const about = { group: "apiextensions.k8s.io", plural: "customresourcedefinitions", kind: "CustomResourceDefinition" };

/** The resource that a definition asks for, at its storage version: the sandbox serves no other. Throws a 422. */
export function resourceFromDefinition(definition: KubeObject, definitions: Definitions): Resource {
  const spec = isObject(definition.spec) ? definition.spec : {};
  const names = isObject(spec.names) ? spec.names : {};
  const versions = Array.isArray(spec.versions) ? spec.versions.filter(isObject) : [];
  const version = versions.find((candidate) => candidate.storage === true);
  const causes: Cause[] = [];
  const needed = (value: unknown, field: string): string => {
    if (typeof value === "string" && value) return value;
    causes.push({ reason: "FieldValueRequired", message: "Required value", field });
    return "";
  };
  const group = needed(spec.group, "spec.group");
  const plural = needed(names.plural, "spec.names.plural");
  const kind = needed(names.kind, "spec.names.kind");
  const versionName = needed(version?.name, "spec.versions");
  const rootSchema = at(version, "schema", "openAPIV3Schema");
  causes.push(...keywordBreaches(rootSchema, "spec.versions[0].schema.openAPIV3Schema"));
  if (!isObject(rootSchema)) needed(undefined, "spec.versions[0].schema.openAPIV3Schema");
  if (definition.metadata.name !== `${plural}.${group}`) {
    const message = `Invalid value: "${definition.metadata.name}": must be spec.names.plural+"."+spec.group`;
    causes.push({ reason: "FieldValueInvalid", message, field: "metadata.name" });
  }
  if (causes.length > 0) throw invalid(about, definition.metadata.name, causes);
  const subresources = at(version, "subresources");
  const scale = at(subresources, "scale");
  return {
    group,
    version: versionName,
    plural,
    singular: typeof names.singular === "string" ? names.singular : kind.toLowerCase(),
    kind,
    listKind: typeof names.listKind === "string" ? names.listKind : `${kind}List`,
    shortNames: strings(names.shortNames),
    categories: strings(names.categories),
    namespaced: spec.scope === "Namespaced",
    schema: withObjectMeta(isObject(rootSchema) ? rootSchema : {}, definitions),
    status: isObject(at(subresources, "status")),
    generation: true,
    custom: true,
    columns: columnsOf(version ?? {}),
    ...(isObject(scale) ? { scale: scalePaths(scale) } : {}),
  };
}

/** The extensions of JSON Schema that a definition may use. Kubernetes publishes others of its own kinds, and refuses them here. */
const extensions = [
  "embedded-resource",
  "int-or-string",
  "list-map-keys",
  "list-type",
  "map-type",
  "patch-merge-key",
  "patch-strategy",
  "preserve-unknown-fields",
  "validations",
];

function keywordBreaches(schema: unknown, path: string): Cause[] {
  if (!isObject(schema)) return [];
  const unknown = Object.keys(schema).filter(
    (key) => key.startsWith("x-kubernetes-") && !extensions.includes(key.slice("x-kubernetes-".length)),
  );
  const { properties, items, additionalProperties } = schema;
  return [
    ...unknown.map((key) => ({
      reason: "FieldValueInvalid",
      message: "Invalid value: field not declared in schema",
      field: `${path}.${key}`,
    })),
    ...Object.entries(isObject(properties) ? properties : {}).flatMap(([name, child]) =>
      keywordBreaches(child, `${path}.properties.${name}`),
    ),
    ...keywordBreaches(items, `${path}.items`),
    ...keywordBreaches(additionalProperties, `${path}.additionalProperties`),
  ];
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

function withObjectMeta(schema: Schema, definitions: Definitions): Schema {
  return {
    ...schema,
    properties: {
      ...schema.properties,
      apiVersion: { type: "string" },
      kind: { type: "string" },
      metadata: definitions.get("apis.meta.v1.ObjectMeta") ?? anything,
    },
  };
}

function scalePaths(scale: JsonObject): ScalePaths {
  const { specReplicasPath, statusReplicasPath, labelSelectorPath } = scale;
  return {
    specReplicasPath: String(specReplicasPath),
    statusReplicasPath: String(statusReplicasPath),
    ...(typeof labelSelectorPath === "string" ? { labelSelectorPath } : {}),
  };
}

function columnsOf(version: JsonObject): Column[] {
  const declared = Array.isArray(version.additionalPrinterColumns)
    ? version.additionalPrinterColumns.filter(isObject)
    : [];
  if (declared.length === 0) return [nameColumn, ageColumn];
  return [
    nameColumn,
    ...declared.map((c): Column => {
      const path = String(c.jsonPath);
      const type = String(c.type);
      return {
        name: String(c.name),
        type,
        ...(typeof c.format === "string" ? { format: c.format } : {}),
        ...(typeof c.description === "string" ? { description: c.description } : {}),
        priority: typeof c.priority === "number" ? c.priority : 0,
        cell: (object, nowMs) => cell(evaluateJsonPath(path, object), type, nowMs),
      };
    }),
  ];
}

function cell(found: readonly unknown[], type: string, nowMs: number): unknown {
  if (found.length === 0) return null;
  const [first] = found;
  if (type === "date") return age(first, nowMs);
  if (type !== "string") return first ?? null;
  return found.map((value) => (typeof value === "string" ? value : JSON.stringify(value))).join(",");
}

/** The status that the API server gives a definition as soon as it serves it. */
export function establishedStatus(definition: KubeObject, time: string): JsonObject {
  const spec = isObject(definition.spec) ? definition.spec : {};
  const versions = Array.isArray(spec.versions) ? spec.versions.filter(isObject) : [];
  const condition = (type: string, reason: string, message: string): JsonObject => ({
    type,
    status: "True",
    lastTransitionTime: time,
    reason,
    message,
  });
  return {
    acceptedNames: spec.names,
    storedVersions: versions.filter((v) => v.storage).map((v) => v.name),
    conditions: [
      condition("NamesAccepted", "NoConflicts", "no conflicts found"),
      condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    ],
  };
}
