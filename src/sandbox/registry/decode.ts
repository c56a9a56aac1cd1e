/** From the body of a write to an object that may be stored: its type, its unknown fields, its defaults, its validity. */
import { clone, isObject, type JsonObject } from "../json.ts";
import { apiVersionOf, type Resource } from "../resource.ts";
import { applyDefaults } from "../schema/defaults.ts";
import { dropForbiddenNulls, dropNulls, prune } from "../schema/prune.ts";
import { checkRules, hasRules } from "../schema/rules.ts";
import type { Definitions } from "../schema/schema.ts";
import { validate } from "../schema/validate.ts";
import { badRequest, type Cause, invalid } from "../status-error.ts";
import { builtinBreaches } from "./builtin-checks.ts";
import { applyBuiltinDefaults } from "./builtin-defaults.ts";
import { labelBreaches, nameBreach } from "./names.ts";

/** What becomes of fields that the schema does not know: refused, dropped with a warning, or dropped in silence. */
export type FieldValidation = "Strict" | "Warn" | "Ignore";

/**
 * A copy of `body` without unknown fields. Throws a 400 when it is of another kind, has a field of the wrong type (for
 * Kubernetes' own kinds; custom ones are judged by `checkObject`), or has unknown fields and the caller is strict.
 */
export function decode(
  resource: Resource,
  body: unknown,
  definitions: Definitions,
  validation: FieldValidation,
  warn: (text: string) => void,
): JsonObject {
  if (!isObject(body)) throw badRequest("couldn't get version/kind; json parse error: the body is not an object");
  const object = clone(body);
  object.apiVersion ??= apiVersionOf(resource);
  object.kind ??= resource.kind;
  if (object.apiVersion !== apiVersionOf(resource)) {
    throw badRequest(
      `the API version in the data (${String(object.apiVersion)}) does not match the expected API version (${apiVersionOf(resource)})`,
    );
  }
  if (object.kind !== resource.kind) {
    throw badRequest(
      `the kind in the data (${String(object.kind)}) does not match the expected kind (${resource.kind})`,
    );
  }
  if (object.metadata === undefined || object.metadata === null) object.metadata = {};
  const handled = `${resource.kind} in version "${resource.version}" cannot be handled as a ${resource.kind}`;
  const unknown = prune(object, resource.schema, definitions).map((path) => `unknown field "${path}"`);
  if (unknown.length > 0 && validation === "Strict") {
    throw badRequest(`${handled}: strict decoding error: ${unknown.join(", ")}`);
  }
  if (validation === "Warn") for (const text of unknown) warn(text);
  if (!resource.custom) {
    dropNulls(object);
    const wrong = validate(object, resource.schema).find((cause) => cause.reason === "FieldValueTypeInvalid");
    if (wrong) throw badRequest(`${handled}: json: cannot unmarshal: ${wrong.field}: ${wrong.message}`);
  }
  return object;
}

/** Fills in, in place, what the writer left to the server, and leaves out what says nothing. */
export function fillDefaults(resource: Resource, object: JsonObject): void {
  const { metadata } = object;
  if (isObject(metadata)) dropEmpty(metadata, ["labels", "annotations", "finalizers", "ownerReferences"]);
  if (!resource.custom && (resource.kind === "ConfigMap" || resource.kind === "Secret")) {
    dropEmpty(object, ["data", "binaryData"]);
  }
  if (resource.custom) {
    dropForbiddenNulls(object, resource.schema);
    applyDefaults(object, resource.schema);
  } else {
    applyBuiltinDefaults(resource.kind, object);
  }
}

/** Breaches after which the rules of a schema cannot be judged any more. */
const blocking = new Set(["FieldValueRequired", "FieldValueTypeInvalid", "FieldValueTooLong", "FieldValueTooMany"]);

const unchecked =
  "Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";

/** Throws a 422 that names every wrong field. `before` is what is stored now, for rules about what may change. */
export function checkObject(resource: Resource, object: JsonObject, before: JsonObject | undefined): void {
  const metadata = isObject(object.metadata) ? object.metadata : {};
  const name = typeof metadata.name === "string" ? metadata.name : "";
  const causes: Cause[] = [...nameBreach(resource, name), ...labelBreaches(metadata)];
  causes.push(...validate(object, resource.schema).filter((cause) => !isSettledElsewhere(cause)));
  if (!resource.custom) {
    if (causes.length === 0) causes.push(...builtinBreaches(resource.kind, object, before));
  } else if (!causes.some(({ reason }) => blocking.has(reason))) {
    causes.push(...checkRules(object, before, resource.schema));
  } else if (hasRules(resource.schema)) {
    causes.push({ reason: "FieldValueInvalid", message: unchecked, field: "<nil>" });
  }
  if (causes.length > 0) throw invalid(resource, name, causes);
}

/** Kubernetes' published schema calls some fields required that its own types may leave out. */
function isSettledElsewhere(cause: Cause): boolean {
  return cause.reason === "FieldValueRequired" && (cause.field ?? "").startsWith("status.");
}

function dropEmpty(object: JsonObject, fields: readonly string[]): void {
  for (const field of fields) {
    const value = object[field];
    if (typeof value === "object" && value !== null && Object.keys(value).length === 0) delete object[field];
  }
}
