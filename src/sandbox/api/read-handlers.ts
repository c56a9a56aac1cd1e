import type { Clock } from "../../base/clock.ts";
import type { Registry } from "../registry/registry.ts";
import { apiVersionOf, type Resource, storeKey } from "../resource.ts";
import { badRequest, expired, StatusError } from "../status-error.ts";
import { filterOf } from "./filter.ts";
import { ok, type Reply } from "./reply.ts";
import { type ApiRequest, type Target, wantsTable } from "./request.ts";
import { scaleOf } from "./scale.ts";
import { includeOf, table } from "./table.ts";

export function handleGet(
  deps: { registry: Registry; clock: Clock },
  request: ApiRequest,
  resource: Resource,
  target: Target,
): Reply {
  const object = deps.registry.get(resource, target.namespace, target.name ?? "");
  if (target.subresource === "scale") return ok(scaleOf(resource, object));
  if (!wantsTable(request)) return ok(object);
  const { resourceVersion } = object.metadata;
  return ok(table(resource, [object], { resourceVersion }, includeOf(request.query), deps.clock.now()));
}

interface Continuation {
  revision: number;
  after: string;
}

export function handleList(
  deps: { registry: Registry; clock: Clock },
  request: ApiRequest,
  resource: Resource,
  target: Target,
): Reply {
  const { store } = deps.registry;
  const { query } = request;
  const matches = filterOf(resource, target, query);
  const from = readContinue(query.get("continue"));
  const asked = Number(query.get("resourceVersion") ?? 0);
  if (asked > store.revision) throw tooLarge(asked, store.revision);
  const isExact = query.get("resourceVersionMatch") === "Exact";
  const revision = from?.revision ?? (isExact ? asked : store.revision);
  const all =
    revision === store.revision
      ? store.list(storeKey(resource), target.namespace)
      : store.listAt(storeKey(resource), revision, target.namespace);
  if (!all) {
    throw from
      ? expired(
          "The provided continue parameter is too old to display a consistent list result. You must start a new list without the continue parameter.",
        )
      : expired("The resourceVersion for the provided list is too old.");
  }
  const found = all.filter((object) => matches(object) && (!from || keyOf(object.metadata) > from.after));
  const limit = Number(query.get("limit") ?? 0);
  const page = limit > 0 ? found.slice(0, limit) : found;
  const last = page.at(-1);
  const isSelective = query.has("labelSelector") || query.has("fieldSelector");
  const metadata = {
    resourceVersion: String(revision),
    ...(page.length < found.length && last
      ? {
          continue: writeContinue({ revision, after: keyOf(last.metadata) }),
          ...(isSelective ? {} : { remainingItemCount: found.length - page.length }),
        }
      : {}),
  };
  if (wantsTable(request)) return ok(table(resource, page, metadata, includeOf(query), deps.clock.now()));
  return ok({ kind: resource.listKind, apiVersion: apiVersionOf(resource), metadata, items: page });
}

function keyOf({ namespace, name }: { namespace?: string; name: string }): string {
  return `${namespace ?? ""}/${name}`;
}

function writeContinue(continuation: Continuation): string {
  return Buffer.from(
    JSON.stringify({ v: "meta.k8s.io/v1", rv: continuation.revision, start: continuation.after }),
  ).toString("base64url");
}

function readContinue(token: string | null): Continuation | undefined {
  if (!token) return undefined;
  try {
    const { rv, start }: { rv: unknown; start: unknown } = JSON.parse(Buffer.from(token, "base64url").toString());
    if (typeof rv === "number" && typeof start === "string") return { revision: rv, after: start };
  } catch {
    // What is not JSON is refused below, like JSON of another shape.
  }
  throw badRequest("continue key is not valid");
}

function tooLarge(asked: number, current: number): StatusError {
  return new StatusError(504, "Timeout", `Timeout: Too large resource version: ${asked}, current: ${current}`, {
    causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
    retryAfterSeconds: 1,
  });
}
