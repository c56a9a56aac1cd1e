/** What a peer may reach of its own apps here: pages, logs. Pure. */
import { missingGrant } from "./grants.ts";

/** `rule` names the rule that spoke. */
export type ReachPermission =
  | { readonly allowed: true }
  | { readonly allowed: false; readonly rule: string; readonly message: string };

/** Whoever may run apps here may reach them. */
export function permitApps(caller: {
  readonly peer?: string | undefined;
  readonly grants: readonly string[];
}): ReachPermission {
  if (caller.grants.includes("apps")) return { allowed: true };
  return { allowed: false, rule: "grants/apps", message: missingGrant(caller.peer ?? "NAME", "apps") };
}
