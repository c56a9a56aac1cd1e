/** TokenReview, SubjectAccessReview and SelfSubjectAccessReview: asked and answered, never stored. */
import { isObject, type JsonObject } from "../json.ts";
import { badRequest } from "../status-error.ts";
import { apiServerAudience, mayDo, type User, type Users } from "./users.ts";

export function review(kind: string, body: unknown, asker: User, users: Users): JsonObject {
  if (!isObject(body)) throw badRequest(`a ${kind} needs a body`);
  const spec = isObject(body.spec) ? body.spec : {};
  return {
    ...body,
    metadata: body.metadata ?? {},
    status: kind === "TokenReview" ? reviewToken(spec, users) : reviewAccess(kind, spec, asker, users),
  };
}

function reviewToken(spec: JsonObject, users: Users): JsonObject {
  const known = typeof spec.token === "string" ? users.byToken(spec.token) : undefined;
  const asked = Array.isArray(spec.audiences) && spec.audiences.length > 0 ? spec.audiences : [apiServerAudience];
  const audiences = asked.filter((audience) => known?.audiences.includes(String(audience)));
  if (!known) return { user: {}, error: "[invalid bearer token]" };
  if (audiences.length === 0) return { user: {}, error: "[token audiences do not match any of the requested ones]" };
  return { authenticated: true, user: { username: known.user.name, groups: known.user.groups }, audiences };
}

function reviewAccess(kind: string, spec: JsonObject, asker: User, users: Users): JsonObject {
  const attributes = isObject(spec.resourceAttributes) ? spec.resourceAttributes : spec.nonResourceAttributes;
  if (!isObject(attributes))
    throw badRequest("exactly one of nonResourceAttributes or resourceAttributes must be specified");
  const verb = String(attributes.verb ?? "");
  const groups = Array.isArray(spec.groups) ? spec.groups.map(String) : [];
  const named = typeof spec.user === "string" ? users.byName(spec.user) : undefined;
  const subject =
    kind === "SelfSubjectAccessReview" ? asker : (named ?? { name: String(spec.user), groups, verbs: [] });
  const allowed = mayDo(
    { ...subject, groups: [...subject.groups, ...(kind === "SelfSubjectAccessReview" ? [] : groups)] },
    verb,
  );
  return allowed
    ? { allowed }
    : { allowed, reason: "the sandbox does not enforce RBAC: a user has the verbs that the sandbox was made with" };
}
