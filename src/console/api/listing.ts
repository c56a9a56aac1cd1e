/**
 * How every list of the API is selected, put in order and cut into pages: by the same words everywhere. Pure, but for the
 * time and the key that page tokens are sealed by.
 *
 * A page token holds the place of the last thing that was shown, not a copy of the list: a page is of what is so when it is
 * asked for. What is there from the first page to the last, and keeps its place in the order, is on exactly one page; what
 * comes or goes meanwhile may be on none. So pages cost no memory between them.
 */
import type { ConnectError } from "@connectrpc/connect";
import { parseLabelSelector, SelectorError } from "../../base/label-selector.ts";
import { brokenWord } from "./broken-rule.ts";
import { type FieldRequirement, parseFieldSelector, plainField } from "./field-selector.ts";
import { createPageTokens, type PageTokensDeps, type Place, type Rank } from "./page-token.ts";

/** The words of every request for a list. */
export interface ListRequest {
  /** Of lists of things that have labels. */
  readonly labelSelector?: string;
  readonly fieldSelector: string;
  readonly orderBy: string;
  readonly pageSize: number;
  readonly pageToken: string;
}

/** What a thing says of itself in a field. Several: a selector asks for one of them, and the first counts for the order. */
export type FieldValue = string | number | bigint | boolean | undefined | readonly string[];

/** One kind of list. */
export interface ListOf<T> {
  /** In the plural, as messages call it: "apps". No two lists have one. */
  readonly kind: string;
  /** By what things are told apart, and come in order where nothing else says. */
  key(item: T): string;
  /** Absent where things have no labels. */
  readonly labels?: (item: T) => Readonly<Record<string, string>>;
  /** What `field_selector` and `order_by` may name. */
  readonly fields: Readonly<Record<string, (item: T) => FieldValue>>;
  /** As in `order_by`; by key unless given. */
  readonly order?: string;
}

export interface Page<T> {
  readonly items: T[];
  /** Empty on the last page. */
  readonly nextPageToken: string;
  /** How many there are on all pages together, at this moment. */
  readonly totalSize: number;
}

/**
 * What a request asks for, of all there is; with `latest`, of that the last so many, as `items` has them. Everything else that the request says is kept in the token, so that it cannot be
 * used for another question. Throws INVALID_ARGUMENT for words that cannot be read and a token that is not of this list, and
 * FAILED_PRECONDITION for one that is too old or of an earlier start of the agent.
 */
export type Listing = <T>(list: ListOf<T>, items: readonly T[], request: ListRequest, latest?: number) => Page<T>;

/** Things on one page unless said, and at most. */
const usualPageSize = 1_000;
const largestPageSize = 10_000;

interface Ranked<T> {
  readonly item: T;
  readonly place: Place;
}

interface Order {
  readonly field: string;
  readonly descends: boolean;
}

export function createListing(deps: PageTokensDeps): Listing {
  const tokens = createPageTokens(deps);

  function page<T>(list: ListOf<T>, items: readonly T[], request: ListRequest, latest?: number): Page<T> {
    const orders = readOrder(list, request.orderBy || (list.order ?? ""));
    const compare = comparer(orders);
    const question = questionOf(list, request);
    const after = request.pageToken === "" ? undefined : tokens.open(request.pageToken, question);
    const selected = items.filter(selectorOf(list, request));
    const found = latest === undefined ? selected : selected.slice(Math.max(0, selected.length - latest));
    const ranked: Ranked<T>[] = [];
    for (const item of found) {
      const place = placeOf(list, orders, item);
      if (after === undefined || compare(place, after) > 0) ranked.push({ item, place });
    }
    ranked.sort((a, b) => compare(a.place, b.place));
    const shown = ranked.slice(0, Math.min(request.pageSize || usualPageSize, largestPageSize));
    const last = shown.at(-1);
    return {
      items: shown.map(({ item }) => item),
      nextPageToken: last && shown.length < ranked.length ? tokens.seal(last.place, question) : "",
      totalSize: found.length,
    };
  }

  return page;
}

