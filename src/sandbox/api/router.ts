/** From a request to the handler that answers it. */
import type { Clock } from "../../base/clock.ts";
import { isObject } from "../json.ts";
import type { Registry } from "../registry/registry.ts";
import type { Resource } from "../resource.ts";
import { forbidden, methodNotAllowed, noSuchPath, StatusError } from "../status-error.ts";
import { discover, reviewKinds, serverVersion } from "./discovery.ts";
import { readThrough, showThrough } from "./face.ts";
import { openApi } from "./openapi.ts";
import { handleGet, handleList } from "./read-handlers.ts";
import { ok, type Reply } from "./reply.ts";
import { type ApiRequest, flag, jsonOrYaml, parseTarget, readBody, type Target } from "./request.ts";
import { review } from "./reviews.ts";
import { mayDo, type Users } from "./users.ts";
import { handleWatch } from "./watch-handler.ts";
import { handleCreate, handleDelete, handleDeleteCollection, handlePatch, handleUpdate } from "./write-handlers.ts";

export interface RouterDeps {
  registry: Registry;
  clock: Clock;
  users: Users;
  bookmarkMs: number;
  /** The log of a pod's container. */
  podLog(request: ApiRequest, target: Target): Reply;
}

export async function route(deps: RouterDeps, request: ApiRequest): Promise<Reply> {
  const target = parseTarget(request.path);
  const special = target ? undefined : nonResource(deps, request);
  if (special) return special;
  if (!target) throw noSuchPath();
  const reviewKind = reviewKinds.find((kind) => kind.group === target.group && kind.plural === target.plural);
  if (reviewKind && target.version === "v1") {
    if (request.method !== "POST") throw methodNotAllowed();
    return ok(review(reviewKind.kind, await readBody(request.raw, jsonOrYaml), request.user, deps.users), 201);
  }
  const resource = deps.registry.catalog.find(target.group, target.version, target.plural);
  if (!resource || (!resource.namespaced && target.namespace)) throw noSuchPath();
  checkSubresource(resource, target);
  const verb = verbOf(request, target);
  refuseImpersonation(request);
  if (!mayDo(request.user, verb)) throw lacking(request, resource, target, verb);
  const { faceOf } = resource;
  const stored = faceOf && deps.registry.catalog.find(faceOf.group, "v1", faceOf.plural);
  if (!stored) return handle(deps, request, resource, target, verb);
  const face: ApiRequest = {
    ...request,
    readThrough: (body) => readThrough(resource, stored, body),
    showThrough: (object) => showThrough(resource, stored, object),
  };
  const reply = await handle(deps, face, stored, target, verb);
  return "stream" in reply ? reply : { ...reply, body: face.showThrough?.(reply.body) };
}

async function handle(
  deps: RouterDeps,
  request: ApiRequest,
  resource: Resource,
  target: Target,
  verb: string,
): Promise<Reply> {
  const { registry } = deps;
  switch (verb) {
    case "get":
      return target.subresource === "log" ? deps.podLog(request, target) : handleGet(deps, request, resource, target);
    case "list":
      return handleList(deps, request, resource, target);
    case "watch":
      return handleWatch(deps, request, resource, target);
    case "create":
      if (target.name || (resource.namespaced && !target.namespace)) throw methodNotAllowed();
      return handleCreate(registry, request, resource, target);
    case "update":
      return handleUpdate(registry, request, resource, target);
    case "patch":
      return handlePatch(registry, request, resource, target);
    case "delete":
      return handleDelete(registry, request, resource, target);
    case "deletecollection":
      return handleDeleteCollection(registry, request, resource, target);
    default:
      throw methodNotAllowed();
  }
}

/** The verb by which Kubernetes' authorisation knows this request. */
function verbOf(request: Pick<ApiRequest, "method" | "query">, target: Target): string {
  const { method, query } = request;
  if (method === "GET" || method === "HEAD") {
    if (flag(query, "watch")) return "watch";
    return target.name ? "get" : "list";
  }
  const verbs: Record<string, string> = {
    POST: "create",
    PUT: "update",
    PATCH: "patch",
    DELETE: target.name ? "delete" : "deletecollection",
  };
  const verb = verbs[method];
  if (!verb || ((method === "PUT" || method === "PATCH") && !target.name)) throw methodNotAllowed();
  return verb;
}

function checkSubresource(resource: Resource, { subresource }: Target): void {
  if (subresource === undefined) return;
  const isPod = resource.plural === "pods" && !resource.custom;
  const served =
    (subresource === "status" && resource.status) ||
    (subresource === "scale" && resource.scale) ||
    (isPod && ["log", "exec", "portforward"].includes(subresource));
  if (!served) throw noSuchPath();
}

function refuseImpersonation(request: ApiRequest): void {
  const asked = Object.keys(request.raw.headers).some((name) => name.startsWith("impersonate-"));
  if (asked)
    throw new StatusError(403, "Forbidden", "the sandbox does not serve impersonation; use a real cluster for it");
}

function lacking(request: ApiRequest, resource: Resource, target: Target, verb: string): StatusError {
  const where = target.namespace ? `in the namespace "${target.namespace}"` : "at the cluster scope";
  const why = `User "${request.user.name}" cannot ${verb} resource "${resource.plural}" in API group "${resource.group}" ${where}`;
  return forbidden(resource, target.name ?? "", why);
}

function nonResource(deps: RouterDeps, request: ApiRequest): Reply | undefined {
  const { path } = request;
  if (request.method !== "GET") return undefined;
  if (["/healthz", "/livez", "/readyz"].includes(path))
    return { code: 200, body: "ok", type: "text/plain; charset=utf-8" };
  if (path === "/version" || path === "/version/") return ok(serverVersion);
  if (path.startsWith("/openapi/v3")) return found(openApi(path, deps.registry.catalog));
  return found(discover(path, deps.registry.catalog));
}

function found(body: object | undefined): Reply | undefined {
  return isObject(body) ? ok(body) : undefined;
}
