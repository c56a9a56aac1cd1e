/** A token for programs, as it is kept. Pure. */

import type { RoleBinding } from "./principal.ts";
import { formatRoles, parseRoles } from "./role-bindings.ts";

/** What a program presents instead of a person. */
export interface Token {
  /** 16 hexadecimal digits, which tell nothing of the token itself that could be used. */
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly roles: readonly RoleBinding[];
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly expiresAt: number;
  /** When it was last used, to some minutes; undefined when it never was. */
  readonly usedAt?: number | undefined;
  readonly createdBy: string;
  /** The user without whom it does not count, and more than whom it may not; none for one that an administrator made to stand by itself. */
  readonly owner?: { readonly name: string; readonly createdAt: number } | undefined;
}

/** With the SHA-256 of the token in hexadecimal, which is enough for what cannot be guessed. */
export interface TokenRecord extends Omit<Token, "id"> {
  readonly hash: string;
}

/** What is kept as JSON. */
export function formatToken(record: TokenRecord): object {
  return { ...record, roles: formatRoles(record.roles) };
}

/** Undefined for what is not understood as a whole. */
export function parseToken(kept: unknown): TokenRecord | undefined {
  if (typeof kept !== "object" || kept === null) return undefined;
  const fields: Readonly<Record<string, unknown>> = { ...kept };
  const { hash, name, description, createdAt, expiresAt, usedAt, createdBy } = fields;
  const roles = parseRoles(fields.roles);
  const owner = parseOwner(fields.owner);
  if (
    roles === undefined ||
    owner === "unclear" ||
    typeof hash !== "string" ||
    !/^[0-9a-f]{64}$/.test(hash) ||
    typeof name !== "string" ||
    typeof description !== "string" ||
    typeof createdAt !== "number" ||
    typeof expiresAt !== "number" ||
    (usedAt !== undefined && typeof usedAt !== "number") ||
    typeof createdBy !== "string"
  ) {
    return undefined;
  }
  return { hash, name, description, roles, createdAt, expiresAt, usedAt, createdBy, owner };
}

function parseOwner(kept: unknown): TokenRecord["owner"] | "unclear" {
  if (kept === undefined) return undefined;
  if (typeof kept !== "object" || kept === null || !("name" in kept) || !("createdAt" in kept)) return "unclear";
  const { name, createdAt } = kept;
  return typeof name === "string" && typeof createdAt === "number" ? { name, createdAt } : "unclear";
}
