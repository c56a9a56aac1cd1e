/** Who owns which fields of an object, and how that changes with each write. */
import { isObject, type JsonObject } from "../json.ts";
import type { KubeObject, ManagedFieldsEntry } from "../object.ts";
import type { Schema } from "../schema/schema.ts";
import { StatusError } from "../status-error.ts";
import { describePath, type FieldPath, FieldSet } from "./field-set.ts";
import { mergeApplied, removeAt } from "./merge.ts";
import { compare, fieldsOf } from "./typed-walk.ts";

/** One entry of `managedFields`: the same manager owns separately by operation and subresource. */
export interface Owner {
  manager: string;
  operation: "Apply" | "Update";
  apiVersion: string;
  subresource?: string;
}

interface Owned {
  owner: Owner;
  time: string;
  fields: FieldSet;
}

/** Fields that the server writes or that name the object: nobody owns them. */
const unownedRoots = new Set(["f:apiVersion", "f:kind"]);
const unownedMetadata = new Set(
  [
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
    "selfLink",
  ].map((field) => `f:${field}`),
);

function ownable([root = "", field]: FieldPath): boolean {
  if (field === undefined && (root === "f:spec" || root === "f:status")) return false;
  if (root !== "f:metadata") return !unownedRoots.has(root);
  return field !== undefined && !unownedMetadata.has(field);
}

function identify(owner: Owner): string {
  return JSON.stringify([owner.manager, owner.operation, owner.apiVersion, owner.subresource ?? ""]);
}

function read(entries: readonly ManagedFieldsEntry[] | undefined): Map<string, Owned> {
  const owned = new Map<string, Owned>();
  for (const entry of entries ?? []) {
    if (!entry.fieldsV1) continue;
    const owner: Owner = {
      manager: entry.manager ?? "unknown",
      operation: entry.operation ?? "Update",
      apiVersion: entry.apiVersion ?? "",
      ...(entry.subresource ? { subresource: entry.subresource } : {}),
    };
    owned.set(identify(owner), { owner, time: entry.time ?? "", fields: FieldSet.parse(entry.fieldsV1) });
  }
  return owned;
}

function write(owned: Map<string, Owned>): ManagedFieldsEntry[] {
  return [...owned.values()]
    .filter(({ fields }) => fields.size > 0)
    .sort((a, b) => rank(a).localeCompare(rank(b)))
    .map(({ owner, time, fields }) => ({
      manager: owner.manager,
      operation: owner.operation,
      apiVersion: owner.apiVersion,
      time,
      fieldsType: "FieldsV1",
      fieldsV1: fields.toTrie(),
      ...(owner.subresource ? { subresource: owner.subresource } : {}),
    }));
}

function rank({ owner, time }: Owned): string {
  return `${owner.operation}/${time}/${owner.manager}/${owner.subresource ?? ""}`;
}

/** The managedFields after an ordinary write: the writer owns what it added or changed, and others lose it. */
export function trackUpdate(o: {
  before: KubeObject | undefined;
  after: JsonObject;
  entries: readonly ManagedFieldsEntry[] | undefined;
  owner: Owner;
  schema: Schema;
  time: string;
}): ManagedFieldsEntry[] {
  const changes = compare(withoutMetadataNoise(o.before ?? {}), withoutMetadataNoise(o.after), o.schema);
  const taken = changes.added.union(changes.modified).filter(ownable);
  const owned = read(o.entries);
  if (taken.size === 0 && changes.removed.size === 0) return write(owned);
  const key = identify(o.owner);
  for (const [other, entry] of owned) {
    const lost = other === key ? changes.removed : changes.removed.union(taken);
    entry.fields = entry.fields.minus(lost);
  }
  const mine = owned.get(key)?.fields ?? new FieldSet();
  const fields = mine.union(taken);
  if (!fields.equals(mine) || !owned.has(key)) owned.set(key, { owner: o.owner, time: o.time, fields });
  return write(owned);
}

/**
 * Applies a configuration to the live object: what it says is merged in and owned by `owner`; what the same owner
 * applied before and no longer says is removed, unless others own it. A value that another manager owns and that would
 * change is a 409 naming the manager and the field, unless `force` takes it over.
 */
