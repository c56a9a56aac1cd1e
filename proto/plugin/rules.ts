/**
 * Rules of buf.validate as keywords of a structural schema. What has no counterpart that means exactly the same throws, because a
 * rule that holds in one place only is worse than none.
 */
import type { DescField } from "@bufbuild/protobuf";
import { isFieldSet, type Message } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { type FieldRules, FieldRulesSchema } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { type JsonSchema, UntranslatableError } from "./json-schema.ts";

/** What rules add to a field's own schema; whether the field must be there is its parent's to say. */
export interface TranslatedRules {
  schema: JsonSchema;
  items?: JsonSchema;
  values?: JsonSchema;
  required: boolean;
}

type Keyword = (value: never) => JsonSchema;

const stringKeywords: Record<string, Keyword> = {
  const: (value: string) => ({ enum: [value] }),
  len: (value: bigint) => ({ minLength: Number(value), maxLength: Number(value) }),
  min_len: (value: bigint) => ({ minLength: Number(value) }),
  max_len: (value: bigint) => ({ maxLength: Number(value) }),
  pattern: (pattern: string) => ({ pattern }),
  in: (values: Iterable<string>) => ({ enum: [...values] }),
  example: () => ({}),
};

const int32Keywords: Record<string, Keyword> = {
  const: (value: number) => ({ enum: [value] }),
  lt: (value: number) => ({ maximum: value, exclusiveMaximum: true }),
  lte: (value: number) => ({ maximum: value }),
  gt: (value: number) => ({ minimum: value, exclusiveMinimum: true }),
  gte: (value: number) => ({ minimum: value }),
  in: (values: Iterable<number>) => ({ enum: [...values] }),
  example: () => ({}),
};

const boolKeywords: Record<string, Keyword> = { const: (value: boolean) => ({ enum: [value] }), example: () => ({}) };

const repeatedKeywords: Record<string, Keyword> = {
  min_items: (value: bigint) => ({ minItems: Number(value) }),
  max_items: (value: bigint) => ({ maxItems: Number(value) }),
  items: () => ({}),
};

const mapKeywords: Record<string, Keyword> = {
  min_pairs: (value: bigint) => ({ minProperties: Number(value) }),
  max_pairs: (value: bigint) => ({ maxProperties: Number(value) }),
  values: () => ({}),
};

const keywordsByCase: Record<string, Record<string, Keyword>> = {
  string: stringKeywords,
  int32: int32Keywords,
  bool: boolKeywords,
  repeated: repeatedKeywords,
  map: mapKeywords,
};

/** `where` is the field's full name, for messages. */
export function translateRules(field: DescField, rules: FieldRules, where: string): TranslatedRules {
  for (const known of FieldRulesSchema.fields) {
    if (known.oneof || known.name === "required" || !isFieldSet(rules, known)) continue;
    const advice = known.name === "cel" ? "; put it on the message" : "";
    throw new UntranslatableError(where, `the rule \`${known.name}\` cannot be translated${advice}`);
  }
  const { type } = rules;
  const translated: TranslatedRules = { schema: {}, required: rules.required };
  if (type.case !== undefined) translated.schema = translateType(type.case, type.value, where);
  if (type.case === "repeated" && type.value.items) {
    translated.items = nested(field, type.value.items, `${where}.items`);
  }
  if (type.case === "map" && type.value.values) {
    translated.values = nested(field, type.value.values, `${where}.values`);
  }
  if (rules.required && field.fieldKind === "list") translated.schema.minItems ??= 1;
  if (rules.required && field.fieldKind === "map") translated.schema.minProperties ??= 1;
  return translated;
}

function nested(field: DescField, rules: FieldRules, where: string): JsonSchema {
  const { schema, items, values, required } = translateRules(field, rules, where);
  if (items || values || required) throw new UntranslatableError(where, "rules inside of rules inside of rules");
  return schema;
}

function translateType(kind: string, rules: Message, where: string): JsonSchema {
  const keywords = keywordsByCase[kind];
  if (!keywords) throw new UntranslatableError(where, `rules for ${kind} cannot be translated`);
  const view = reflect(schemaOf(kind, where), rules);
  const schema: JsonSchema = {};
  for (const rule of view.sortedFields) {
    const keyword = view.isSet(rule) ? keywords[rule.name] : undefined;
    if (!view.isSet(rule)) continue;
    if (!keyword) throw new UntranslatableError(where, `the rule \`${kind}.${rule.name}\` cannot be translated`);
    Object.assign(schema, keyword(view.get(rule) as never)); // Each keyword takes what its rule of that name holds.
  }
  checkRange(schema, where);
  return schema;
}

function schemaOf(kind: string, where: string) {
  const message = FieldRulesSchema.fields.find((field) => field.name === kind)?.message;
  if (!message) throw new UntranslatableError(where, `there are no rules for ${kind}`);
  return message;
}

/** In buf.validate a lower bound above the upper one means "outside of both", in OpenAPI "never". */
function checkRange(schema: JsonSchema, where: string): void {
  const { minimum, maximum } = schema;
  if (minimum !== undefined && maximum !== undefined && minimum > maximum) {
    throw new UntranslatableError(where, "a range that is turned inside out cannot be translated");
  }
}
