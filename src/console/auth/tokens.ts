/** Tokens for programs: made by people, shown once, kept as a hash, and counted for as long as they and who made them may. */
import { createHash } from "node:crypto";
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { SecretText } from "../../base/secret-text.ts";
import type { Way } from "./authenticator.ts";
import type { Kept, KeptSecrets } from "./kept-secrets.ts";
import type { Principal, RoleBinding } from "./principal.ts";
import { meet } from "./role-bindings.ts";
import { bearerToken, hashToken, isSameHash, looksLikeToken, mintToken } from "./token.ts";
import { formatToken, parseToken, type Token, type TokenRecord } from "./token-record.ts";
import type { User } from "./user-record.ts";

export interface Tokens {
  /** By which programs sign in. */
  readonly way: Way;
  /** Those that are kept, also those that have expired, the youngest first. */
  list(): Token[];
  /** What it may do now; nothing when it has expired, or its owner may nothing any more. */
  rolesOf(token: Pick<Token, "roles" | "owner" | "expiresAt">): readonly RoleBinding[];
  /** "exists" when one of that name and owner has not expired, "full" when there are too many, of the owner or in all. */
  create(
    token: Pick<Token, "name" | "description" | "roles" | "expiresAt" | "createdBy" | "owner">,
    signal: AbortSignal,
  ): Promise<{ readonly token: Token; readonly secret: SecretText } | "exists" | "full">;
  /** The one of this secret text, whether it counts or not. */
  find(secret: string): Token | undefined;
  /** It counts no more at once. False when there was none. */
  revoke(id: string, signal: AbortSignal): Promise<boolean>;
  /** Ends all of an owner's. */
  revokeOf(owner: string, signal: AbortSignal): Promise<void>;
  /** Waits for what is being written. */
  close(): Promise<void>;
}

export interface TokensDeps {
  readonly kept: Pick<KeptSecrets, "of">;
  readonly users: { get(name: string): User | undefined };
  readonly clock: Clock;
  readonly log: Log;
}

/** Of tokens; each costs memory in the agent and an object at the API server. */
const mostTokens = 1_000;
/** Of one owner, so that none of them takes the place of all others. */
const mostOwn = 50;
/** The time of use is written no oftener, in milliseconds. */
const usedEveryMs = 5 * 60_000;

const word = "token:";

export function createTokens({ kept: secrets, users, clock, log }: TokensDeps): Tokens {
  const kept: Kept<TokenRecord> = secrets.of("token", parseToken, formatToken);
  /** When a use was last written or tried to be, by id. */
  const noted = new Map<string, number>();
  const writing = new Set<Promise<void>>();
  const closing = new AbortController();

  function rolesOf({ roles, owner, expiresAt }: Pick<Token, "roles" | "owner" | "expiresAt">): readonly RoleBinding[] {
    if (expiresAt <= clock.now()) return [];
    if (!owner) return roles;
    const user = users.get(owner.name);
    if (!user || user.disabled || user.mustChangePassword || user.createdAt !== owner.createdAt) return [];
    return meet(roles, user.roles);
  }

  function principalOf(id: string, record: TokenRecord): Principal | undefined {
    const roles = rolesOf(record);
    if (roles.length === 0) return undefined;
    const owner = record.owner && { owner: record.owner.name };
    return { name: `token/${record.name}`, kind: "token", roles, credential: `${word}${id}`, ...owner };
  }

  function noteUse(id: string, { usedAt = 0 }: TokenRecord): void {
    const now = clock.now();
    if (closing.signal.aborted || now - Math.max(usedAt, noted.get(id) ?? 0) < usedEveryMs) return;
    noted.set(id, now);
    const written = kept
      .change(id, (record) => ({ ...record, usedAt: now }), closing.signal)
      .catch((error: unknown) => {
        if (!closing.signal.aborted) log.warn({ err: error, token: id }, "could not note that a token was used");
      })
      .then(() => void writing.delete(written));
    writing.add(written);
  }

  /** The one that is shown, whether it counts or not. */
  function shown(authorization: string | undefined): { readonly id: string; readonly record: TokenRecord } | undefined {
    const secret = bearerToken(authorization);
    if (secret === undefined || !looksLikeToken(secret)) return undefined;
    const hash = hashToken(secret);
    const id = idOf(hash);
    const record = kept.get(id);
    return record && isSameHash(hash, Buffer.from(record.hash, "hex")) ? { id, record } : undefined;
  }

  const way: Way = {
    async authenticate({ authorization }) {
      const { id, record } = shown(authorization) ?? {};
      if (id === undefined || !record) return undefined;
      const principal = principalOf(id, record);
      if (principal) noteUse(id, record);
      return principal;
    },
    whyNot({ authorization }) {
      const { record } = shown(authorization) ?? {};
      if (!record) return undefined;
      const { name, expiresAt, owner } = record;
      if (expiresAt <= clock.now()) return `The token ${name} has expired: it counted until ${minuteOf(expiresAt)}.`;
      return (
        owner &&
        `The token ${name} does not count now: its owner ${owner.name} is disabled, has to change their password, or may nothing of what it is for.`
      );
    },
    present(credential) {
      if (!credential.startsWith(word)) return undefined;
      const id = credential.slice(word.length);
      const record = kept.get(id);
      return record && principalOf(id, record);
    },
  };

  return {
    way,
    rolesOf,

    list() {
      const tokens = kept.list().map(({ id, record }) => toToken(id, record));
      return tokens.sort((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? -1 : 1));
    },

    find(secret) {
      const id = idOf(hashToken(secret));
      const record = kept.get(id);
      return record && toToken(id, record);
    },

    async create(asked, signal) {
      const now = clock.now();
      const all = kept.list();
      const own = all.filter(({ record }) => record.owner?.name === asked.owner?.name);
      if (own.some(({ record }) => record.name === asked.name && record.expiresAt > now)) return "exists";
      const crowd = asked.owner && own.length >= mostOwn ? own : all.length >= mostTokens ? all : undefined;
      if (crowd) {
        const expired = crowd.find(({ record }) => record.expiresAt <= now);
        if (!expired) return "full";
        await kept.delete(expired.id, signal);
      }
      const secret = mintToken();
      const hash = hashToken(secret.reveal());
      const record: TokenRecord = { ...asked, hash: hash.toString("hex"), createdAt: now };
      if (!(await kept.create(idOf(hash), record, signal))) return "exists";
      return { token: toToken(idOf(hash), record), secret };
    },

    async revoke(id, signal) {
      noted.delete(id);
      return kept.delete(id, signal);
    },

    async revokeOf(owner, signal) {
      for (const { id, record } of kept.list()) if (record.owner?.name === owner) await kept.delete(id, signal);
    },

    async close() {
      closing.abort(new Error("The agent is stopping."));
      await Promise.all(writing);
    },
  };
}

/** Of the hash another hash, so that what is shown of a token is no part of what is compared. */
function idOf(hash: Buffer): string {
  return createHash("sha256").update("token").update(hash).digest("hex").slice(0, 16);
}

function minuteOf(time: number): string {
  return new Date(time).toISOString().replace(/:\d\d\.\d+Z$/, "Z");
}

function toToken(id: string, { hash: _, ...token }: TokenRecord): Token {
  return { id, ...token };
}
