/** Whether somebody may, and if not, what is missing. Pure. */
import { Role, RoleSchema, Scope } from "../../gen/fairlead/console/v1/access_pb.ts";
import type { Principal, RoleBinding } from "../auth/principal.ts";
import type { Need } from "./access-of.ts";
import type { Concern } from "./concern.ts";

export type Decision =
  | { readonly ok: true }
  /** They are not known, and would have to be. */
  | { readonly ok: false; readonly why: "unknown" }
  | { readonly ok: false; readonly why: "password" }
  /** `peers` are those for which the role is not held; "all" when it would have to be held for all. */
  | { readonly ok: false; readonly why: "role"; readonly role: Role; readonly peers: Concern };

const allowed: Decision = { ok: true };

/** `concern` counts for what is about peers alone. */
export function decide(
  principal: Principal | undefined,
  need: Pick<Need, "role" | "scope">,
  concern: Concern,
): Decision {
  const { role, scope } = need;
  if (scope === Scope.EVERYBODY) return allowed;
  if (!principal) return { ok: false, why: "unknown" };
  if (scope === Scope.SELF) return allowed;
  if (principal.mustChangePassword) return { ok: false, why: "password" };
  const holds = principal.roles.filter((binding) => binding.role >= role);
  // For what holds only what they may see, and for what names nothing that exists, any such role will do.
  if (scope === Scope.FILTERED || (concern !== "all" && concern.length === 0)) {
    return holds.length > 0 ? allowed : { ok: false, why: "role", role, peers: [] };
  }
  if (holds.some(({ peers }) => peers === "all")) return allowed;
  if (concern === "all") return { ok: false, why: "role", role, peers: "all" };
  const missing = concern.filter((peer) => !holds.some((binding) => covers(binding, peer)));
  return missing.length === 0 ? allowed : { ok: false, why: "role", role, peers: missing };
}

/** What somebody may see: a peer, by its name, and with "" what is about no peer. */
export function viewOf(principal: Principal | undefined, role: Role = Role.VIEWER): (peer: string) => boolean {
  const roles = (principal?.mustChangePassword ? [] : (principal?.roles ?? [])).filter(
    (binding) => binding.role >= role,
  );
  return (peer) => roles.some((binding) => covers(binding, peer));
}

/** Of an app: whether all that it concerns may be seen. */
export function sees(view: (peer: string) => boolean, concern: Concern): boolean {
  return concern === "all" ? view("") : concern.every(view) && (concern.length > 0 || view(""));
}

function covers({ peers }: RoleBinding, peer: string): boolean {
  return peers === "all" || (peer !== "" && peers.includes(peer));
}

/** As people read it: "operator for west and east", "viewer". */
export function describeRoles(roles: readonly RoleBinding[]): string {
  const texts = roles.map(({ role, peers }) =>
    peers === "all" ? roleWord(role) : `${roleWord(role)} for ${peers.join(", ")}`,
  );
  return texts.length > 0 ? texts.join("; ") : "no role";
}

/** In small letters, as people write it. */
export function roleWord(role: Role): string {
  return RoleSchema.value[role]?.localName.toLowerCase() ?? "";
}
