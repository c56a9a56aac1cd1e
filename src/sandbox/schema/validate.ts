/** Whether a value is what its schema says, in the words of a Kubernetes API server. */
import { canonical, isObject } from "../json.ts";
import type { Cause } from "../status-error.ts";
import type { Schema } from "./schema.ts";

const quantity = /^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)(([KMGTPE]i)|[numkMGTPE]|([eE][+-]?[0-9]+))?$/;

/** Every breach, each with the path of its field. `path` is empty for the whole object. */
export function validate(value: unknown, schema: Schema, path = ""): Cause[] {
  const wrongType = checkType(value, schema, path);
  if (wrongType) return [wrongType];
  if (value === null) return [];
  const causes: Cause[] = [];
  if (typeof value === "string") causes.push(...checkString(value, schema, path));
  if (typeof value === "number") causes.push(...checkNumber(value, schema, path));
  if (Array.isArray(value)) causes.push(...checkArray(value, schema, path));
  if (isObject(value)) causes.push(...checkObject(value, schema, path));
  if (schema.enum && !schema.enum.some((allowed) => canonical(allowed) === canonical(value))) {
    const supported = schema.enum.map((allowed) => JSON.stringify(allowed)).join(", ");
    causes.push(
      cause("FieldValueNotSupported", path, `Unsupported value: ${show(value)}: supported values: ${supported}`),
    );
  }
  causes.push(...checkCombinations(value, schema, path));
  return causes;
}

function checkType(value: unknown, schema: Schema, path: string): Cause | undefined {
  if (value === null) {
    if (schema.nullable || (!schema.type && !schema["x-kubernetes-int-or-string"])) return undefined;
    return typeInvalid(path, schema.type ?? "integer,string", "null");
  }
  if (schema["x-kubernetes-int-or-string"]) {
    const fits = typeof value === "string" || (typeof value === "number" && (schema.format || Number.isInteger(value)));
    return fits ? undefined : typeInvalid(path, "integer,string", typeName(value));
  }
  const fits =
    !schema.type ||
    (schema.type === "integer" && typeof value === "number" && Number.isInteger(value)) ||
    schema.type === typeName(value) ||
    (schema.type === "number" && typeof value === "number");
  return fits ? undefined : typeInvalid(path, schema.type ?? "", typeName(value));
}

/** The value is shown by the name of its type, as the validator of a real server does. */
function typeInvalid(path: string, wanted: string, got: string): Cause {
  const where = path || '""';
  return cause(
    "FieldValueTypeInvalid",
    path,
    `Invalid value: "${got}": ${where} in body must be of type ${wanted}: "${got}"`,
  );
}

function typeName(value: unknown): string {
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
}

/** The first breach only, as the validator of a real server tells it. */
function checkString(value: string, schema: Schema, path: string): Cause[] {
  const { length } = [...value];
  if (schema.maxLength !== undefined && length > schema.maxLength) {
    return [cause("FieldValueTooLong", path, `Too long: may not be more than ${schema.maxLength} bytes`)];
  }
  if (schema.minLength !== undefined && length < schema.minLength) {
    return [breach(path, value, `should be at least ${schema.minLength} chars long`)];
  }
  if (schema.pattern !== undefined && !new RegExp(schema.pattern, "u").test(value)) {
    return [breach(path, value, `should match '${schema.pattern}'`)];
  }
  if (schema.format === "quantity" && !quantity.test(value)) {
    const expected = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
    return [cause("FieldValueInvalid", path, `Invalid value: ${show(value)}: ${expected}`)];
  }
  if (schema.format === "date-time" && Number.isNaN(Date.parse(value))) {
    return [breach(path, value, `must be of type date-time: ${show(value)}`)];
  }
  return [];
}

