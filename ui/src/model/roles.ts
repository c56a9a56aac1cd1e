/** What somebody may do, in words. Pure. */
import { Role, type RoleBinding } from "../../../src/gen/fairlead/console/v1/access_pb.ts";

const names: Readonly<Record<Role, string>> = {
  [Role.UNSPECIFIED]: "nobody",
  [Role.VIEWER]: "viewer",
  [Role.OPERATOR]: "operator",
  [Role.ADMIN]: "admin",
};

/** "admin", "viewer of berlin and oslo"; "no role" for who has none. */
export function rolesText(roles: readonly RoleBinding[]): string {
  const parts = roles.map(({ role, allPeers, peers }) =>
    allPeers ? names[role] : `${names[role]} of ${new Intl.ListFormat("en").format(peers)}`,
  );
  return parts.length === 0 ? "no role" : parts.join(", ");
}
