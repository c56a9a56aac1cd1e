/**
 * What origin and host say about one object, whatever its kind. `spec` and `status` are JSON texts of the kind's own, which
 * nothing in this room reads.
 */
import type { SecretContent } from "../base/secret-content.ts";

/** Configuration or secrets that travel with a wish: all of them with each. */
export interface Attachment {
  readonly kind: "ConfigMap" | "Secret";
  /** What the spec calls it; unique among those of its kind. */
  readonly name: string;
  /** Of a Secret, Kubernetes' word for what it holds, such as "Opaque"; empty for a ConfigMap. */
  readonly type: string;
  readonly content: SecretContent;
}

/** What an origin wants of one object. */
export interface Wish {
  /** Kubernetes' UID of the origin's object. */
  readonly uid: string;
  readonly generation: number;
  readonly namespace: string;
  readonly name: string;
  readonly spec: string;
  /** Equal for equal wishes, see `hashWish`. */
  readonly hash: string;
  /** UID of an orphan at the host that this object takes over. */
  readonly adopts?: string;
  /** What the spec names and does not contain; part of the hash. */
  readonly attachments?: readonly Attachment[];
  /** For how many seconds at most the host goes on without having heard that it may; for ever unless given. */
  readonly leaseSeconds?: number;
}

/** Bytes of all that comes with a wish beside its spec. */
export function attachedBytes({ attachments = [] }: Pick<Wish, "attachments">): number {
  return attachments.reduce((sum, { name, content }) => sum + name.length + content.bytes, 0);
}

/** A wish in a digest. */
export interface WishHead {
  readonly uid: string;
  readonly generation: number;
  readonly hash: string;
}

/** How an object is at the host. `generation` and `hash` name the wish that the status is about. */
export interface HostState extends WishHead {
  readonly status: string;
}

/** One reason why a wish is refused. */
export interface Violation {
  /** Path in the spec, e.g. `ports[0].appProtocol`; empty when it is about the whole. */
  readonly field: string;
  /** The rule that spoke, e.g. `grants/apps`. */
  readonly rule: string;
  readonly message: string;
  /** The value that was asked for, and the one that is allowed, where the rule compares values. */
  readonly asked?: string;
  readonly allowed?: string;
}

/** Why a wish is not carried out. It is an answer: nothing is tried again until the wish or the host's rules change. */
export interface Refusal {
  /** One word in CamelCase: `Invalid`, `Denied`, `TooMany`, `TooLarge`, `Failing`. */
  readonly reason: string;
  /** What is wrong and what to do, for people. */
  readonly message: string;
  readonly violations: readonly Violation[];
}

/** A refusal and the wish that it answers. */
export interface RefusedWish extends WishHead {
  readonly refusal: Refusal;
}

/** Something that a host runs and that its origin's digest does not know. */
export interface Orphan {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly generation: number;
  readonly spec: string;
  /** RFC 3339 in UTC. */
  readonly since: string;
}

/** Bounds of one conversation; the protocol's own where a peer must keep them, see intent.proto. */
export const intentLimits = {
  /** Entries in a page of a digest or a list. */
  page: 500,
  /** Objects that a host holds for one peer, of one kind, and that an origin reads from a host's digest. */
  objects: 10_000,
  /** The highest generation of a wish: what is kept of it has room for no more. */
  generation: 2 ** 31 - 1,
  /** Bytes of a spec. */
  specBytes: 256 * 1024,
  /** Bytes of all attachments of one wish: it is one message, and a link carries up to 4 MiB in one. */
  attachmentBytes: 2 * 1024 * 1024,
  /** Keys in all attachments of one wish. */
  attachmentKeys: 4_096,
  /** Bytes of attachments that were heard and are not stored yet, of one conversation and of all. */
  pendingBytes: { each: 8 * 1024 * 1024, all: 64 * 1024 * 1024 },
  /** Bytes of all specs and attachments that a host holds for one peer, of one kind: a cluster's store has a few GiB for everybody. */
  heldBytes: 64 * 1024 * 1024,
  /** Bytes of all specs in one list of orphans, which is one message: half of the longest that a link carries. */
  listBytes: 2 * 1024 * 1024,
  /** Violations in one refusal. */
  violations: 100,
} as const;
