/** A protobuf message as a structural schema: the same JSON is valid for both, or the generation fails. */
import { type DescField, type DescMessage, getOption, hasOption, ScalarType } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import { getComments } from "@bufbuild/protoplugin";
import { field as fieldRules, message as messageRules } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import {
  type FieldOptions,
  field as fieldOption,
  kubernetes as kubernetesOption,
} from "../../src/gen/fairlead/resources/v1alpha1/options_pb.ts";
import { translateExpression, translateOneof } from "./expression.ts";
import { intOrString, type JsonSchema, quantity, UntranslatableError, type Validation } from "./json-schema.ts";
import type { Published, PublishedSchema } from "./published.ts";
import { type TranslatedRules, translateRules } from "./rules.ts";

/** `above` are the messages that contain this one: a structural schema cannot contain itself. */
export function messageSchema(
  message: DescMessage,
  published: Published,
  above: readonly DescMessage[] = [],
): JsonSchema {
  if (above.includes(message)) throw new UntranslatableError(message.typeName, "the message contains itself");
  const model = readModel(message, published);
  const properties: Record<string, JsonSchema> = {};
  const required: string[] = [];
  for (const field of message.fields) {
    const rules = translateRules(field, getOption(field, fieldRules), nameOf(field));
    checkPresence(field);
    properties[field.jsonName] = fieldSchema(field, rules, published, model, [...above, message]);
    if (rules.required || model?.required?.includes(field.jsonName)) required.push(field.jsonName);
  }
  const validations = readValidations(message);
  return {
    type: "object",
    properties,
    ...(required.length > 0 ? { required } : {}),
    ...(validations.length > 0 ? { "x-kubernetes-validations": validations } : {}),
  };
}

/** The text before a declaration, joined to paragraphs. */
export function describe(declaration: DescMessage | DescField): string {
  const text = getComments(declaration).leading ?? "";
  const paragraphs = text.split(/\n\s*\n/).map((part) => part.replaceAll(/\s+/g, " ").trim());
  return paragraphs.filter((part) => part !== "").join("\n\n");
}

function readModel(message: DescMessage, published: Published): PublishedSchema | undefined {
  if (!hasOption(message, kubernetesOption)) return undefined;
  return published.definition(getOption(message, kubernetesOption), message.typeName);
}

/** Without presence a 0 could not be told from nothing, and `replicas: 0` would come back as the default. */
function checkPresence(field: DescField): void {
  if (field.fieldKind === "list" || field.fieldKind === "map" || field.presence !== FeatureSet_FieldPresence.IMPLICIT)
    return;
  throw new UntranslatableError(nameOf(field), "the field has no explicit presence; make it `optional`");
}

function fieldSchema(
  field: DescField,
  rules: TranslatedRules,
  published: Published,
  model: PublishedSchema | undefined,
  above: readonly DescMessage[],
): JsonSchema {
  const options = getOption(field, fieldOption);
  const schema = {
    ...shapeOf(field, options, rules, published, above),
    ...rules.schema,
    ...readDefault(field, options),
  };
  if (options.format) schema.format = options.format;
  const known = model ? readKnown(field, schema, model, published) : undefined;
  const description = describe(field) || known?.description || (field.message && describe(field.message));
  return { ...(description ? { description } : {}), ...known?.kept, ...schema };
}

function shapeOf(
  field: DescField,
  options: FieldOptions,
  rules: TranslatedRules,
  published: Published,
  above: readonly DescMessage[],
): JsonSchema {
  const one = (): JsonSchema => valueSchema(field, options, published, above);
  if (field.fieldKind === "list") {
    return { type: "array", items: { ...one(), ...rules.items }, ...listType(field, options) };
  }
  if (field.fieldKind !== "map") return one();
  if (field.mapKey !== ScalarType.STRING)
    throw new UntranslatableError(nameOf(field), "the keys of a map must be strings");
  return { type: "object", additionalProperties: { ...one(), ...rules.values } };
}

