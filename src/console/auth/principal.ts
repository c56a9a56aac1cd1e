import { type ContextKey, createContextKey } from "@connectrpc/connect";
import type { Role } from "../../gen/fairlead/console/v1/access_pb.ts";

/** A role that somebody has, and for which peers; "all" covers what concerns the agent itself, too. */
export interface RoleBinding {
  readonly role: Role;
  readonly peers: "all" | readonly string[];
}

/** Who uses the console: a person or a program. */
export interface Principal {
  /** For audit and messages. */
  readonly name: string;
  /** What they signed in by. */
  readonly kind: "admin-token" | "user" | "token" | "kubernetes" | "oidc";
  /** What they may do. */
  readonly roles: readonly RoleBinding[];
  /** Names what they signed in by, and is no secret: what is made for them stands as long as it does. Begins with the way's own word, as in "token:". */
  readonly credential: string;
  /** Of a token that somebody has made for a program of theirs, and that may no more than they: the user. */
  readonly owner?: string;
  /** They may do nothing else before they have changed their password. */
  readonly mustChangePassword?: boolean;
}

/** Whose share it counts against: what somebody's own tokens do is theirs, however many there are. */
export function personOf({ kind, name, owner }: Pick<Principal, "kind" | "name" | "owner">): string {
  return owner === undefined ? `${kind}:${name}` : `user:${owner}`;
}

/** By what somebody's own things are known to be theirs, as the browsers in which they are signed in; undefined for programs, which own nothing. */
export function ownerKey({ kind, name }: Pick<Principal, "kind" | "name">): string | undefined {
  return kind === "user" || kind === "oidc" ? `${kind} ${name}` : undefined;
}

/** An RPC handler reads who calls from `context.values.get(principalKey)`; undefined for callers of what is for everybody alone. */
export const principalKey: ContextKey<Principal | undefined> = createContextKey<Principal | undefined>(undefined, {
  description: "who calls the console",
});
