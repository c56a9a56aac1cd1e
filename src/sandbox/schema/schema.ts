/**
 * Schemas as the sandbox walks them: the structural schemas of custom resources and, in the same form, Kubernetes' own
 * types as a real API server publishes them (`kubernetes-1.34.json`, made by `extract.ts`).
 */
import { readFileSync } from "node:fs";
import { isObject, type JsonObject } from "../json.ts";

export interface Schema {
  type?: string;
  format?: string;
  properties?: Record<string, Schema>;
  additionalProperties?: Schema | boolean;
  items?: Schema;
  required?: string[];
  enum?: unknown[];
  default?: unknown;
  nullable?: boolean;
  pattern?: string;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: boolean;
  exclusiveMaximum?: boolean;
  multipleOf?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  uniqueItems?: boolean;
  minProperties?: number;
  maxProperties?: number;
  oneOf?: Schema[];
  anyOf?: Schema[];
  allOf?: Schema[];
  not?: Schema;
  "x-kubernetes-int-or-string"?: boolean;
  "x-kubernetes-preserve-unknown-fields"?: boolean;
  "x-kubernetes-embedded-resource"?: boolean;
  "x-kubernetes-list-type"?: "atomic" | "set" | "map";
  "x-kubernetes-list-map-keys"?: string[];
  "x-kubernetes-map-type"?: "atomic" | "granular";
  "x-kubernetes-patch-merge-key"?: string;
  "x-kubernetes-patch-strategy"?: string;
  "x-kubernetes-validations"?: ValidationRule[];
}

export interface ValidationRule {
  rule: string;
  message?: string;
  messageExpression?: string;
  reason?: string;
  fieldPath?: string;
}

/** Accepts anything and keeps it. */
export const anything: Schema = { "x-kubernetes-preserve-unknown-fields": true };

/** Kubernetes' own types by name, such as `core.v1.Pod`, with references between them replaced by what they name. */
export type Definitions = ReadonlyMap<string, Schema>;

export function loadDefinitions(): Definitions {
  const text = readFileSync(new URL("./kubernetes-1.34.json", import.meta.url), "utf8");
  const raw: unknown = JSON.parse(text);
  const definitions = new Map<string, Schema>();
  if (!isObject(raw)) return definitions;
  const link = (node: unknown): unknown => {
    if (Array.isArray(node)) return node.map(link);
    if (!isObject(node)) return node;
    const { $ref, ...rest } = node;
    if (typeof $ref === "string") return { ...definition($ref), ...rest };
    return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, link(value)]));
  };
  const definition = (name: string): Schema => {
    const known = definitions.get(name);
    if (known) return known;
    const made = quirks(name, link(raw[name]) as JsonObject); // The file is ours: each definition is a schema object.
    definitions.set(name, made);
    return made;
  };
  for (const name of Object.keys(raw)) definition(name);
  return definitions;
}

/** What the published schema says of these cannot be read by our walkers. */
function quirks(name: string, schema: JsonObject): Schema {
  if (name.endsWith(".IntOrString")) return { "x-kubernetes-int-or-string": true };
  if (name.endsWith(".Quantity")) return { "x-kubernetes-int-or-string": true, format: "quantity" };
  if (name.endsWith(".FieldsV1") || name.endsWith(".RawExtension")) return anything;
  return schema;
}

/** The schema of a value under an object's key, or undefined when the object has no such field. */
export function fieldSchema(schema: Schema, key: string): Schema | undefined {
  const declared = schema.properties?.[key];
  if (declared) return declared;
  if (schema.additionalProperties === true) return anything;
  if (schema.additionalProperties) return schema.additionalProperties;
  return schema["x-kubernetes-preserve-unknown-fields"] ? anything : undefined;
}
