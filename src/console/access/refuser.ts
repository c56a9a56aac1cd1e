/** Refusals of whatever is judged here: calls, doors, what is watched, events. */
import type { ConnectError } from "@connectrpc/connect";
import type { Principal } from "../auth/principal.ts";
import type { Decision } from "./decide.ts";
import { type Asked, refusal } from "./refusal.ts";

/** The error for who asked. That somebody known was refused is told. */
export type Refuse = (decision: Decision & { readonly ok: false }, asked: Omit<Asked, "admins">) => ConnectError;

export function createRefuser(deps: {
  /** Names of those who may say what others may do. */
  admins(): readonly string[];
  /** Told of each thing that somebody known is refused. */
  refused(asked: { readonly principal: Principal; readonly what: string; readonly message: string }): void;
}): Refuse {
  return (decision, asked) => {
    const error = refusal(decision, { ...asked, admins: deps.admins() });
    const { principal, what } = asked;
    if (principal) deps.refused({ principal, what, message: error.rawMessage });
    return error;
  };
}
