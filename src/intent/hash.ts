import { createHash } from "node:crypto";

/** What decides whether two wishes are the same: everything a host acts on, and nothing else. */
export interface Hashed {
  readonly namespace: string;
  readonly name: string;
  /** JSON text. The order of its keys and its spacing do not count. */
  readonly spec: string;
  /** Of the attachments, under a key that only the origin has; none for a wish without any. */
  readonly attached?: string | undefined;
  /** As in a wish. */
  readonly leaseSeconds?: number;
}

/** 32 hexadecimal digits of SHA-256; the generation is not part, so that a restored origin's equal wish is equal. */
export function hashWish(wish: Hashed): string {
  const attached = wish.attached === undefined ? [] : [wish.attached];
  const lease = wish.leaseSeconds ? [wish.leaseSeconds] : [];
  const text = JSON.stringify([wish.namespace, wish.name, sorted(JSON.parse(wish.spec)), ...attached, ...lease]);
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}

/** The same value with the keys of each object in order; as a list of pairs, since numeric keys of an object reorder. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const pairs = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return { pairs: pairs.map(([key, inner]) => [key, sorted(inner)]) };
}
