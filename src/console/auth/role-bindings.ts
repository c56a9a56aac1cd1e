/** What somebody may do, as it is kept, sent and put together. Pure. */
import { Role, type RoleBinding as RoleBindingMessage, RoleSchema } from "../../gen/fairlead/console/v1/access_pb.ts";
import type { RoleBinding } from "./principal.ts";

/** What both allow. */
export function meet(a: readonly RoleBinding[], b: readonly RoleBinding[]): RoleBinding[] {
  return a.flatMap((one) =>
    b.flatMap((other) => {
      const role = one.role < other.role ? one.role : other.role;
      if (one.peers === "all") return [{ role, peers: other.peers }];
      if (other.peers === "all") return [{ role, peers: one.peers }];
      const { peers } = other;
      const both = one.peers.filter((peer) => peers.includes(peer));
      return both.length > 0 ? [{ role, peers: both }] : [];
    }),
  );
}

/** Whether `theirs` hold all of `wanted`, so that nobody could do by `wanted` what those who hold `theirs` may not. */
export function holdsAll(theirs: readonly RoleBinding[], wanted: readonly RoleBinding[]): boolean {
  return wanted.every(({ role, peers }) => {
    const held = theirs.filter((binding) => binding.role >= role).map((binding) => binding.peers);
    if (held.includes("all")) return true;
    return peers !== "all" && peers.every((peer) => held.some((names) => names.includes(peer)));
  });
}

/** Of a message that was validated. */
export function fromRoleBinding({
  role,
  allPeers,
  peers,
}: Pick<RoleBindingMessage, "role" | "allPeers" | "peers">): RoleBinding {
  return { role, peers: allPeers ? "all" : [...peers] };
}

const given: readonly Role[] = [Role.VIEWER, Role.OPERATOR, Role.ADMIN];
const byWord: ReadonlyMap<unknown, Role> = new Map(given.map((role) => [roleWord(role), role]));

/** In small letters, as people write it: "viewer". */
export function roleWord(role: Role): string {
  return RoleSchema.value[role]?.localName.toLowerCase() ?? "";
}

/** Of its word; undefined for what is no role that anybody can have. */
function roleCalled(word: unknown): Role | undefined {
  return byWord.get(word);
}

/** As people read it: "operator for west, east; viewer". */
export function describeRoles(roles: readonly RoleBinding[]): string {
  const texts = roles.map(({ role, peers }) =>
    peers === "all" ? roleWord(role) : `${roleWord(role)} for ${peers.join(", ")}`,
  );
  return texts.length > 0 ? texts.join("; ") : "no role";
}

/** As it is kept, where a number would say nothing to whoever reads it. */
export function formatRoles(roles: readonly RoleBinding[]): { role: string; peers: "all" | readonly string[] }[] {
  return roles.map(({ role, peers }) => ({ role: roleWord(role), peers }));
}

/** Undefined for what says anything else, which is then less than nothing. */
export function parseRoles(kept: unknown): RoleBinding[] | undefined {
  if (!Array.isArray(kept)) return undefined;
  const roles = kept.map(parseBinding);
  return roles.every((binding) => binding !== undefined) ? roles : undefined;
}

function parseBinding(kept: unknown): RoleBinding | undefined {
  if (typeof kept !== "object" || kept === null || !("role" in kept) || !("peers" in kept)) return undefined;
  const role = roleCalled(kept.role);
  const peers = kept.peers === "all" ? kept.peers : namesIn(kept.peers);
  return role !== undefined && peers !== undefined ? { role, peers } : undefined;
}

function namesIn(kept: unknown): string[] | undefined {
  return Array.isArray(kept) && kept.every((name) => typeof name === "string") ? kept : undefined;
}
