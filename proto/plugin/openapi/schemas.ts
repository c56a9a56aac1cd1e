/** Messages as JSON Schemas of what protobuf's JSON makes of them. */
import { type DescEnum, type DescField, type DescMessage, getOption, ScalarType } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import { getComments } from "@bufbuild/protoplugin";
import {
  field as fieldRules,
  message as messageRules,
  oneof as oneofRules,
} from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { UntranslatableError } from "../json-schema.ts";
import { type Constraints, constraintsOf, type Schema, sentence } from "./constraints.ts";

/** All messages and enums that these refer to, themselves among them, by full name. */
export function schemasOf(roots: readonly DescMessage[]): Record<string, Schema> {
  const schemas = new Map<string, Schema>();
  const visit = (type: DescMessage | DescEnum): void => {
    if (schemas.has(type.typeName) || wellKnown[type.typeName]) return;
    schemas.set(type.typeName, type.kind === "enum" ? enumSchema(type) : messageSchema(type));
    if (type.kind === "enum") return;
    for (const { message, enum: values } of type.fields) {
      if (message) visit(message);
      if (values) visit(values);
    }
  };
  for (const root of roots) visit(root);
  return Object.fromEntries([...schemas].sort(([a], [b]) => (a < b ? -1 : 1)));
}

export function refTo(type: DescMessage | DescEnum): Schema {
  return wellKnown[type.typeName] ?? { $ref: `#/components/schemas/${type.typeName}` };
}

/** The comment before a declaration, joined to paragraphs. */
export function wordsOf(declaration: Parameters<typeof getComments>[0]): string {
  const text = getComments(declaration).leading ?? "";
  const paragraphs = text.split(/\n\s*\n/).map((part) => part.replaceAll(/\s+/g, " ").trim());
  return paragraphs.filter((part) => part !== "").join("\n\n");
}

/** As protobuf's JSON has them. */
const wellKnown: Readonly<Record<string, Schema>> = {
  "google.protobuf.Value": { description: "Any JSON." },
  "google.protobuf.Struct": { type: "object", additionalProperties: true },
  "google.protobuf.ListValue": { type: "array", items: {} },
  "google.protobuf.Empty": { type: "object" },
  "google.protobuf.Timestamp": { type: "string", format: "date-time" },
  "google.protobuf.Duration": {
    type: "string",
    pattern: "^-?[0-9]+(\\.[0-9]{1,9})?s$",
    description: 'Such as "1.5s".',
  },
  "google.protobuf.FieldMask": { type: "string" },
  "google.protobuf.Any": {
    type: "object",
    properties: { "@type": { type: "string" } },
    required: ["@type"],
    additionalProperties: true,
  },
};

function messageSchema(message: DescMessage): Schema {
  if (message.typeName.startsWith("google.protobuf.")) {
    throw new UntranslatableError(message.typeName, "its form in JSON is not known here");
  }
  const rules = getOption(message, messageRules);
  const words = [
    wordsOf(message),
    ...rules.cel.map(({ message: said, expression }) => sentence(said || expression)),
    ...rules.celExpression.map(sentence),
  ];
  const required: string[] = [];
  const properties: Record<string, Schema> = {};
  for (const field of message.fields) {
    const constraints = constraintsOf(field, getOption(field, fieldRules));
    properties[field.jsonName] = fieldSchema(field, constraints);
    if (mustBeThere(field, constraints)) required.push(field.jsonName);
  }
  const choices = [
    ...message.oneofs
      .filter((oneof) => oneof.fields.length > 1)
      .map((oneof) => ({
        names: oneof.fields.map(({ jsonName }) => jsonName),
        required: getOption(oneof, oneofRules).required,
      })),
    ...rules.oneof.map((each) => ({
      names: each.fields.map((name) => jsonNameOf(message, name)),
      required: each.required,
    })),
  ];
  return {
    ...described(words),
    type: "object",
    ...(message.fields.length > 0 && { properties }),
    ...(required.length > 0 && { required }),
    ...(choices.length > 0 && { allOf: choices.map(choice) }),
  };
}

/** One of them at most, or exactly one. */
function choice({ names, required }: { names: string[]; required: boolean }): Schema {
  const each = names.map((name) => ({ required: [name] }));
  return { oneOf: required ? each : [...each, { not: { anyOf: each } }] };
}

function jsonNameOf(message: DescMessage, name: string): string {
  const field = message.fields.find((each) => each.name === name);
  if (!field) throw new UntranslatableError(message.typeName, `a rule names \`${name}\`, which it does not have`);
  return field.jsonName;
}

