import type { SecretText } from "../base/secret-text.ts";

/** What an agent must keep for ever: whoever has it is this agent. */
export interface StoredIdentity {
  /** The CA's certificate, PEM. */
  readonly caCertPem: string;
  /** The CA's private key, PKCS#8 PEM. */
  readonly caKeyPem: SecretText;
}

/**
 * Where the identity is kept: a Secret in a cluster, a file outside one. The two rules below are what keeps an agent from
 * losing its name, so every store must hold them.
 */
export interface IdentityStore {
  /** Resolves to undefined only when the store answered that there is none. No answer, no right, no sense: it throws. */
  read(signal: AbortSignal): Promise<StoredIdentity | undefined>;
  /**
   * Writes only if there is none yet, decided by the store itself in one step (a create with precondition, `O_EXCL`), never by a
   * read before. "exists" means that somebody else's is there, which this call left untouched.
   */
  create(identity: StoredIdentity, signal: AbortSignal): Promise<"created" | "exists">;
}
