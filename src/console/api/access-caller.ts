/** Who asks about people and tokens. Pure. */
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import { CallerKind } from "../../gen/fairlead/console/v1/access_pb.ts";
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
