/** Whether somebody may, and if not, what is missing. Pure. */
import { Role, Scope } from "../../gen/fairlead/console/v1/access_pb.ts";
import type { Principal, RoleBinding } from "../auth/principal.ts";
import type { Need } from "./access-of.ts";
import { type About, type Concern, join } from "./concern.ts";

export type Decision =
  | { readonly ok: true }
  /** They are not known, and would have to be. */
  | { readonly ok: false; readonly why: "unknown" }
  | { readonly ok: false; readonly why: "password" }
  /**
   * `peers` are those for which the role is not held; "all" when it would have to be held for all; "unsaid" for what they may not see,
   * whether it exists or not: the answer is the same.
   */
  | { readonly ok: false; readonly why: "role"; readonly role: Role; readonly peers: Concern | "unsaid" };

const allowed: Decision = { ok: true };

/** `about` counts for what is about peers alone. */
export function decide(
  principal: Principal | undefined,
  need: Pick<Need, "role" | "scope"> & Partial<Pick<Need, "beforePasswordChange">>,
  about: About,
): Decision {
  const { role, scope } = need;
  if (scope === Scope.EVERYBODY) return allowed;
  if (!principal) return { ok: false, why: "unknown" };
  if (principal.mustChangePassword && !need.beforePasswordChange) return { ok: false, why: "password" };
  if (scope === Scope.SELF) return allowed;
  const holds = principal.roles.filter((binding) => binding.role >= role);
  const refused = (peers: Concern | "unsaid"): Decision => ({ ok: false, why: "role", role, peers });
  // What holds only what they may see any such role may ask for.
  if (scope === Scope.FILTERED) return holds.length > 0 ? allowed : refused([]);
  if (holds.some(({ peers }) => peers === "all")) return allowed;
  const { said, found = [], shownTo } = about;
  const view = viewOf(principal);
  if (found === "nothing") {
    if (!view("")) return refused("unsaid");
    if (said.length === 0) return holds.length > 0 ? allowed : refused("all");
  }
  const seen = found === "nothing" ? [] : found;
  const concern = join([said, seen]);
  // Where a request is so wrong that it names no peer, what is wrong with it may be told to whoever has the role at all.
  if (concern.length === 0) return holds.length > 0 ? allowed : refused([]);
  const missing = concern === "all" ? concern : concern.filter((peer) => !holds.some((held) => covers(held, peer)));
  if (missing.length === 0) return allowed;
  // A request that may make an app says its peers, whether there is one by then or not.
  const mayKnow = (peer: string): boolean => view(peer) || (scope !== Scope.FORWARD && said.includes(peer));
  const isOpen = shownTo !== undefined ? view(shownTo) : seen === "all" ? view("") : seen.every(mayKnow);
  return refused(isOpen ? missing : "unsaid");
}

/** Whether a call about oneself may be about others, too. */
export function mayAskOfOthers(principal: Principal | undefined, { others: role }: Pick<Need, "others">): boolean {
  if (role === Role.UNSPECIFIED) return false;
  return decide(principal, { role, scope: Scope.AGENT }, { said: "all" }).ok;
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
