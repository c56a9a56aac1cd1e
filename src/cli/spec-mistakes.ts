/** What is wrong with the shape of a spec, with the path of each mistake: unknown fields and wrong types. Pure. */
import { type DescField, type DescMessage, type JsonObject, type JsonValue, ScalarType } from "@bufbuild/protobuf";
import { findNearest } from "../base/nearest.ts";

export type Path = readonly (string | number)[];

export interface Mistake {
  readonly path: Path;
  /** As in "there is no such field; did you mean image?". */
  readonly says: string;
}

/** All mistakes, in the order in which they stand. Values that are of the right type and out of range are none. */
export function findMistakes(schema: DescMessage, value: JsonValue, path: Path): Mistake[] {
  // What stands for any JSON, such as a quantity, is not looked into.
  if (schema.typeName.startsWith("google.protobuf.")) return [];
  if (!isMap(value)) return [expected("a map", value, path)];
  return Object.entries(value).flatMap(([name, below]) => {
    const field = schema.fields.find(({ jsonName }) => jsonName === name);
    if (field) return below === null ? [] : inField(field, below, [...path, name]);
    const nearest = findNearest(
      name,
      schema.fields.map(({ jsonName }) => jsonName),
    );
    const says = `there is no such field${nearest ? `; did you mean ${nearest}?` : ""}`;
    return [{ path: [...path, name], says }];
  });
}

/** A path as people write it: spec.ports[0].containerPort. */
export function pathText(path: Path): string {
  return path.map((part, index) => (typeof part === "number" ? `[${part}]` : index === 0 ? part : `.${part}`)).join("");
}

function inField(field: DescField, value: JsonValue, path: Path): Mistake[] {
  if (field.fieldKind === "list") {
    if (!Array.isArray(value)) return [expected("a list", value, path)];
    return value.flatMap((item, index) => inItem(field, item, [...path, index]));
  }
  if (field.fieldKind === "map") {
    if (!isMap(value)) return [expected("a map", value, path)];
    return Object.entries(value).flatMap(([key, item]) => inItem(field, item, [...path, key]));
  }
  return inItem(field, value, path);
}

function inItem(field: DescField, value: JsonValue, path: Path): Mistake[] {
  if (field.message) return findMistakes(field.message, value, path);
  if (field.scalar === ScalarType.STRING && typeof value !== "string") {
    return [expected("a text; put it in quotes", value, path)];
  }
  if (field.scalar === ScalarType.BOOL && typeof value !== "boolean") return [expected("true or false", value, path)];
  const isWhole = typeof value === "number" && Number.isInteger(value);
  if (field.scalar === ScalarType.INT32 && !isWhole) return [expected("a whole number", value, path)];
  return [];
}

function expected(what: string, value: JsonValue, path: Path): Mistake {
  const text = JSON.stringify(value);
  return { path, says: `must be ${what} (it is ${text.length > 40 ? `${text.slice(0, 40)}…` : text})` };
}

/** What JSON calls an object. */
export function isMap(value: JsonValue): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
