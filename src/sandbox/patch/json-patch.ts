/** RFC 6902. */
import { clone, equal, isObject } from "../json.ts";
import { badRequest, StatusError } from "../status-error.ts";

/** The document after all operations, or an error when one of them cannot be done: then none is. */
export function jsonPatch(document: unknown, operations: unknown): unknown {
  if (!Array.isArray(operations)) throw badRequest("a JSON patch is a list of operations");
  let result = clone(document);
  for (const operation of operations) {
    if (!isObject(operation) || typeof operation.path !== "string")
      throw badRequest("each operation of a JSON patch needs op and path");
    result = perform(result, operation, pointer(operation.path));
  }
  return result;
}

function perform(document: unknown, operation: Record<string, unknown>, path: readonly string[]): unknown {
  switch (operation.op) {
    case "add":
      return edit(
        document,
        path,
        (parent, key) => insert(parent, key, clone(operation.value)),
        () => clone(operation.value),
      );
    case "remove":
      return edit(document, path, remove, () => null);
    case "replace":
      read(document, path);
      return edit(
        document,
        path,
        (parent, key) => assign(parent, key, clone(operation.value)),
        () => clone(operation.value),
      );
    case "test":
      if (!equal(read(document, path), operation.value))
        throw unprocessable(`testing value ${String(operation.path)} failed`);
      return document;
    case "move":
    case "copy": {
      const from = pointer(String(operation.from));
      const value = clone(read(document, from));
      const source = operation.op === "move" ? edit(document, from, remove, () => null) : document;
      return edit(
        source,
        path,
        (parent, key) => insert(parent, key, value),
        () => value,
      );
    }
    default:
      throw badRequest(`unknown operation ${JSON.stringify(operation.op)} in a JSON patch`);
  }
}

function pointer(text: string): string[] {
  if (text === "") return [];
  if (!text.startsWith("/")) throw badRequest(`${JSON.stringify(text)} is not a JSON pointer`);
  return text
    .slice(1)
    .split("/")
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

type Container = unknown[] | Record<string, unknown>;

function edit(
  document: unknown,
  path: readonly string[],
  change: (parent: Container, key: string) => void,
  whole: () => unknown,
): unknown {
  const key = path.at(-1);
  if (key === undefined) return whole();
  const parent = read(document, path.slice(0, -1));
  if (!Array.isArray(parent) && !isObject(parent)) throw missing(path);
  change(parent, key);
  return document;
}

function read(document: unknown, path: readonly string[]): unknown {
  let here = document;
  for (const key of path) {
    here = Array.isArray(here) ? here[position(here, key)] : isObject(here) ? here[key] : undefined;
    if (here === undefined) throw missing(path);
  }
  return here;
}

function position(list: readonly unknown[], key: string): number {
  return key === "-" ? list.length : Number(key);
}

function insert(parent: Container, key: string, value: unknown): void {
  if (!Array.isArray(parent)) parent[key] = value;
  else {
    const index = position(parent, key);
    if (!Number.isInteger(index) || index < 0 || index > parent.length) throw missing([key]);
    parent.splice(index, 0, value);
  }
}

function assign(parent: Container, key: string, value: unknown): void {
  if (Array.isArray(parent)) parent[position(parent, key)] = value;
  else parent[key] = value;
}

function remove(parent: Container, key: string): void {
  if (Array.isArray(parent)) {
    if (parent[position(parent, key)] === undefined) throw missing([key]);
    parent.splice(position(parent, key), 1);
  } else if (key in parent) delete parent[key];
  else throw missing([key]);
}

function missing(path: readonly string[]): StatusError {
  return unprocessable(
    `the server rejected our request due to an error in our request: no value at /${path.join("/")}`,
  );
}

function unprocessable(message: string): StatusError {
  return new StatusError(422, "Invalid", message);
}
