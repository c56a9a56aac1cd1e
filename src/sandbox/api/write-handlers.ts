import { isObject } from "../json.ts";
import type { KubeObject } from "../object.ts";
import { jsonPatch } from "../patch/json-patch.ts";
import { mergePatch } from "../patch/merge-patch.ts";
import { strategicMerge } from "../patch/strategic-merge.ts";
import type { DeleteOptions, WriteOptions } from "../registry/options.ts";
import type { Registry } from "../registry/registry.ts";
import { checkName } from "../registry/transition.ts";
import { type Resource, storeKey } from "../resource.ts";
import { badRequest, invalid, noSuchPath, unsupportedMediaType } from "../status-error.ts";
import { filterOf } from "./filter.ts";
import { ok, type Reply } from "./reply.ts";
import { type ApiRequest, flag, jsonOrYaml, managerOf, mediaType, readBody, type Target } from "./request.ts";
import { scaleOf, withScale } from "./scale.ts";

const patchTypes = [
  "application/json-patch+json",
  "application/merge-patch+json",
  "application/apply-patch+yaml",
  "application/strategic-merge-patch+json",
];

export async function handleCreate(
  registry: Registry,
  request: ApiRequest,
  resource: Resource,
  target: Target,
): Promise<Reply> {
  const body = await readWritten(request, jsonOrYaml);
  return ok(registry.create(resource, target.namespace, body, optionsOf(request, resource, target)), 201);
}

export async function handleUpdate(
  registry: Registry,
  request: ApiRequest,
  resource: Resource,
  target: Target,
): Promise<Reply> {
  const body = await readWritten(request, jsonOrYaml);
  const o = optionsOf(request, resource, target);
  const { namespace, name = "" } = target;
  checkName(body, name);
  const change = (live: KubeObject): unknown => {
    if (target.subresource === "scale") return withScale(resource, live, body);
    const hasVersion = isObject(body) && isObject(body.metadata) && body.metadata.resourceVersion;
    if (resource.custom && !hasVersion) {
      throw invalid(resource, name, [
        {
          reason: "FieldValueInvalid",
          message: "Invalid value: 0x0: must be specified for an update",
          field: "metadata.resourceVersion",
        },
      ]);
    }
    return body;
  };
  return ok(asAsked(resource, target, registry.update(resource, namespace, name, change, o)));
}

export async function handlePatch(
  registry: Registry,
  request: ApiRequest,
  resource: Resource,
  target: Target,
): Promise<Reply> {
  const type = mediaType(request.raw);
  const { namespace, name = "" } = target;
  const o = optionsOf(request, resource, target);
  const accepted = resource.custom ? patchTypes.slice(0, 3) : patchTypes;
  if (!accepted.includes(type)) throw unsupportedMediaType(type, accepted);
  const patch = await readWritten(request, accepted);
  if (type === "application/apply-patch+yaml") {
    if (!request.query.get("fieldManager")) {
      throw invalid({ group: "meta.k8s.io", plural: "patchoptions", kind: "PatchOptions" }, "", [
        { reason: "FieldValueRequired", message: "Required value: is required for apply patch", field: "fieldManager" },
      ]);
    }
    if (target.subresource === "scale")
      throw badRequest("the sandbox does not apply to the scale subresource; use a merge patch");
    const { object, created } = registry.apply(resource, namespace, name, patch, o);
    return ok(object, created ? 201 : 200);
  }
  const change = (live: KubeObject): unknown => {
    const document = target.subresource === "scale" ? scaleOf(resource, live) : live;
    const patched =
      type === "application/json-patch+json"
        ? jsonPatch(document, patch)
        : type === "application/merge-patch+json"
          ? mergePatch(document, patch)
          : strategicMerge(document, patch, resource.schema);
    return target.subresource === "scale" ? withScale(resource, live, patched) : patched;
  };
  return ok(asAsked(resource, target, registry.update(resource, namespace, name, change, o)));
}

export async function handleDelete(
  registry: Registry,
  request: ApiRequest,
  resource: Resource,
  target: Target,
): Promise<Reply> {
  if (target.subresource) throw noSuchPath();
  const { object, gone } = registry.delete(
    resource,
    target.namespace,
    target.name ?? "",
    await deleteOptionsOf(request),
  );
  if (!gone || resource.plural === "pods") return ok(object);
  return ok({
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Success",
    details: {
      name: object.metadata.name,
      ...(resource.group ? { group: resource.group } : {}),
      kind: resource.plural,
      uid: object.metadata.uid,
    },
  });
}

export async function handleDeleteCollection(
  registry: Registry,
  request: ApiRequest,
  resource: Resource,
  target: Target,
): Promise<Reply> {
  const o = await deleteOptionsOf(request);
  const matches = filterOf(resource, target, request.query);
  const deleted = registry.store.list(storeKey(resource), target.namespace).filter(matches);
  for (const object of deleted) registry.delete(resource, object.metadata.namespace, object.metadata.name, o);
  const { group, version } = resource;
  return ok({
    kind: resource.listKind,
    apiVersion: group ? `${group}/${version}` : version,
    metadata: { resourceVersion: String(registry.store.revision) },
    items: deleted,
  });
}

async function readWritten(request: ApiRequest, accepted: readonly string[]): Promise<unknown> {
  const body = await readBody(request.raw, accepted);
  return request.readThrough ? request.readThrough(body) : body;
}

function asAsked(resource: Resource, target: Target, object: KubeObject): KubeObject {
  return target.subresource === "scale" ? scaleOf(resource, object) : object;
}

function optionsOf(request: ApiRequest, resource: Resource, target: Target): WriteOptions {
  const { query, warnings } = request;
  if (resource.unenforced) warnings.push(`the sandbox stores ${resource.plural} and does not enforce them`);
  const asked = query.get("fieldValidation");
  const { subresource } = target;
  return {
    manager: managerOf(request),
    fieldValidation: asked === "Strict" || asked === "Ignore" ? asked : "Warn",
    dryRun: query.getAll("dryRun").includes("All"),
    force: flag(query, "force"),
    warn: (text) => void warnings.push(text),
    ...(subresource === "status" || subresource === "scale" ? { subresource } : {}),
  };
}

async function deleteOptionsOf(request: ApiRequest): Promise<DeleteOptions> {
  const body = await readBody(request.raw, jsonOrYaml);
  const given = isObject(body) ? body : {};
  const preconditions = isObject(given.preconditions) ? given.preconditions : {};
  const propagation = given.propagationPolicy ?? request.query.get("propagationPolicy");
  const grace = given.gracePeriodSeconds ?? request.query.get("gracePeriodSeconds");
  const dryRun = Array.isArray(given.dryRun) ? given.dryRun : request.query.getAll("dryRun");
  return {
    ...(typeof preconditions.uid === "string" ? { uid: preconditions.uid } : {}),
    ...(typeof preconditions.resourceVersion === "string" ? { resourceVersion: preconditions.resourceVersion } : {}),
    ...(propagation === "Background" || propagation === "Foreground" || propagation === "Orphan"
      ? { propagation }
      : {}),
    ...(grace !== null && grace !== undefined ? { gracePeriodSeconds: Number(grace) } : {}),
    dryRun: dryRun.includes("All"),
  };
}
