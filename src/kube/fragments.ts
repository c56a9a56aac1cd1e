/**
 * Judges the fragments of Kubernetes' objects in one of our resources by the schema that this agent was built with. Where an API
 * server drops what it does not know, a pod would run with less than was asked for. Pure.
 */
import { type DescField, type DescMessage, getOption } from "@bufbuild/protobuf";
import { field as fieldOption } from "../gen/fairlead/resources/v1alpha1/options_pb.ts";
import { fragments } from "../gen/kubernetes/fragments.ts";
import { isJsonObject, type JsonValue } from "./object.ts";

export interface FragmentProblem {
  /** As in JSON, such as `containers[0].livenessProbe`. */
  readonly path: string;
  readonly rule: "unknown-field" | "type" | "required" | "unique";
  readonly message: string;
}

/** What is wrong with the fragments in the JSON of a message, each with its path after `path`. */
export function fragmentProblems(schema: DescMessage, json: JsonValue, path = ""): FragmentProblem[] {
  if (!isJsonObject(json)) return [];
  return schema.fields.flatMap((field) => {
    const value = Object.hasOwn(json, field.jsonName) ? json[field.jsonName] : undefined;
    return value === undefined ? [] : problemsOfField(field, value, within(path, field.jsonName));
  });
}

function problemsOfField(field: DescField, value: JsonValue, path: string): FragmentProblem[] {
  const { message } = field;
  if (!message) return [];
  if (message.typeName === "google.protobuf.Struct") {
    const { kubernetes = "", listMapKeys } = getOption(field, fieldOption);
    const type = field.fieldKind === "list" ? listOf(kubernetes, listMapKeys) : kubernetes;
    return problemsOf(type, value, path);
  }
  if (message.typeName.startsWith("google.protobuf.")) return [];
  // What is no list or no map where there should be one is told by whoever makes the message of it.
  if (field.fieldKind === "list") {
    return Array.isArray(value)
      ? value.flatMap((item, index) => fragmentProblems(message, item, `${path}[${index}]`))
      : [];
  }
  if (field.fieldKind === "map") {
    if (!isJsonObject(value)) return [];
    return Object.entries(value).flatMap(([key, item]) => fragmentProblems(message, item, `${path}[${key}]`));
  }
  return fragmentProblems(message, value, path);
}

function listOf(type: string, keys: readonly string[]): string {
  return `list${keys.length > 0 ? `[${keys.join(",")}]` : ""} ${type}`;
}

/** `type` as in `fragments`. */
function problemsOf(type: string, value: JsonValue, path: string): FragmentProblem[] {
  const space = type.indexOf(" ");
  const [word, rest] = space < 0 ? [type, ""] : [type.slice(0, space), type.slice(space + 1)];
  if (word.startsWith("list")) {
    if (!Array.isArray(value)) return [wrong(path, "must be a list")];
    const keys = word.slice("list[".length, -1);
    const items = value.flatMap((item, index) => problemsOf(rest, item, `${path}[${index}]`));
    return keys === "" ? items : [...items, ...twice(value, keys.split(","), path)];
  }
  if (word === "map") {
    if (!isJsonObject(value)) return [wrong(path, "must be an object")];
    return Object.entries(value).flatMap(([key, item]) =>
      // As a key of an object of ours it would be no entry, but its prototype.
      key === "__proto__" ? [unknown(`${path}.${key}`)] : problemsOf(rest, item, `${path}[${key}]`),
    );
  }
  if (word === "enum") {
    const known = rest.split("|");
    const isKnown = typeof value === "string" && known.includes(value);
    return isKnown ? [] : [wrong(path, `must be one of ${known.filter((each) => each !== "").join(", ")}`)];
  }
  const judge = scalars[word];
  if (judge) return judge.holds(value) ? [] : [wrong(path, judge.message)];
  return problemsOfObject(word, value, path);
}

function problemsOfObject(name: string, value: JsonValue, path: string): FragmentProblem[] {
  const definition = fragments[name];
  if (!definition) throw new Error(`There is no definition ${name}.`);
  if (!isJsonObject(value)) return [wrong(path, "must be an object")];
  const { fields, required = [] } = definition;
  const missing = required.filter((field) => !Object.hasOwn(value, field));
  return [
    ...missing.map((field) => problem(within(path, field), "required", "is required")),
    ...Object.entries(value).flatMap(([field, item]) => {
      const type = Object.hasOwn(fields, field) ? fields[field] : undefined;
      return type === undefined ? [unknown(within(path, field))] : problemsOf(type, item, within(path, field));
    }),
  ];
}

const scalars: Readonly<Record<string, { holds(value: JsonValue): boolean; message: string }>> = {
  string: { holds: (value) => typeof value === "string", message: "must be a text" },
  boolean: { holds: (value) => typeof value === "boolean", message: "must be true or false" },
  number: { holds: (value) => typeof value === "number", message: "must be a number" },
  int32: {
    holds: (value) => isWhole(value) && Math.abs(value) < 2 ** 31,
    message: "must be a whole number of 32 bits",
  },
  int64: { holds: isWhole, message: "must be a whole number" },
  // Whether it is one is asked when it is counted; Kubernetes takes `cpu: 1` and `cpu: "1"`.
  quantity: {
    holds: (value) => typeof value === "string" || typeof value === "number",
    message: "must be a quantity such as 500m, 1 or 256Mi",
  },
  "int-or-string": {
    holds: (value) => typeof value === "string" || isWhole(value),
    message: "must be a whole number or a text",
  },
};

function isWhole(value: JsonValue): value is number {
  return Number.isSafeInteger(value);
}

function twice(items: readonly JsonValue[], keys: readonly string[], path: string): FragmentProblem[] {
  const seen = new Set<string>();
  return items.flatMap((item, index) => {
    if (!isJsonObject(item)) return [];
    const values = keys.map((key) => (Object.hasOwn(item, key) ? item[key] : defaults[key]));
    // Of a wrong type, and told as such; as deep as anybody likes.
    if (values.some((value) => typeof value === "object")) return [];
    const face = JSON.stringify(values);
    if (!seen.has(face)) {
      seen.add(face);
      return [];
    }
    const at = `${path}[${index}].${keys[0]}`;
    return [problem(at, "unique", `there are two with ${keys.join(" and ")} ${values.join(" and ")}`)];
  });
}

/** Of fields by which entries of lists are told apart, those that need not be stated. */
const defaults: Readonly<Record<string, string>> = { protocol: "TCP" };

function within(path: string, field: string): string {
  return path === "" ? field : `${path}.${field}`;
}

function unknown(path: string): FragmentProblem {
  return problem(path, "unknown-field", "unknown field");
}

function wrong(path: string, message: string): FragmentProblem {
  return problem(path, "type", message);
}

function problem(path: string, rule: FragmentProblem["rule"], message: string): FragmentProblem {
  return { path, rule, message };
}
