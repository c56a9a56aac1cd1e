/**
 * How a browser gets in at an app's host: a one-time code in a link becomes a session in a cookie. Both are bound to that
 * host and to that very app, so that neither opens another door. Kept in memory, as hashes; a restart ends all sessions.
 */
import { createHash, randomBytes } from "node:crypto";
import type { Clock } from "../../base/clock.ts";
import type { Authenticator } from "../auth/authenticator.ts";
import type { Principal } from "../auth/principal.ts";

/** The door that a code or a session opens. */
export interface DoorBinding {
  /** Host name, without a port. */
  readonly host: string;
  /** The very app and port, from `doorKey`. */
  readonly key: string;
}

export interface DoorSessions {
  /** A code that works once, for 60 s. */
  mintCode(binding: DoorBinding, principal: Principal, path: string): string;
  /** The code is used up by this, wherever it was shown. Undefined for one that is unknown, late or another door's. */
  redeemCode(code: string, binding: DoorBinding): { session: string; path: string } | undefined;
  /** Whose session this is at this door. */
  check(session: string, binding: DoorBinding): Principal | undefined;
}

/** Milliseconds. */
const codeLife = 60_000;
const sessionLife = 12 * 3_600_000;
/** How many of each are kept; beyond that the oldest goes. */
const capacity = 10_000;
/** How many of these are anybody's who signed in by one thing; beyond that their own oldest goes. */
const ownCodes = 50;
const ownSessions = 200;

interface Entry extends DoorBinding {
  readonly principal: Principal;
  readonly path: string;
  readonly expiresAt: number;
}

/** A session is of whoever opened it, with what they may do now, and ends with what they signed in by. */
export function createDoorSessions(deps: {
  readonly clock: Pick<Clock, "monotonic">;
  readonly authenticator: Pick<Authenticator, "present">;
}): DoorSessions {
  const { clock, authenticator } = deps;
  const codes = new Map<string, Entry>();
  const sessions = new Map<string, Entry>();

  function put(entries: Map<string, Entry>, entry: Omit<Entry, "expiresAt">, lifeMs: number, most: number): string {
    const now = clock.monotonic();
    const { credential } = entry.principal;
    const own = [...entries].filter(([, { principal }]) => principal.credential === credential);
    const [oldest] = own[0] ?? [];
    if (own.length >= most && oldest !== undefined) entries.delete(oldest);
    for (const [key, { expiresAt }] of entries) {
      if (expiresAt > now && entries.size < capacity) break; // All have the same life, so the oldest are first.
      entries.delete(key);
    }
    const secret = randomBytes(32).toString("base64url");
    entries.set(hash(secret), { ...entry, expiresAt: now + lifeMs });
    return secret;
  }

  function fits(entry: Entry | undefined, binding: DoorBinding): entry is Entry {
    if (!entry || entry.expiresAt <= clock.monotonic()) return false;
    return entry.host === binding.host && entry.key === binding.key;
  }

  return {
    mintCode: ({ host, key }, principal, path) => put(codes, { host, key, principal, path }, codeLife, ownCodes),

    redeemCode(code, binding) {
      const digest = hash(code);
      const entry = codes.get(digest);
      codes.delete(digest);
      if (!fits(entry, binding)) return undefined;
      const { host, key, principal, path } = entry;
      return { session: put(sessions, { host, key, principal, path }, sessionLife, ownSessions), path };
    },

    check(session, binding) {
      const entry = sessions.get(hash(session));
      return fits(entry, binding) ? authenticator.present(entry.principal.credential) : undefined;
    },
  };
}

/** Looking a hash up gives nothing away about how much of a guess was right. */
function hash(secret: string): string {
  return createHash("sha256").update(secret).digest("base64url");
}
