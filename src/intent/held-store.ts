import type { Refusal, Wish, WishHead } from "./wish.ts";

/** What a host keeps of one wish. */
export interface Held extends WishHead {
  readonly namespace: string;
  readonly name: string;
  /** The wish's spec as JSON text. */
  readonly spec: string;
  /** The kind's status as JSON text. */
  readonly status: string;
  /** RFC 3339 in UTC; set while its origin, although heard, does not know it. */
  readonly orphanedSince?: string;
  /** Bytes of what came with the spec; 0 unless given. */
  readonly attachedBytes?: number;
  /** Some of what came with the spec is lost here, so that the wish is wanted again. */
  readonly lacks?: boolean;
}

/**
 * What a host holds for one peer; declared here, made by each kind. Functions that return promises may be called again
 * after any failure, and reject only on trouble that may pass.
 */
export interface HeldStore {
  /** Resolves when `list` is known to be complete; rejects when the signal aborts. */
  ready(signal: AbortSignal): Promise<void>;
  list(): Iterable<Held>;
  get(uid: string): Held | undefined;
  count(): number;
  /** Of all specs and what came with them, as `list` has them. Asked for each wish, so it must cost little. */
  bytes(): number;
  /** Carries a wish out or says why not. "later": an earlier object of it is still being deleted; `subscribe` tells its end. */
  put(wish: Wish, signal: AbortSignal): Promise<"done" | "later" | Refusal>;
  /** A wish is beyond the bounds, so that it was not given to `put`; for the record. */
  refused?(wish: Wish, refusal: Refusal): void;
  /** Asks for the deletion; the object, with all that belongs to it, is gone when `get` says undefined. */
  remove(uid: string, signal: AbortSignal): Promise<void>;
  /** Marks or unmarks an orphan; harmless when there is no such object. */
  setOrphan(uid: string, orphan: boolean, signal: AbortSignal): Promise<void>;
  /** Calls `fn` after each change of what `get` says about an object. Returns how to end that. */
  subscribe(fn: (uid: string) => void): () => void;
}
