import { type ContextKey, createContextKey } from "@connectrpc/connect";
import type { Reason } from "../wire/reason.ts";
import type { Session } from "../wire/session.ts";

/** Who makes a call, as the link proves it. Nothing in it comes from what the caller says of itself. */
export interface Caller {
  /** Of the caller's CA: lower-case hex SHA-256, 64 characters. */
  readonly fingerprint: string;
  /** True for one that is not in the roster: it may pair, and nothing else. */
  readonly guest: boolean;
  /** The name that this agent's operator gave the peer; undefined for a guest. */
  readonly peer?: string;
  /** What the peer is granted at all, before policy. */
  readonly grants: readonly string[];
  /** The caller's CA, as the link has shown it. */
  readonly caPem: string;
  /** The session that the call came by, for calls back. */
  readonly session?: Session;
  /** Names the stream of this very call or dial, alike at both ends, for their records. */
  readonly correlation?: string;
}

/** Whoever is not named: a guest with no rights. */
const nobody: Caller = { fingerprint: "", guest: true, grants: [], caPem: "" };

/** A handler reads who calls by `context.values.get(callerKey)`. */
export const callerKey: ContextKey<Caller> = createContextKey(nobody, { description: "who makes the call" });

/** A call as the one that serves it, beside its request and its answer. */
export interface Call {
  /**
   * Ends it at once, whatever of its answer the caller has yet to read: for a right that is withdrawn. The handler's
   * signal aborts.
   */
  cut(reason: Reason, message: string): void;
}

/** A handler reads its call by `context.values.get(callKey)`. */
export const callKey: ContextKey<Call> = createContextKey<Call>(
  { cut: () => undefined },
  { description: "the call itself" },
);
