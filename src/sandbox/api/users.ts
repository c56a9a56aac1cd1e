/** Who may ask what. RBAC objects are stored and not enforced: a user's verbs are given when the sandbox is made. */
import { createHash, timingSafeEqual } from "node:crypto";

export interface User {
  readonly name: string;
  readonly groups: readonly string[];
  /** What the user may do, on everything; `*` is all. */
  readonly verbs: readonly string[];
}

export interface SandboxUser {
  name: string;
  token: string;
  groups?: readonly string[];
  /** `*` unless given. */
  verbs?: readonly string[];
  /** Whom the token is for; the API server itself unless given. */
  audiences?: readonly string[];
}

export const apiServerAudience = "https://kubernetes.default.svc.cluster.local";

export interface KnownToken {
  user: User;
  audiences: readonly string[];
}

export class Users {
  readonly #tokens: { digest: Buffer; known: KnownToken }[];

  constructor(users: readonly SandboxUser[]) {
    this.#tokens = users.map(({ name, token, groups = [], verbs = ["*"], audiences = [apiServerAudience] }) => ({
      digest: digest(token),
      known: { user: { name, groups: [...groups, "system:authenticated"], verbs }, audiences },
    }));
  }

  byToken(token: string): KnownToken | undefined {
    const asked = digest(token);
    return this.#tokens.find((entry) => timingSafeEqual(entry.digest, asked))?.known;
  }

  byName(name: string): User | undefined {
    return this.#tokens.find(({ known }) => known.user.name === name)?.known.user;
  }
}

export function mayDo(user: User, verb: string): boolean {
  return user.groups.includes("system:masters") || user.verbs.includes("*") || user.verbs.includes(verb);
}

function digest(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}
