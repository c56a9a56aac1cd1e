/**
 * Sets of field paths and their form in `managedFields` (FieldsV1). A path is a list of elements in FieldsV1's own
 * words: `f:name` for a field, `k:{"name":"web"}` for the item of a list with keys, `v:"x"` for the member of a set.
 */
import { isObject, type JsonObject } from "../json.ts";

export type FieldPath = readonly string[];

const separator = "\u0000";

export class FieldSet {
  readonly #paths = new Map<string, FieldPath>();

  static of(paths: Iterable<FieldPath>): FieldSet {
    const set = new FieldSet();
    for (const path of paths) set.add(path);
    return set;
  }

  /** Reads the trie of a managedFields entry. */
  static parse(trie: unknown): FieldSet {
    const set = new FieldSet();
    const walk = (node: unknown, path: FieldPath): void => {
      if (!isObject(node)) return;
      const keys = Object.keys(node);
      if (path.length > 0 && (keys.length === 0 || "." in node)) set.add(path);
      for (const key of keys) if (key !== ".") walk(node[key], [...path, key]);
    };
    walk(trie, []);
    return set;
  }

  get size(): number {
    return this.#paths.size;
  }

  add(path: FieldPath): void {
    this.#paths.set(path.join(separator), path);
  }

  has(path: FieldPath): boolean {
    return this.#paths.has(path.join(separator));
  }

  [Symbol.iterator](): IterableIterator<FieldPath> {
    return this.#paths.values();
  }

  union(other: FieldSet): FieldSet {
    return FieldSet.of([...this, ...other]);
  }

  minus(other: FieldSet): FieldSet {
    return this.filter((path) => !other.has(path));
  }

  intersect(other: FieldSet): FieldSet {
    return this.filter((path) => other.has(path));
  }

  filter(keep: (path: FieldPath) => boolean): FieldSet {
    return FieldSet.of([...this].filter(keep));
  }

  equals(other: FieldSet): boolean {
    return this.size === other.size && this.minus(other).size === 0;
  }

  /** The trie, with sorted keys. A path that also has paths below it is marked by ".". */
  toTrie(): JsonObject {
    const root: JsonObject = {};
    const isMember = new WeakSet<JsonObject>();
    for (const path of [...this].sort(byElement)) {
      let node = root;
      for (const element of path) {
        const next = node[element];
        if (isObject(next)) node = next;
        else {
          if (isMember.has(node)) node["."] = {};
          const made: JsonObject = {};
          node[element] = made;
          node = made;
        }
      }
      isMember.add(node);
    }
    return root;
  }
}

function byElement(a: FieldPath, b: FieldPath): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const [x = "", y = ""] = [a[i], b[i]];
    if (x !== y) return x < y ? -1 : 1;
  }
  return a.length - b.length;
}

/** A path for people: `.spec.template.spec.containers[name="web"].image`. */
export function describePath(path: FieldPath): string {
  return path
    .map((element) => {
      const content = element.slice(2);
      if (element.startsWith("f:")) return `.${content}`;
      if (element.startsWith("v:")) return `[=${content}]`;
      const key: unknown = JSON.parse(content);
      const pairs = isObject(key) ? Object.entries(key).map(([name, value]) => `${name}=${JSON.stringify(value)}`) : [];
      return `[${pairs.join(",")}]`;
    })
    .join("");
}
