/** A user, as they are kept. Pure. */

import type { Principal, RoleBinding } from "./principal.ts";
import { formatRoles, parseRoles } from "./role-bindings.ts";

/** Somebody who signs in here with a password. */
export interface User {
  readonly name: string;
  readonly roles: readonly RoleBinding[];
  /** They cannot sign in, and what they signed in before does not count. */
  readonly disabled: boolean;
  /** They know a password that somebody else knows, too. */
  readonly mustChangePassword: boolean;
  /** Another one after each change after which what was signed in before must not count: a new password, a disabling, a user made anew. */
  readonly stamp: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly createdBy: string;
  readonly passwordSetAt: number;
}

/** With what is kept of the password, which nobody is shown. */
export interface UserRecord extends Omit<User, "name"> {
  readonly password: string;
}

/** What is kept as JSON. */
export function formatUser(record: UserRecord): object {
  return { ...record, roles: formatRoles(record.roles) };
}

/** Undefined for what is not understood as a whole. */
export function parseUser(kept: unknown): UserRecord | undefined {
  if (typeof kept !== "object" || kept === null) return undefined;
  const fields: Readonly<Record<string, unknown>> = { ...kept };
  const { password, stamp, disabled, mustChangePassword, createdAt, createdBy, passwordSetAt } = fields;
  const roles = parseRoles(fields.roles);
  if (
    roles === undefined ||
    typeof password !== "string" ||
    typeof stamp !== "string" ||
    stamp === "" ||
    typeof disabled !== "boolean" ||
    typeof mustChangePassword !== "boolean" ||
    typeof createdAt !== "number" ||
    typeof createdBy !== "string" ||
    typeof passwordSetAt !== "number"
  ) {
    return undefined;
  }
  return { roles, password, stamp, disabled, mustChangePassword, createdAt, createdBy, passwordSetAt };
}

/** One who signed in by `credential`. */
export function userPrincipal(
  user: Pick<User, "name" | "roles" | "mustChangePassword">,
  credential: string,
): Principal {
  const { name, roles, mustChangePassword } = user;
  return { name, kind: "user", roles, credential, ...(mustChangePassword && { mustChangePassword }) };
}
