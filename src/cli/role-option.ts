/** Roles as they are written on a command line and shown: "viewer", "operator@west,east". Pure. */
import { create } from "@bufbuild/protobuf";
import { InvalidArgumentError } from "commander";
import { Role, type RoleBinding, RoleBindingSchema } from "../gen/fairlead/console/v1/access_pb.ts";

/** What `--role` means. */
export const roleMeaning =
  'what they may do: viewer, operator or admin, for all peers or for some, as in "operator@west,east"; may be given again';

const roles: ReadonlyMap<string, Role> = new Map([
  ["viewer", Role.VIEWER],
  ["operator", Role.OPERATOR],
  ["admin", Role.ADMIN],
]);

/** Collects `--role viewer --role operator@west`. */
export function collectRoles(text: string, before: readonly RoleBinding[] = []): RoleBinding[] {
  const [word = "", named, ...more] = text.split("@");
  const role = roles.get(word);
  const peers = named?.split(",").map((name) => name.trim());
  if (role === undefined || more.length > 0 || peers?.includes("")) {
    const known = [...roles.keys()].join(", ");
    throw new InvalidArgumentError(
      `It must be one of ${known}, or one of these for some peers, as in operator@west,east.`,
    );
  }
  return [...before, create(RoleBindingSchema, { role, allPeers: peers === undefined, peers: peers ?? [] })];
}

/** As it would be given. */
export function formatRoles(roles: readonly RoleBinding[]): string[] {
  return roles.map(({ role, allPeers, peers }) => (allPeers ? wordOf(role) : `${wordOf(role)}@${peers.join(",")}`));
}

function wordOf(role: Role): string {
  for (const [word, known] of roles) if (known === role) return word;
  return `role-${role}`;
}
