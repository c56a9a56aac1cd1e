/** What the inviter keeps of an invite, and where. The token itself is kept nowhere. */
import type { Fingerprint } from "../identity/fingerprint.ts";
import { isJsonObject } from "../kube/object.ts";

export interface InviteRecord {
  /** Names the invite for people: the first 10 hex digits of the token's hash, which say nothing of the token. */
  readonly id: string;
  /** SHA-256 of the token, hex. */
  readonly tokenHash: string;
  /** What the peer will be called here; undefined: what it calls itself. */
  readonly name?: string | undefined;
  /** What the peer will get here. */
  readonly grants: readonly string[];
  /** For how long these count after the join, in milliseconds; until they are withdrawn unless given. */
  readonly grantsLastMs?: number | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly urls: readonly string[];
  /** Peers here through which the joiner may come, by our names; none unless given. */
  readonly relays?: readonly string[] | undefined;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly expiresAt: number;
  /** A person is asked before the join passes. */
  readonly confirm: boolean;
  /** The name may have been a removed peer's. */
  readonly reuseName: boolean;
  readonly revoked?: boolean | undefined;
  /** Who has shown the token first. The invite is theirs from then on. */
  readonly claim?: InviteClaim | undefined;
}

export interface InviteClaim {
  readonly fingerprint: Fingerprint;
  /** What the joiner calls itself. */
  readonly name: string;
  /** The short words of both ends. */
  readonly words: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** What the person said, once asked. */
  readonly decision?: "accepted" | "declined" | undefined;
  /** The name of the peer that it became. */
  readonly joinedAs?: string | undefined;
}

export interface StoredInvite {
  readonly record: InviteRecord;
  /** Opaque; equal means unchanged. */
  readonly version: string;
}

/** Where invites are kept: Secrets in a cluster, files outside one. */
export interface InviteStore {
  list(signal: AbortSignal): Promise<StoredInvite[]>;
  get(id: string, signal: AbortSignal): Promise<StoredInvite | undefined>;
  /** False when there is one with this id already. */
  create(record: InviteRecord, signal: AbortSignal): Promise<boolean>;
  /** Writes only if the invite still has `version`, decided by the store in one step; undefined when it has not. */
  update(record: InviteRecord, version: string, signal: AbortSignal): Promise<StoredInvite | undefined>;
  /** Harmless when it is gone. */
  delete(id: string, signal: AbortSignal): Promise<void>;
}

/** A record from the JSON that `JSON.stringify` makes of one; undefined when it is none. */
export function parseInviteRecord(json: string): InviteRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return undefined;
  }
  return isRecord(value) ? value : undefined;
}

function isRecord(value: unknown): value is InviteRecord {
  if (!isJsonObject(value)) return false;
  const { id, tokenHash, name, grants, labels, urls, createdAt, expiresAt, confirm, reuseName, revoked, claim } = value;
  const { grantsLastMs, relays } = value;
  return (
    typeof id === "string" &&
    typeof tokenHash === "string" &&
    /^[0-9a-f]{64}$/.test(tokenHash) &&
    (name === undefined || typeof name === "string") &&
    isTexts(grants) &&
    (grantsLastMs === undefined || (typeof grantsLastMs === "number" && grantsLastMs > 0)) &&
    isJsonObject(labels) &&
    isTexts(Object.values(labels)) &&
    isTexts(urls) &&
    (relays === undefined || isTexts(relays)) &&
    typeof createdAt === "number" &&
    typeof expiresAt === "number" &&
    typeof confirm === "boolean" &&
    typeof reuseName === "boolean" &&
    (revoked === undefined || typeof revoked === "boolean") &&
    (claim === undefined || isClaim(claim))
  );
}

function isClaim(value: unknown): value is InviteClaim {
  if (!isJsonObject(value)) return false;
  const { fingerprint, name, words, at, decision, joinedAs } = value;
  return (
    isTexts([fingerprint, name, words]) &&
    typeof at === "number" &&
    (decision === undefined || decision === "accepted" || decision === "declined") &&
    (joinedAs === undefined || typeof joinedAs === "string")
  );
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