function fieldSchema(field: DescField, constraints: Constraints): Schema {
  const { schema, entries, keys, words, exceptZero } = constraints;
  const value = jsonOf(field);
  const about = described([wordsOf(field), ...words]);
  const deprecated = field.deprecated ? { deprecated: true } : {};
  switch (field.fieldKind) {
    case "list":
      return {
        ...about,
        ...deprecated,
        type: "array",
        items: joined(value, entries),
        ...schema,
        ...least(field, constraints),
      };
    case "map": {
      const named = Object.keys(keys).length > 0 ? { propertyNames: keys } : {};
      const rest = { ...named, additionalProperties: joined(value, entries), ...schema, ...least(field, constraints) };
      return { ...about, ...deprecated, type: "object", ...rest };
    }
    default: {
      const own = joined(value, { ...schema, ...least(field, constraints) });
      const zero = field.enum ? field.enum.values[0]?.name : zeroOf(field);
      return { ...about, ...deprecated, ...(exceptZero ? { anyOf: [{ const: zero }, own] } : own) };
    }
  }
}

/** What is required may not be its zero value where that is the same as nothing. */
function least(field: DescField, { schema, required }: Constraints): Schema {
  if (!required) return {};
  if (field.fieldKind === "list") return { minItems: 1, ...schema };
  if (field.fieldKind === "map") return { minProperties: 1, ...schema };
  if (field.presence !== FeatureSet_FieldPresence.IMPLICIT) return {};
  if (field.fieldKind === "enum") return { not: { const: field.enum.values[0]?.name } };
  const isText = field.scalar === ScalarType.STRING || field.scalar === ScalarType.BYTES;
  return isText ? { minLength: 1, ...schema } : { not: { const: zeroOf(field) } };
}

/** Whether a message without it is refused: because the rules say so, or because its zero value breaks them. */
function mustBeThere(field: DescField, { required, schema, exceptZero }: Constraints): boolean {
  if (required) return true;
  if (exceptZero || field.oneof) return false;
  if (field.fieldKind === "list") return Number(schema.minItems ?? 0) > 0;
  if (field.fieldKind === "map") return Number(schema.minProperties ?? 0) > 0;
  if (field.presence !== FeatureSet_FieldPresence.IMPLICIT) return false;
  const zero = field.enum ? field.enum.values[0]?.name : zeroOf(field);
  const { const: only, enum: some, pattern, minLength = 0, minimum = 0, exclusiveMinimum = -1 } = schema;
  if (only !== undefined) return only !== zero;
  if (Array.isArray(some)) return !some.includes(zero);
  if (typeof pattern === "string" && !new RegExp(pattern, "u").test("")) return true;
  return Number(minLength) > 0 || Number(minimum) > 0 || Number(exclusiveMinimum) >= 0;
}

function zeroOf(field: DescField): unknown {
  switch (field.scalar) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return "";
    case ScalarType.BOOL:
      return false;
    case ScalarType.INT64:
    case ScalarType.UINT64:
      return "0";
    default:
      return 0;
  }
}

function jsonOf(field: DescField): Schema {
  if (field.message) return refTo(field.message);
  if (field.enum) return refTo(field.enum);
  switch (field.scalar) {
    case ScalarType.STRING:
      return { type: "string" };
    case ScalarType.BOOL:
      return { type: "boolean" };
    case ScalarType.BYTES:
      return { type: "string", contentEncoding: "base64" };
    case ScalarType.INT32:
      return { type: "integer", format: "int32" };
    case ScalarType.UINT32:
      return { type: "integer", minimum: 0, maximum: 2 ** 32 - 1 };
    case ScalarType.INT64:
      return { type: "string", format: "int64", pattern: "^-?[0-9]{1,19}$" };
    case ScalarType.UINT64:
      return { type: "string", format: "uint64", pattern: "^[0-9]{1,20}$" };
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return { type: "number" };
    default:
      throw new UntranslatableError(`${field.parent.typeName}.${field.name}`, "its form in JSON is not known here");
  }
}

function enumSchema(type: DescEnum): Schema {
  const told = type.values
    .map((value) => ({ name: value.name, words: wordsOf(value) }))
    .filter(({ words }) => words !== "");
  const list = told.map(({ name, words }) => `* \`${name}\`: ${words}`).join("\n");
  return { ...described([wordsOf(type), list]), type: "string", enum: type.values.map(({ name }) => name) };
}

/** What a value is, with what rules say of it; a reference stays one. */
function joined(value: Schema, rules: Schema): Schema {
  return { ...value, ...rules };
}

function described(words: readonly string[]): Schema {
  const description = words.filter((text) => text !== "").join("\n\n");
  return description === "" ? {} : { description };
}
