/** What a write may change of an object, and what the server keeps to itself. Pure. */
import type { Owner } from "../apply/managed-fields.ts";
import { at, clone, equal, isObject, type JsonObject } from "../json.ts";
import type { KubeObject, ManagedFieldsEntry } from "../object.ts";
import { apiVersionOf, type Resource } from "../resource.ts";
import { badRequest, conflict, invalid, staleObject } from "../status-error.ts";
import type { DeleteOptions, WriteOptions } from "./options.ts";

/** Throws a 400 when a body names another object than the path. */
export function checkName(body: unknown, name: string): void {
  const given = at(body, "metadata", "name");
  if (given !== undefined && given !== name) {
    throw badRequest(`the name of the object (${String(given)}) does not match the name on the URL (${name})`);
  }
}

export function checkIdentity(
  resource: Resource,
  live: KubeObject,
  metadata: JsonObject,
  name: string,
  namespace: string | undefined,
): void {
  checkName({ metadata }, name);
  if (metadata.namespace !== undefined && metadata.namespace !== namespace)
    throw wrongNamespace(metadata.namespace, namespace);
  if (metadata.uid && metadata.uid !== live.metadata.uid) {
    throw conflict(
      resource,
      name,
      `Precondition failed: UID in precondition: ${String(metadata.uid)}, UID in object meta: ${live.metadata.uid}`,
    );
  }
  if (metadata.resourceVersion && metadata.resourceVersion !== live.metadata.resourceVersion)
    throw conflict(resource, name, staleObject);
}

/** Throws a 409 when a deletion was meant for another object, or for an older state of this one. */
export function checkPreconditions(resource: Resource, { metadata }: KubeObject, o: DeleteOptions): void {
  const refuse = (what: string, wanted: string, found: string, how: string): never => {
    const why = `the ${what} in the precondition (${wanted}) does not match the ${what} in record (${found}). The object might have been ${how}`;
    throw conflict({ ...resource, group: "", plural: resource.kind }, metadata.name, why);
  };
  if (o.uid && o.uid !== metadata.uid) refuse("UID", o.uid, metadata.uid, "deleted and then recreated");
  if (o.resourceVersion && o.resourceVersion !== metadata.resourceVersion) {
    refuse("ResourceVersion", o.resourceVersion, metadata.resourceVersion, "modified");
  }
}

export function checkFinalizersOnlyShrink(resource: Resource, live: KubeObject, metadata: JsonObject): void {
  const allowed = new Set(live.metadata.finalizers ?? []);
  const added = Array.isArray(metadata.finalizers) ? metadata.finalizers.filter((f) => !allowed.has(String(f))) : [];
  if (added.length === 0) return;
  const message = `Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers ${JSON.stringify(added)}`;
  throw invalid(resource, live.metadata.name, [
    { reason: "FieldValueForbidden", message, field: "metadata.finalizers" },
  ]);
}

/** What a writer cannot change: identity, times, and the half of the object that the other endpoint writes. */
export function keepServerFields(
  resource: Resource,
  live: KubeObject,
  next: JsonObject,
  subresource: WriteOptions["subresource"],
): JsonObject {
  const { managedFields: _m, ...liveMetadata } = live.metadata;
  if (subresource === "status") {
    const { status: _old, ...rest } = live;
    return clone({ ...rest, metadata: liveMetadata, ...(next.status === undefined ? {} : { status: next.status }) });
  }
  const metadata = isObject(next.metadata) ? next.metadata : {};
  const {
    managedFields: _n,
    deletionTimestamp: _d,
    deletionGracePeriodSeconds: _g,
    generation: _gen,
    ...given
  } = metadata;
  const {
    uid,
    creationTimestamp,
    generation,
    deletionTimestamp,
    deletionGracePeriodSeconds,
    resourceVersion,
    name,
    namespace,
  } = live.metadata;
  const kept = {
    ...given,
    name,
    namespace,
    uid,
    creationTimestamp,
    generation,
    resourceVersion,
    deletionTimestamp,
    deletionGracePeriodSeconds,
  };
  const result: JsonObject = {
    ...next,
    metadata: Object.fromEntries(Object.entries(kept).filter(([, value]) => value !== undefined)),
  };
  if (resource.status) {
    if (live.status === undefined) delete result.status;
    else result.status = clone(live.status);
  }
  return result;
}

export function ownerOf(resource: Resource, operation: Owner["operation"], o: WriteOptions): Owner {
  return {
    manager: o.manager,
    operation,
    apiVersion: apiVersionOf(resource),
    ...(o.subresource ? { subresource: o.subresource } : {}),
  };
}

/** A writer may rewrite the managedFields itself, as kubectl does when it migrates, or reset them with `[{}]`. */
export function baseEntries(live: KubeObject, given: unknown): ManagedFieldsEntry[] {
  if (!Array.isArray(given) || given.length === 0) return live.metadata.managedFields ?? [];
  return given.filter((entry) => isObject(entry) && isObject(entry.fieldsV1));
}

export function wishChanged(resource: Resource, before: KubeObject, after: JsonObject): boolean {
  const wish = ({ metadata: _m, status, ...rest }: JsonObject): JsonObject =>
    resource.status ? rest : { ...rest, status };
  if (!equal(wish(before), wish(after))) return true;
  return (
    resource.annotationsCount === true && !equal(before.metadata.annotations, at(after, "metadata", "annotations"))
  );
}

export function wrongNamespace(given: unknown, namespace: string | undefined): Error {
  return badRequest(
    `the namespace of the provided object does not match the namespace sent on the request (${String(given)} is not ${String(namespace)})`,
  );
}
