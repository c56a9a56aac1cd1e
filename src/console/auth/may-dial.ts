import type { NamedTarget } from "../../wire/target-text.ts";
import type { Principal } from "./principal.ts";

/** What stands against it on this side, where the peer's own rules are not known; undefined if nothing does. */
export function mayDial(principal: Principal, _peer: string, _target: NamedTarget): string | undefined {
  return principal.role === "admin" ? undefined : `${principal.name} may not reach what is at peers.`;
}
