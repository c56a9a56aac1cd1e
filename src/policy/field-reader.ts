/** Reads the fields of a PeerPolicy one by one. Pure. */
import { type JsonValue, toJson } from "@bufbuild/protobuf";
import { type Value, ValueSchema } from "@bufbuild/protobuf/wkt";
import { parseDuration } from "../base/duration.ts";
import { readTime } from "../kube/time.ts";
import type { Problems } from "./problems.ts";
import { type Quantity, readQuantity, toThousandths } from "./quantity.ts";
import type { NameCheck } from "./resource-name.ts";

/** A value that a policy says, with the JSON text to show of it. */
export interface Stated<T> {
  readonly value: T;
  readonly text: string;
}

/** Undefined when the policy does not speak of it. */
export type Said<T> = Stated<T> | undefined;
export type SaidMap<T> = ReadonlyMap<string, Stated<T>>;

/** What the items of a list are. */
export interface ItemKind<Item, T> {
  /** Undefined for what is none. */
  parse(item: Item): T | undefined;
  show(item: Item): JsonValue;
  /** Said of what is none, after "is". */
  readonly wrong: string;
}

const labelName = /^(?:[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?$/;
const labelValue = /^(?:[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?)?$/;

export function asSaid<T extends boolean | number>(value: T | undefined): Said<T> {
  return value === undefined ? undefined : { value, text: JSON.stringify(value) };
}

/** Reads fields one by one; what it cannot read it tells, and takes for not spoken of. */
export class FieldReader {
  readonly #problems: Problems;

  constructor(problems: Problems) {
    this.#problems = problems;
  }

  word<const W extends string>(path: string, value: string | undefined, words: readonly W[]): Said<W> {
    if (value === undefined) return undefined;
    const word = words.find((one) => one === value);
    if (word === undefined) this.#problems.add(path, `${JSON.stringify(value)} is none of ${words.join(", ")}`);
    return word === undefined ? undefined : { value: word, text: JSON.stringify(word) };
  }

  duration(path: string, value: string | undefined): Said<number> {
    if (value === undefined) return undefined;
    const ms = parseDuration(value);
    if (ms) return { value: ms, text: JSON.stringify(value) };
    this.#problems.add(path, `${JSON.stringify(value)} is no length of time, such as 8h or 30d`);
    return undefined;
  }

  time(path: string, value: string | undefined): Said<number> {
    if (value === undefined) return undefined;
    const ms = readTime(value);
    if (ms !== undefined) return { value: ms, text: JSON.stringify(value) };
    this.#problems.add(path, `${JSON.stringify(value)} is no time, such as 2030-01-31T12:00:00Z`);
    return undefined;
  }

  quantity(path: string, value: Value | undefined): Said<Quantity> {
    if (value === undefined) return undefined;
    const quantity = readQuantity(value);
    const text = JSON.stringify(toJson(ValueSchema, value));
    if (quantity !== undefined && quantity >= 0n) return { value: toThousandths(quantity), text };
    this.#problems.add(
      path,
      `${text} is ${quantity === undefined ? "no quantity, such as 500m, 2 or 1Gi" : "less than nothing"}`,
    );
    return undefined;
  }

  amounts(path: string, values: { [name: string]: Value } | undefined, check: NameCheck): SaidMap<Quantity> {
    const read = new Map<string, Stated<Quantity>>();
    for (const [written, value] of Object.entries(values ?? {})) {
      const at = `${path}[${written}]`;
      const name = check(written);
      const said = this.quantity(at, value);
      if (name === undefined) this.#problems.add(at, "no resource that can be counted here");
      else if (read.has(name)) this.#problems.add(at, `is said twice, for it is ${name}`);
      else if (said) read.set(name, said);
    }
    return read;
  }

  labels(path: string, values: { [name: string]: string } | undefined): SaidMap<string> {
    const read = new Map<string, Stated<string>>();
    for (const [name, value] of Object.entries(values ?? {})) {
      if (labelName.test(name) && labelValue.test(value)) read.set(name, { value, text: JSON.stringify(value) });
      else this.#problems.add(`${path}[${name}]`, "no label that a node can have");
    }
    return read;
  }

  /** An empty list is not spoken of. */
  list<Item, T>(path: string, items: readonly Item[] | undefined, kind: ItemKind<Item, T>): Said<readonly T[]> {
    if (!items || items.length === 0) return undefined;
    const read = items.flatMap((item, index) => {
      const value = kind.parse(item);
      if (value === undefined)
        this.#problems.add(`${path}[${index}]`, `${JSON.stringify(kind.show(item))} is ${kind.wrong}`);
      return value === undefined ? [] : [value];
    });
    return { value: read, text: JSON.stringify(items.map(kind.show)) };
  }
}
