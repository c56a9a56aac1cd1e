/**
 * What stands in an app's history: each spec that it has had, as a ControllerRevision in its own namespace that goes with it.
 * A revision is what runs. Where it runs, how many, whether it is paused, when it was restarted and its door are not part of it: they make no
 * new revision, and a rollback leaves them as they are. Pure but for a cache.
 */
import { createHash } from "node:crypto";
import { fromJson, toJson } from "@bufbuild/protobuf";
import { type RemoteAppSpec, RemoteAppSpecSchema } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { findUnknown } from "../../kube/custom-resource.ts";
import { type Draft, isJsonObject, type JsonObject, type ObjectMeta } from "../../kube/object.ts";
import type { ResourceKind } from "../../kube/resource-kind.ts";
import { type ControllerRevision, controllerRevisions, type RemoteApp } from "../../kube/resources.ts";
import { canonicalJson } from "../../policy/spec-hash.ts";

/** On each revision: the UID of its RemoteApp. */
export const appLabel = "fairlead.dev/app-uid";

/** On each revision: names what it says, see `specHash`. */
const hashAnnotation = "fairlead.dev/spec-hash";

/** On a RemoteApp and on its revisions: why it was changed, in a person's words; as kubectl calls it. */
export const causeAnnotation = "kubernetes.io/change-cause";

/** How many earlier specs are kept unless the app says. */
const defaultLimit = 10;

const beside = ["peer", "placement", "replicas", "paused", "restartedAt", "revisionHistoryLimit", "door"] as const;

/** A revision without what it says: that is read when somebody asks for it, and would fill the memory. */
export interface RevisionHead {
  readonly metadata: ObjectMeta;
  /** From 1 on; the highest is the present one's. */
  readonly revision: number;
}

export const revisionHeads: ResourceKind<RevisionHead> = {
  ...controllerRevisions,
  parse(json) {
    const { managedFields: _whoWrote, ...metadata }: ObjectMeta = isJsonObject(json.metadata) ? json.metadata : {};
    return { metadata, revision: typeof json.revision === "number" ? json.revision : 0 };
  },
  format: () => {
    throw new TypeError("The head of a revision is read only.");
  },
};

export function uidOf({ metadata }: RevisionHead): string {
  return metadata.labels?.[appLabel] ?? "";
}

export function hashOf({ metadata }: RevisionHead): string {
  return metadata.annotations?.[hashAnnotation] ?? "";
}

export function causeOf({ metadata }: { metadata: ObjectMeta }): string {
  return metadata.annotations?.[causeAnnotation] ?? "";
}

/** Names what of the app stands in its history: equal exactly for specs that run the same. */
export function specHash({ spec }: RemoteApp): string {
  const known = hashes.get(spec);
  if (known !== undefined) return known;
  const hash = createHash("sha256")
    .update(canonicalJson(whatRuns(spec)))
    .digest("hex");
  hashes.set(spec, hash);
  return hash;
}

/** A spec that was read never changes. */
const hashes = new WeakMap<RemoteAppSpec, string>();

/** What is to be written so that the app's spec is the latest of its history; undefined when it is. */
export type RevisionPlan =
  | { readonly kind: "create"; readonly draft: Draft<ControllerRevision> }
  /** The spec was there before, or the reason for it is known only now. */
  | { readonly kind: "patch"; readonly head: RevisionHead; readonly patch: JsonObject };

/** `heads` are the app's own. */
export function planRevision(app: RemoteApp, heads: readonly RevisionHead[]): RevisionPlan | undefined {
  const latest = Math.max(0, ...heads.map(({ revision }) => revision));
  const present = presentOf(app, heads);
  if (!present) return { kind: "create", draft: draftOf(app, latest + 1) };
  const cause = causeOf(app);
  const isLatest = present.revision === latest;
  if (isLatest && (cause === "" || cause === causeOf(present))) return undefined;
  const { resourceVersion = "", uid = "" } = present.metadata;
  // Of an earlier one that is back, the reason why it came then does not count.
  const annotations = { [causeAnnotation]: cause === "" ? null : cause };
  const patch = { metadata: { uid, resourceVersion, annotations }, revision: isLatest ? latest : latest + 1 };
  return { kind: "patch", head: present, patch };
}

/** The revision that says what the app's spec says. */
export function presentOf<T extends RevisionHead>(app: RemoteApp, heads: readonly T[]): T | undefined {
  const hash = specHash(app);
  return heads.find((head) => hashOf(head) === hash);
}

/** The earlier ones that are too many, the oldest first. */
export function surplusOf(app: RemoteApp, heads: readonly RevisionHead[]): RevisionHead[] {
  const present = presentOf(app, heads);
  const earlier = heads.filter((head) => head !== present).sort((a, b) => a.revision - b.revision);
  const limit = app.spec.revisionHistoryLimit ?? defaultLimit;
  return earlier.slice(0, Math.max(0, earlier.length - limit));
}

function draftOf(app: RemoteApp, revision: number): Draft<ControllerRevision> {
  const { namespace = "", name = "", uid = "" } = app.metadata;
  const hash = specHash(app);
  const cause = causeOf(app);
  return {
    metadata: {
      namespace,
      name: revisionName(name, uid, hash),
      labels: { "app.kubernetes.io/managed-by": "fairlead", [appLabel]: uid },
      annotations: { [hashAnnotation]: hash, ...(cause && { [causeAnnotation]: cause }) },
      ownerReferences: [{ apiVersion: app.apiVersion, kind: app.kind, name, uid, controller: true }],
    },
    revision,
    data: { spec: whatRuns(app.spec) },
  };
}

/** Readable at the front, and at the end the same for the same spec of the same app, so that none is written twice. */
function revisionName(name: string, uid: string, hash: string): string {
  const end = createHash("sha256").update(`${uid} ${hash}`).digest("hex").slice(0, 12);
  return `${name.slice(0, 200).replace(/[.-]+$/, "")}-${end}`;
}

function whatRuns(spec: RemoteAppSpec): JsonObject {
  const json = specJson(spec);
  for (const name of beside) delete json[name];
  return json;
}

/** The spec of the app with this revision's `data` for what runs. Throws an Error that says what is wrong with the data. */
export function rolledBack(present: RemoteAppSpec, data: JsonObject): RemoteAppSpec {
  const spec = data.spec ?? {};
  const unknown = findUnknown(RemoteAppSpecSchema, spec, "spec");
  if (unknown.length > 0) throw new Error(unknown.join("; "));
  const now = specJson(present);
  const kept = Object.fromEntries(Object.entries(now).filter(([name]) => beside.some((one) => one === name)));
  return fromJson(RemoteAppSpecSchema, { ...(isJsonObject(spec) ? spec : {}), ...kept });
}

export function specJson(spec: RemoteAppSpec): JsonObject {
  const json = toJson(RemoteAppSpecSchema, spec);
  return isJsonObject(json) ? json : {};
}
