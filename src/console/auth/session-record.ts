/** What is kept of a session, and what of it counts when. Pure. */
import { createHash, randomBytes } from "node:crypto";
import { isJsonObject, type JsonObject } from "../../kube/object.ts";
import { isSameHash } from "./token.ts";

/** Who signed in. What they may do is asked anew with each request. */
export type SessionOwner =
  | {
      readonly kind: "user";
      readonly name: string;
      /** The user's own: another one when what was signed in before is not to count any more. */
      readonly stamp: string;
    }
  | {
      readonly kind: "oidc";
      readonly name: string;
      readonly issuer: string;
      /** Those that some rule names. */
      readonly groups: readonly string[];
    };

/** As the audit calls them. A provider gives what names it likes: none of them is to be taken for a user of this agent, or for a token. */
export function nameOf({ kind, name }: Pick<SessionOwner, "kind" | "name">): string {
  return kind === "user" ? name : `${kind}:${name}`;
}

export interface SessionRecord {
  readonly owner: SessionOwner;
  /** Wall time in milliseconds, as all here. */
  readonly createdAt: number;
  /** To within {@link seenEachMs}. */
  readonly seenAt: number;
  readonly address: string;
  readonly userAgent: string;
  /** Hash of what the cookie says now, and since when it does. */
  readonly secret: string;
  readonly issuedAt: number;
  /** What the cookie is to say from now on. It takes the place of `secret` when it is first seen, since an answer may get lost. */
  readonly next?: { readonly secret: string; readonly issuedAt: number } | undefined;
  /** What it said before, the latest first, and until when that counted. */
  readonly past: readonly { readonly secret: string; readonly until: number }[];
}

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

/** Nobody has used it for so long, and it has ended. */
const idleMs = 12 * hourMs;
/** It ends after so long in any case. Of who is known by a provider it does sooner: who left there is to be gone here. */
const longestMs = { user: 7 * 24 * hourMs, oidc: 12 * hourMs };
/** The cookie says something new so often; what it said before counts for a little longer, for requests that were under way. */
const rotateMs = 15 * minuteMs;
const overlapMs = 30_000;
/** What has not been seen so long after it was given has got lost. */
const lostMs = minuteMs;
/** When it was seen last is written so often, and not oftener. */
export const seenEachMs = 5 * minuteMs;
const mostPast = 8;

export function endOf({ owner, createdAt }: SessionRecord): number {
  return createdAt + longestMs[owner.kind];
}

/** `seenAt` is when it was seen last as far as is known here. */
export function isOver(record: SessionRecord, seenAt: number, now: number): boolean {
  return now >= endOf(record) || now >= Math.max(record.seenAt, seenAt) + idleMs;
}

/** `replayed`: it was given to this session once, and has been replaced: two have it who should be one. */
export type Judged = "current" | "next" | "past" | "replayed" | "unknown";

export function judgeSecret(record: SessionRecord, secret: string, now: number): Judged {
  const hash = hashOf(secret);
  if (isSame(hash, record.secret)) return "current";
  if (record.next && isSame(hash, record.next.secret)) return "next";
  const past = record.past.find((one) => isSame(hash, one.secret));
  if (past) return now < past.until ? "past" : "replayed";
  return "unknown";
}

/** After the next secret has come: it counts, and the one before for a little longer. Undefined when another has seen it first. */
export function promoted(record: SessionRecord, secret: string, now: number): SessionRecord | undefined {
  const { next, ...rest } = record;
  if (!next || !isSame(hashOf(secret), next.secret)) return undefined;
  const past = [{ secret: record.secret, until: now + overlapMs }, ...record.past].slice(0, mostPast);
  return { ...rest, secret: next.secret, issuedAt: next.issuedAt, past, seenAt: now };
}

/** Whether the cookie should say something new to who comes with this. */
export function isDue(record: SessionRecord, secret: string, now: number): boolean {
  if (now - record.issuedAt < rotateMs || !isSame(hashOf(secret), record.secret)) return false;
  return record.next === undefined || now - record.next.issuedAt >= lostMs;
}

export function withNext(record: SessionRecord, secret: string, now: number): SessionRecord {
  return { ...record, next: { secret: hashOf(secret).toString("base64url"), issuedAt: now }, seenAt: now };
}

export function newRecord(o: {
  owner: SessionOwner;
  secret: string;
  address: string;
  userAgent: string;
  now: number;
}): SessionRecord {
  const { owner, secret, address, userAgent, now } = o;
  const hash = hashOf(secret).toString("base64url");
  return { owner, createdAt: now, seenAt: now, address, userAgent, secret: hash, issuedAt: now, past: [] };
}

/** 256 random bits. */
export function mintSecret(): string {
  return randomBytes(32).toString("base64url");
}

/** Names a session, and is no secret. */
export function mintId(): string {
  return randomBytes(16).toString("base64url");
}

/** What the cookie says. */
export function cookieValue(id: string, secret: string): string {
  return `${id}.${secret}`;
}

export function readCookieValue(value: string): { readonly id: string; readonly secret: string } | undefined {
  const [, id, secret] = /^([\w-]{22})\.([\w-]{43})$/.exec(value) ?? [];
  return id === undefined || secret === undefined ? undefined : { id, secret };
}

/** Undefined for what is no such record. */
export function parseSessionRecord(json: unknown): SessionRecord | undefined {
  if (!isJsonObject(json) || !isJsonObject(json.owner) || !Array.isArray(json.past)) return undefined;
  const owner = parseOwner(json.owner);
  const { createdAt, seenAt, issuedAt, address, userAgent, secret } = json;
  if (!owner || !isNumber(createdAt) || !isNumber(seenAt) || !isNumber(issuedAt)) return undefined;
  if (!isText(address) || !isText(userAgent) || !isText(secret)) return undefined;
  const past = json.past.filter(isJsonObject).flatMap((one) => {
    return isText(one.secret) && isNumber(one.until) ? [{ secret: one.secret, until: one.until }] : [];
  });
  const { next } = json;
  const coming = isJsonObject(next) && isText(next.secret) && isNumber(next.issuedAt);
  return {
    ...{ owner, createdAt, seenAt, issuedAt, address, userAgent, secret, past },
    ...(coming && { next: { secret: String(next.secret), issuedAt: Number(next.issuedAt) } }),
  };
}

function parseOwner({ kind, name, stamp, issuer, groups }: JsonObject): SessionOwner | undefined {
  if (!isText(name)) return undefined;
  if (kind === "user" && isText(stamp)) return { kind, name, stamp };
  if (kind !== "oidc" || !isText(issuer) || !Array.isArray(groups)) return undefined;
  return { kind, name, issuer, groups: groups.filter(isText) };
}

function hashOf(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}

function isSame(hash: Buffer, kept: string): boolean {
  return isSameHash(hash, Buffer.from(kept, "base64url"));
}

function isNumber(value: unknown): value is number {
  return typeof value === "number";
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}
