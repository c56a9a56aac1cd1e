import { isObject, type JsonObject } from "../json.ts";
import type { Cause } from "../status-error.ts";
import { evaluateRule } from "./cel.ts";
import { fieldSchema, type Schema, type ValidationRule } from "./schema.ts";

/**
 * Evaluates the `x-kubernetes-validations` of a custom resource. Rules about change (`oldSelf`) are judged only when
 * there is an older state. A rule that the sandbox's small CEL cannot read is left to the real API server.
 */
export function checkRules(value: unknown, before: unknown, schema: Schema, path = ""): Cause[] {
  const causes: Cause[] = [];
  for (const rule of schema["x-kubernetes-validations"] ?? []) {
    if (/\boldSelf\b/.test(rule.rule) && before === undefined) continue;
    if (evaluateRule(rule.rule, { self: value, oldSelf: before }) === false) {
      const where = rule.fieldPath ? path + (path ? rule.fieldPath : rule.fieldPath.slice(1)) : path;
      causes.push({
        reason: rule.reason ?? "FieldValueInvalid",
        message: messageOf(rule, value),
        field: where || "<nil>",
      });
    }
  }
  if (Array.isArray(value)) {
    const { items } = schema;
    if (items) causes.push(...value.flatMap((item, i) => checkRules(item, undefined, items, `${path}[${i}]`)));
  } else if (isObject(value)) {
    const old: JsonObject = isObject(before) ? before : {};
    for (const [key, field] of Object.entries(value)) {
      const child = fieldSchema(schema, key);
      if (child) causes.push(...checkRules(field, old[key], child, path ? `${path}.${key}` : key));
    }
  }
  return causes;
}

function messageOf(rule: ValidationRule, value: unknown): string {
  const said = rule.message ?? `failed rule: ${rule.rule}`;
  if (rule.reason === "FieldValueRequired") return `Required value: ${said}`;
  if (rule.reason === "FieldValueForbidden") return `Forbidden: ${said}`;
  if (rule.reason === "FieldValueDuplicate") return `Duplicate value: ${JSON.stringify(value)}`;
  const shown = isObject(value) ? '"object"' : Array.isArray(value) ? '"array"' : JSON.stringify(value);
  return `Invalid value: ${shown}: ${said}`;
}

/** Whether the schema has any rule, at any depth. */
export function hasRules(schema: Schema): boolean {
  if (schema["x-kubernetes-validations"]?.length) return true;
  const { properties = {}, items, additionalProperties } = schema;
  const inner = [
    ...Object.values(properties),
    ...(items ? [items] : []),
    ...(isObject(additionalProperties) ? [additionalProperties] : []),
  ];
  return inner.some(hasRules);
}
