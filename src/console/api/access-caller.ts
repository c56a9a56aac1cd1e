/** Who asks about people and tokens, and whether about their own only. Pure. */
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import { CallerKind, Role } from "../../gen/fairlead/console/v1/access_pb.ts";
import { type Principal, principalKey } from "../auth/principal.ts";

/** As messages have it. */
export const callerKinds: Readonly<Record<Principal["kind"], CallerKind>> = {
  "admin-token": CallerKind.ADMIN_TOKEN,
  user: CallerKind.USER,
  token: CallerKind.TOKEN,
  kubernetes: CallerKind.KUBERNETES,
  oidc: CallerKind.OIDC,
};

/** Throws for nobody, whom the guard in front lets not come here. */
export function callerOf(context: Pick<HandlerContext, "values">): Principal {
  const principal = context.values.get(principalKey);
  if (!principal) throw new ConnectError("Nobody is signed in.", Code.Unauthenticated);
  return principal;
}

/**
 * For what is about the caller alone, and so passes the guard. Throws for who has to change their password first: they may do nothing
 * else, and least of all make what outlives that.
 */
export function settledCaller(context: Pick<HandlerContext, "values">): Principal {
  const principal = callerOf(context);
  if (!principal.mustChangePassword) return principal;
  throw new ConnectError("Change your password first: somebody else knows it.", Code.FailedPrecondition);
}

/** Whether somebody decides here who may what. */
export function isAdmin({ roles, mustChangePassword }: Principal): boolean {
  return mustChangePassword !== true && roles.some(({ role, peers }) => role === Role.ADMIN && peers === "all");
}
