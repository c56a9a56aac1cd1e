/** Which item of a list is which, for lists of a pod's kind that an API server merges item by item. Pure. */
import { isJsonObject, type JsonValue } from "../../kube/object.ts";

/** The fields that tell one item from another, the first of them that an item has. */
const keys = ["mountPath", "devicePath", "name", "containerPort", "port"] as const;

/** The same item in another list, by what it is called, or by its place where it is called nothing. */
export function counterpart(item: JsonValue, index: number, list: readonly JsonValue[]): JsonValue | undefined {
  const name = nameOf(item);
  return name === undefined ? list[index] : list.find((other) => nameOf(other) === name);
}

/** How it is called in a path. */
export function placeOf(item: JsonValue, index: number): string {
  return `[${nameOf(item) ?? index}]`;
}

function nameOf(item: JsonValue): string | undefined {
  if (!isJsonObject(item)) return undefined;
  const key = keys.find((name) => typeof item[name] === "string" || typeof item[name] === "number");
  if (key === undefined) return undefined;
  const protocol = key === "containerPort" || key === "port" ? `/${item.protocol ?? "TCP"}` : "";
  return `${item[key]}${protocol}`;
}

/** What an API server may leave out and mean the same. */
export function saysNothing(value: JsonValue | undefined): boolean {
  if (Array.isArray(value)) return value.length === 0;
  if (isJsonObject(value)) return Object.keys(value).length === 0;
  return value === undefined || value === null || value === "" || value === 0 || value === false;
}
