/** Every change that somebody makes through the API, written down with who made it and how it ended. */
import type { Interceptor, UnaryRequest } from "@connectrpc/connect";
import type { AuditLog } from "../../audit/audit-log.ts";
import { errorText } from "../../base/error-text.ts";
import { principalKey } from "../auth/principal.ts";

/** Reading changes nothing. Invites and removals are recorded by peering, which knows more of them; so are joins, a stream. */
const recordedElsewhere = /^(Get|List|CreateInvite$|RemovePeer$)/;

/** Records each unary RPC that changes something, as in "app.deploy" of "default/shop". */
export function auditChanges(audit: Pick<AuditLog, "record">): Interceptor {
  return (next) => async (request) => {
    if (request.stream || recordedElsewhere.test(request.method.name)) return next(request);
    const entry = {
      action: actionOf(request.method.name),
      actor: { person: request.contextValues.get(principalKey)?.name },
      target: targetOf(request),
    };
    try {
      const response = await next(request);
      audit.record({ ...entry, verdict: "done" });
      return response;
    } catch (error) {
      audit.record({ ...entry, verdict: "failed", message: errorText(error) });
      throw error;
    }
  };
}

/** "DeployApp" is "app.deploy". */
function actionOf(method: string): string {
  const [, verb = method, noun = ""] = /^([A-Z][a-z]+)(.*)$/.exec(method) ?? [];
  return `${noun.toLowerCase()}.${verb.toLowerCase()}`;
}

/** What the request names: an object, or a name. Nothing else of it is kept. */
function targetOf({ message }: UnaryRequest): string | undefined {
  for (const field of ["ref", "workload", "name", "id"]) {
    const value: unknown = Reflect.get(message, field);
    if (typeof value === "string" && value !== "") return value;
    if (typeof value === "object" && value !== null && "namespace" in value && "name" in value) {
      return `${String(value.namespace)}/${String(value.name)}`;
    }
  }
  return undefined;
}