/** Everything that decides which things there are and how they come, as text. */
function questionOf<T>({ kind }: ListOf<T>, request: ListRequest): string {
  const { pageSize: _size, pageToken: _token, ...question } = request;
  return JSON.stringify([kind, question], (_name, value) => (typeof value === "bigint" ? String(value) : value));
}

/** INVALID_ARGUMENT, with what can be said. */
function selectorOf<T>(list: ListOf<T>, { labelSelector = "", fieldSelector }: ListRequest): (item: T) => boolean {
  const checks = readable("field_selector", () => parseFieldSelector(fieldSelector)).map((one) => checkOf(list, one));
  const { labels } = list;
  if (labels && labelSelector.trim() !== "") {
    const matches = readable("label_selector", () => parseLabelSelector(labelSelector));
    checks.push((item) => matches(labels(item)));
  }
  return (item) => checks.every((check) => check(item));
}

/** INVALID_ARGUMENT of this word, when it cannot be read. */
function readable<R>(word: Word, read: () => R): R {
  try {
    return read();
  } catch (error) {
    if (error instanceof SelectorError) throw invalid(word, error.message, error);
    throw error;
  }
}

function checkOf<T>(list: ListOf<T>, { field, value, equal }: FieldRequirement): (item: T) => boolean {
  const read = fieldOf(list, field, "field_selector");
  return (item) => textsOf(read(item)).includes(value) === equal;
}

function textsOf(value: FieldValue): readonly string[] {
  if (Array.isArray(value)) return value.length > 0 ? value : [""];
  return [value === undefined ? "" : String(value)];
}

/** "peer, created desc": the fields that come before the key, the first of them first. */
function readOrder<T>(list: ListOf<T>, text: string): Order[] {
  const orders = text.split(",").flatMap((part): Order[] => {
    const [name = "", way = "asc", ...more] = part.trim().split(/\s+/);
    if (name === "" && text.trim() === "") return [];
    if (name === "" || more.length > 0 || (way !== "asc" && way !== "desc")) {
      throw invalid(
        "order_by",
        `${JSON.stringify(part.trim())} is no order; say it as in "name" or "created desc, name"`,
      );
    }
    fieldOf(list, name, "order_by");
    return [{ field: plainField(name), descends: way === "desc" }];
  });
  if (orders.length > 8) throw invalid("order_by", "an order has 8 fields at most");
  return orders;
}

function fieldOf<T>(list: ListOf<T>, name: string, word: Word): (item: T) => FieldValue {
  const plain = plainField(name);
  const read = Object.hasOwn(list.fields, plain) ? list.fields[plain] : undefined;
  if (read) return read;
  const known = Object.keys(list.fields).join(", ");
  throw invalid(word, `${list.kind} have no field ${JSON.stringify(name)} to be listed by; there are: ${known}`);
}

function placeOf<T>(list: ListOf<T>, orders: readonly Order[], item: T): Place {
  return { ranks: orders.map(({ field }) => rankOf(list.fields[field]?.(item))), key: list.key(item) };
}

/** Times and other texts by their code units, which is the same order everywhere. */
function rankOf(value: FieldValue): Rank {
  if (typeof value === "number") return value;
  if (typeof value === "bigint" || typeof value === "boolean") return Number(value);
  return textsOf(value)[0] ?? "";
}

function comparer(orders: readonly Order[]): (a: Place, b: Place) => number {
  return (a, b) => {
    for (const [index, { descends }] of orders.entries()) {
      const difference = compareRanks(a.ranks[index] ?? "", b.ranks[index] ?? "");
      if (difference !== 0) return descends ? -difference : difference;
    }
    return compareRanks(a.key, b.key);
  };
}

/** What has no number, as an empty text, comes before what has. */
function compareRanks(a: Rank, b: Rank): number {
  if (typeof a !== typeof b) return typeof a === "string" ? -1 : 1;
  return a < b ? -1 : a > b ? 1 : 0;
}

type Word = "label_selector" | "field_selector" | "order_by";

function invalid(word: Word, message: string, cause?: unknown): ConnectError {
  return brokenWord(word, { rule: `list.${word}`, message, cause });
}
