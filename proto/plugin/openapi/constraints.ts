/**
 * Rules of buf.validate as keywords of JSON Schema 2020-12, as they hold for the JSON of a message. What JSON Schema has no word for is
 * told in words. A rule that is not known here fails the generation, so that somebody decides.
 */
import { type DescField, isFieldSet, type Message } from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { type FieldRules, FieldRulesSchema, Ignore } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { UntranslatableError } from "../json-schema.ts";

export interface Schema {
  [keyword: string]: unknown;
}

export interface Constraints {
  /** Of the field itself. */
  readonly schema: Schema;
  /** Of the entries of a list, or the values of a map. */
  readonly entries: Schema;
  /** Of the keys of a map. */
  readonly keys: Schema;
  /** What has no keyword, a sentence each. */
  readonly words: readonly string[];
  readonly required: boolean;
  /** Whether the rules do not hold for the zero value. */
  readonly exceptZero: boolean;
}

type Keyword = (value: never) => Schema | string;

const none: Constraints = { schema: {}, entries: {}, keys: {}, words: [], required: false, exceptZero: false };

const numbers: Record<string, Keyword> = {
  const: (value: number) => ({ const: value }),
  lt: (value: number) => ({ exclusiveMaximum: value }),
  lte: (value: number) => ({ maximum: value }),
  gt: (value: number) => ({ exclusiveMinimum: value }),
  gte: (value: number) => ({ minimum: value }),
  in: (values: Iterable<number>) => ({ enum: [...values] }),
  example: () => ({}),
};

/** Such numbers are strings in JSON, so their bounds are words. */
const longNumbers: Record<string, Keyword> = {
  const: (value: bigint) => ({ const: String(value) }),
  lt: (value: bigint) => `Less than ${value}.`,
  lte: (value: bigint) => `At most ${value}.`,
  gt: (value: bigint) => `More than ${value}.`,
  gte: (value: bigint) => `At least ${value}.`,
  in: (values: Iterable<bigint>) => ({ enum: [...values].map(String) }),
  example: () => ({}),
};

/** Characters of base64 for so many bytes. */
const base64 = (bytes: bigint): number => Math.ceil(Number(bytes) / 3) * 4;

const tables: Record<string, Record<string, Keyword>> = {
  string: {
    const: (value: string) => ({ const: value }),
    len: (value: bigint) => ({ minLength: Number(value), maxLength: Number(value) }),
    min_len: (value: bigint) => ({ minLength: Number(value) }),
    max_len: (value: bigint) => ({ maxLength: Number(value) }),
    // A character is at least one byte.
    max_bytes: (value: bigint) => ({ maxLength: Number(value) }),
    pattern: (pattern: string) => ({ pattern }),
    prefix: (value: string) => `Begins with "${value}".`,
    in: (values: Iterable<string>) => ({ enum: [...values] }),
    not_in: (values: Iterable<string>) => ({ not: { enum: [...values] } }),
    email: () => ({ format: "email" }),
    hostname: () => ({ format: "hostname" }),
    ip: () => "An IP address.",
    uri: () => ({ format: "uri" }),
    uuid: () => ({ format: "uuid" }),
    example: () => ({}),
  },
  int32: numbers,
  uint32: numbers,
  double: numbers,
  int64: longNumbers,
  uint64: longNumbers,
  bool: { const: (value: boolean) => ({ const: value }), example: () => ({}) },
  bytes: {
    // Padding may be left out.
    len: (value: bigint) => ({ maxLength: base64(value), minLength: Math.max(0, base64(value) - 2) }),
    min_len: (value: bigint) => ({ minLength: Math.max(0, base64(value) - 2) }),
    max_len: (value: bigint) => ({ maxLength: base64(value) }),
    example: () => ({}),
  },
  // Which values there are, the field's own schema says by name; that no other number counts is so anyway.
  enum: { defined_only: () => ({}), example: () => ({}) },
  repeated: {
    min_items: (value: bigint) => ({ minItems: Number(value) }),
    max_items: (value: bigint) => ({ maxItems: Number(value) }),
    unique: (value: boolean) => (value ? { uniqueItems: true } : {}),
    items: () => ({}),
  },
  map: {
    min_pairs: (value: bigint) => ({ minProperties: Number(value) }),
    max_pairs: (value: bigint) => ({ maxProperties: Number(value) }),
    keys: () => ({}),
    values: () => ({}),
  },
};

export function constraintsOf(field: DescField, rules: FieldRules): Constraints {
  return read(field, rules, `${field.parent.typeName}.${field.name}`);
}

function read(field: DescField, rules: FieldRules, where: string): Constraints {
  if (rules.ignore === Ignore.ALWAYS) return none;
  const known = new Set(["required", "ignore", "cel", "cel_expression"]);
  for (const rule of FieldRulesSchema.fields) {
    if (rule.oneof || known.has(rule.name) || !isFieldSet(rules, rule)) continue;
    throw new UntranslatableError(where, `the rule \`${rule.name}\` is not known here`);
  }
  const { type } = rules;
  const translated = type.case === undefined ? none : readType(field, type.case, type.value, where);
  const inside = (each: FieldRules | undefined, what: string): Constraints =>
    each ? read(field, each, `${where}.${what}`) : none;
  const entries = inside(
    type.case === "repeated" ? type.value.items : type.case === "map" ? type.value.values : undefined,
    "entries",
  );
  const keys = inside(type.case === "map" ? type.value.keys : undefined, "keys");
  return {
    schema: translated.schema,
    entries: entries.schema,
    keys: keys.schema,
    words: [
      ...translated.words,
      ...[...entries.words, ...keys.words],
      ...rules.cel.map(({ message, expression }) => sentence(message || expression)),
      ...rules.celExpression.map(sentence),
    ],
    required: rules.required,
    exceptZero: rules.ignore === Ignore.IF_ZERO_VALUE,
  };
}

function readType(
  field: DescField,
  kind: string,
  rules: Message,
  where: string,
): Pick<Constraints, "schema" | "words"> {
  const desc = FieldRulesSchema.fields.find(({ name }) => name === kind)?.message;
  const table = tables[kind];
  if (!desc || !table) throw new UntranslatableError(where, `rules for ${kind} are not known here`);
  const view: ReflectMessage = reflect(desc, rules);
  const schema: Schema = {};
  const words: string[] = [];
  for (const rule of view.sortedFields) {
    if (!view.isSet(rule)) continue;
    const named = kind === "enum" ? enumKeyword(field, rule.name) : undefined;
    const keyword = named ?? table[rule.name];
    if (!keyword) throw new UntranslatableError(where, `the rule \`${kind}.${rule.name}\` is not known here`);
    const translated = keyword(view.get(rule) as never); // Each keyword takes what its rule of that name holds.
    if (typeof translated === "string") words.push(translated);
    else Object.assign(schema, translated);
  }
  return { schema, words };
}

/** Rules say numbers of an enum, and JSON its names. */
function enumKeyword(field: DescField, rule: string): Keyword | undefined {
  const name = (number: number): string => field.enum?.value[number]?.name ?? String(number);
  if (rule === "const") return (value: number) => ({ const: name(value) });
  if (rule === "in") return (values: Iterable<number>) => ({ enum: [...values].map(name) });
  if (rule === "not_in") return (values: Iterable<number>) => ({ not: { enum: [...values].map(name) } });
  return undefined;
}

/** With a capital and a full stop. */
export function sentence(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`.replace(/[^.]$/, "$&.");
}