function listType(field: DescField, options: FieldOptions): JsonSchema {
  const keys = options.listMapKeys;
  if (keys.length > 0) {
    const missing = options.kubernetes
      ? undefined
      : keys.find((key) => !field.message?.fields.some(({ jsonName }) => jsonName === key));
    if (missing) throw new UntranslatableError(nameOf(field), `its entries have no field ${missing}`);
    return { "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys };
  }
  if (!options.listSet) return { "x-kubernetes-list-type": "atomic" };
  if (field.message) throw new UntranslatableError(nameOf(field), "only scalars make a set");
  return { "x-kubernetes-list-type": "set" };
}

/** The schema of the field's value, or of one entry of its list or map. */
function valueSchema(
  field: DescField,
  options: FieldOptions,
  published: Published,
  above: readonly DescMessage[],
): JsonSchema {
  if (field.enum)
    throw new UntranslatableError(nameOf(field), "enums print as SCREAMING names; use a string with `in`");
  if (!field.message) return scalarSchema(field);
  switch (field.message.typeName) {
    case "google.protobuf.Value":
      if (options.quantity) return quantity();
      if (options.intOrString) return intOrString();
      throw new UntranslatableError(nameOf(field), "a Value must say `int_or_string` or `quantity`");
    case "google.protobuf.Struct": {
      if (!options.kubernetes)
        throw new UntranslatableError(nameOf(field), "a Struct must say what it is by `kubernetes`");
      return published.fragment(options.kubernetes, nameOf(field), options.listMapKeys);
    }
    case "google.protobuf.Duration":
      throw new UntranslatableError(nameOf(field), 'a Duration refuses "24h"; use a string or seconds');
    default:
      if (field.message.typeName.startsWith("google.protobuf.")) {
        throw new UntranslatableError(nameOf(field), `${field.message.typeName} does not print as it was read`);
      }
      return messageSchema(field.message, published, above);
  }
}

function scalarSchema(field: DescField): JsonSchema {
  switch (field.scalar) {
    case ScalarType.STRING:
      return { type: "string" };
    case ScalarType.BOOL:
      return { type: "boolean" };
    case ScalarType.INT32:
      return { type: "integer", format: "int32" };
    case ScalarType.INT64:
    case ScalarType.UINT64:
    case ScalarType.SINT64:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      throw new UntranslatableError(nameOf(field), "64-bit integers print as strings; use int32");
    default:
      throw new UntranslatableError(
        nameOf(field),
        "of the scalars only string, bool and int32 print as Kubernetes reads them",
      );
  }
}

function readDefault(field: DescField, options: FieldOptions): { default?: unknown } {
  const { case: kind, value } = options.default;
  if (kind === undefined) return {};
  const wanted = {
    defaultInteger: ScalarType.INT32,
    defaultString: ScalarType.STRING,
    defaultBoolean: ScalarType.BOOL,
  }[kind];
  if (field.fieldKind !== "scalar" || field.scalar !== wanted) {
    throw new UntranslatableError(nameOf(field), "the default has another type than the field");
  }
  return { default: value };
}

/** What Kubernetes says of the same field. Our field must be one that it has, with the type that it has there. */
function readKnown(
  field: DescField,
  schema: JsonSchema,
  model: PublishedSchema,
  published: Published,
): { description?: string | undefined; kept: JsonSchema } {
  const theirs = model.properties?.[field.jsonName];
  if (!theirs) throw new UntranslatableError(nameOf(field), "Kubernetes' published definition has no such field");
  const known = published.structural(theirs, nameOf(field));
  if (!fits(schema, known)) {
    throw new UntranslatableError(
      nameOf(field),
      `Kubernetes has ${JSON.stringify(shapeOnly(known))} where this is ${JSON.stringify(shapeOnly(schema))}`,
    );
  }
  const { pattern, format } = known;
  const kept = { ...(pattern ? { pattern } : {}), ...(format && known.type === "string" ? { format } : {}) };
  return { description: known.description, kept };
}

function fits(ours: JsonSchema, theirs: JsonSchema): boolean {
  if (ours.type !== theirs.type || ours["x-kubernetes-int-or-string"] !== theirs["x-kubernetes-int-or-string"])
    return false;
  if (ours.items && theirs.items && !fits(ours.items, theirs.items)) return false;
  const [a, b] = [ours.additionalProperties, theirs.additionalProperties];
  return (a === undefined) === (b === undefined) && (!a || !b || fits(a, b));
}

function shapeOnly(schema: JsonSchema): unknown {
  if (schema["x-kubernetes-int-or-string"]) return "int-or-string";
  if (schema.items) return [shapeOnly(schema.items)];
  return schema.additionalProperties ? { "*": shapeOnly(schema.additionalProperties) } : (schema.type ?? "anything");
}

function readValidations(message: DescMessage): Validation[] {
  const rules = getOption(message, messageRules);
  if (rules.celExpression.length > 0)
    throw new UntranslatableError(message.typeName, "write the rule as `cel`, with its message");
  const oneofs = message.oneofs.filter((oneof) => oneof.fields.length > 1);
  return [
    ...rules.cel.map((rule) => translateExpression(message, rule.expression, rule.message)),
    ...oneofs.map((oneof) =>
      translateOneof(
        oneof.fields.map((field) => field.jsonName),
        false,
      ),
    ),
    ...rules.oneof.map((rule) => translateOneof(jsonNames(message, rule.fields), rule.required)),
  ];
}

function jsonNames(message: DescMessage, names: readonly string[]): string[] {
  return names.map((name) => {
    const field = message.fields.find((each) => each.name === name);
    if (!field) throw new UntranslatableError(message.typeName, `a rule names \`${name}\`, which it does not have`);
    return field.jsonName;
  });
}

function nameOf(field: DescField): string {
  return `${field.parent.typeName}.${field.name}`;
}