export function applyConfiguration(o: {
  live: JsonObject;
  config: JsonObject;
  entries: readonly ManagedFieldsEntry[] | undefined;
  owner: Owner;
  schema: Schema;
  time: string;
  force: boolean;
}): { merged: JsonObject; entries: ManagedFieldsEntry[] } {
  const owned = read(o.entries);
  const key = identify(o.owner);
  const before = owned.get(key);
  const fields = fieldsOf(withoutMetadataNoise(o.config), o.schema).filter(ownable);
  const unchanged = before?.fields.equals(fields) ?? false;
  owned.set(key, { owner: o.owner, time: unchanged && before ? before.time : o.time, fields });
  let merged = mergeApplied(o.live, o.config, o.schema);
  if (before) merged = dropAbandoned(merged, before.fields, owned, o.schema);
  if (!isObject(merged)) throw new Error("an object merged with an object is an object");
  const changes = compare(withoutMetadataNoise(o.live), withoutMetadataNoise(merged), o.schema);
  const taken = changes.added.union(changes.modified).filter(ownable);
  const conflicts: { owner: Owner; fields: FieldSet }[] = [];
  for (const [other, entry] of owned) {
    if (other !== key) {
      const contested = entry.fields.intersect(taken);
      if (contested.size > 0) conflicts.push({ owner: entry.owner, fields: contested });
      entry.fields = entry.fields.minus(contested);
    }
    entry.fields = entry.fields.minus(changes.removed);
  }
  if (conflicts.length > 0 && !o.force) throw applyConflict(conflicts);
  return { merged, entries: write(owned) };
}

/** Removes what `last` owned and nobody owns now, and the named containers that this leaves without any owner. */
function dropAbandoned(merged: unknown, last: FieldSet, owned: Map<string, Owned>, schema: Schema): unknown {
  const kept = new Set<string>();
  for (const { fields } of owned.values()) {
    for (const path of fields) for (let i = 1; i <= path.length; i++) kept.add(path.slice(0, i).join("\u0000"));
  }
  const abandoned = new FieldSet();
  for (const path of last) {
    for (let i = 1; i <= path.length; i++) {
      const prefix = path.slice(0, i);
      const isContainer = i < path.length;
      if (isContainer && (i < 2 || !prefix.at(-1)?.startsWith("f:"))) continue;
      if (!kept.has(prefix.join("\u0000"))) abandoned.add(prefix);
    }
  }
  let pruned = merged;
  for (const path of [...abandoned].sort((a, b) => a.length - b.length)) pruned = removeAt(pruned, path, schema);
  return pruned;
}

function applyConflict(conflicts: readonly { owner: Owner; fields: FieldSet }[]): StatusError {
  const all = conflicts.flatMap(({ owner, fields }) =>
    [...fields].map((path) => ({ owner, field: describePath(path) })),
  );
  const who = ({ manager, subresource, operation, apiVersion }: Owner): string => {
    const name = JSON.stringify(manager) + (subresource ? ` with subresource ${JSON.stringify(subresource)}` : "");
    return operation === "Update" ? `${name} using ${apiVersion}` : name;
  };
  const lines = conflicts.map(({ owner, fields }) => {
    const paths = [...fields].map(describePath);
    return paths.length === 1
      ? `conflict with ${who(owner)}: ${paths[0]}`
      : `conflicts with ${who(owner)}:\n${paths.map((path) => `- ${path}`).join("\n")}`;
  });
  const count = `${all.length} conflict${all.length === 1 ? "" : "s"}`;
  return new StatusError(409, "Conflict", `Apply failed with ${count}: ${lines.join("\n")}`, {
    causes: all.map(({ owner, field }) => ({
      reason: "FieldManagerConflict",
      message: `conflict with ${who(owner)}`,
      field,
    })),
  });
}

function withoutMetadataNoise(object: JsonObject): JsonObject {
  if (!isObject(object.metadata)) return object;
  const { managedFields: _ignored, ...metadata } = object.metadata;
  return { ...object, metadata };
}