function checkNumber(value: number, schema: Schema, path: string): Cause[] {
  const { minimum, maximum, multipleOf } = schema;
  if (minimum !== undefined && (schema.exclusiveMinimum ? value <= minimum : value < minimum)) {
    return [breach(path, value, `should be greater than ${schema.exclusiveMinimum ? "" : "or equal to "}${minimum}`)];
  }
  if (maximum !== undefined && (schema.exclusiveMaximum ? value >= maximum : value > maximum)) {
    return [breach(path, value, `should be less than ${schema.exclusiveMaximum ? "" : "or equal to "}${maximum}`)];
  }
  if (multipleOf !== undefined && !Number.isInteger(value / multipleOf)) {
    return [breach(path, value, `should be a multiple of ${multipleOf}`)];
  }
  return [];
}

function checkArray(value: readonly unknown[], schema: Schema, path: string): Cause[] {
  const causes: Cause[] = [];
  if (schema.maxItems !== undefined && value.length > schema.maxItems) {
    causes.push(
      cause("FieldValueTooMany", path, `Too many: ${value.length}: must have at most ${schema.maxItems} items`),
    );
  }
  if (schema.minItems !== undefined && value.length < schema.minItems) {
    causes.push(breach(path, value.length, `should have at least ${schema.minItems} items`));
  }
  causes.push(...checkDuplicates(value, schema, path));
  const { items } = schema;
  if (items) causes.push(...value.flatMap((item, i) => validate(item, items, `${path}[${i}]`)));
  return causes;
}

function checkDuplicates(value: readonly unknown[], schema: Schema, path: string): Cause[] {
  const keys = schema["x-kubernetes-list-map-keys"];
  const isMap = schema["x-kubernetes-list-type"] === "map" && keys;
  if (!isMap && schema["x-kubernetes-list-type"] !== "set") return [];
  const seen = new Set<string>();
  const causes: Cause[] = [];
  value.forEach((item, i) => {
    const identity = isMap && isObject(item) ? Object.fromEntries(keys.map((key) => [key, item[key]])) : item;
    const text = canonical(identity);
    if (seen.has(text)) causes.push(cause("FieldValueDuplicate", `${path}[${i}]`, `Duplicate value: ${text}`));
    seen.add(text);
  });
  return causes;
}

function checkObject(value: Record<string, unknown>, schema: Schema, path: string): Cause[] {
  const causes: Cause[] = [];
  const count = Object.keys(value).length;
  for (const key of schema.required ?? []) {
    if (value[key] === undefined) causes.push(cause("FieldValueRequired", join(path, key), "Required value"));
  }
  if (schema.maxProperties !== undefined && count > schema.maxProperties) {
    causes.push(
      cause("FieldValueTooMany", path, `Too many: ${count}: must have at most ${schema.maxProperties} items`),
    );
  }
  if (schema.minProperties !== undefined && count < schema.minProperties) {
    causes.push(breach(path, count, `should have at least ${schema.minProperties} properties`));
  }
  for (const [key, field] of Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const declared = schema.properties?.[key];
    const extra = isObject(schema.additionalProperties) ? schema.additionalProperties : undefined;
    const child = declared ?? extra;
    if (child && field !== undefined) causes.push(...validate(field, child, join(path, key)));
  }
  return causes;
}

function checkCombinations(value: unknown, schema: Schema, path: string): Cause[] {
  const fits = (option: Schema): boolean => validate(value, option, path).length === 0;
  const causes = (schema.allOf ?? []).flatMap((option) => validate(value, option, path));
  if (schema.anyOf && !schema.anyOf.some(fits))
    causes.push(breach(path, value, "must validate at least one schema (anyOf)"));
  if (schema.oneOf && schema.oneOf.filter(fits).length !== 1) {
    causes.push(breach(path, value, "must validate one and only one schema (oneOf)"));
  }
  if (schema.not && fits(schema.not)) causes.push(breach(path, value, "must not validate the schema (not)"));
  return causes;
}

function join(path: string, key: string): string {
  return path ? `${path}.${key}` : key;
}

function show(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : canonical(value);
}

function breach(path: string, value: unknown, what: string): Cause {
  return cause("FieldValueInvalid", path, `Invalid value: ${show(value)}: ${path || "<nil>"} in body ${what}`);
}

function cause(reason: string, field: string, message: string): Cause {
  return { reason, message, field: field || "<nil>" };
}
