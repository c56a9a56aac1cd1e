/** Whether an object is still as the agent made it. Pure. */
import { isDeepStrictEqual } from "node:util";
import { isJsonObject, type JsonValue, type ObjectMeta } from "../../kube/object.ts";

/** What the agent makes for peers: Deployments, Services, quotas and their like. */
export interface Keepable {
  metadata: ObjectMeta;
  spec?: unknown;
}

/** What was applied last, and what the API server made of it. */
export interface Applied {
  /** The manifest as JSON text. */
  readonly manifest: string;
  readonly uid: string | undefined;
  /** Changes with every edit of the spec by anybody. */
  readonly generation: number | undefined;
  /** For kinds without a generation: the spec and the agent's metadata as they were answered. */
  readonly face: JsonValue;
}

export function appliedOf(manifest: object, answer: Keepable): Applied {
  const { uid, generation } = answer.metadata;
  return { manifest: JSON.stringify(manifest), uid, generation, face: faceOf(answer) };
}

/** This very manifest was applied before, so that only somebody else can have changed what came of it. */
export function isKnown(manifest: object, applied: Applied | undefined): boolean {
  return applied?.manifest === JSON.stringify(manifest);
}

/** True when `manifest` has to be applied: it is new, or the object is missing or was edited since. */
export function isDrifted(manifest: object, applied: Applied | undefined, found: Keepable | undefined): boolean {
  if (!applied || !found || !isKnown(manifest, applied) || applied.uid !== found.metadata.uid) return true;
  if (applied.generation !== found.metadata.generation) return true;
  return !isDeepStrictEqual(applied.face, faceOf(found));
}

/** What ties the object to its owner, and the whole spec of a kind without a generation; elsewhere that covers the spec. */
function faceOf(object: Keepable): JsonValue {
  const { labels = {}, ownerReferences = [] } = object.metadata;
  const spec = object.metadata.generation === undefined ? (object.spec ?? {}) : {};
  return JSON.parse(JSON.stringify({ labels, ownerReferences, spec }));
}

/**
 * For kinds that have no defaults beside what the manifest states: the parts of the spec that are not as in the manifest,
 * such as a rule or an amount that somebody added.
 */
export function differences(manifest: Keepable, found: Keepable): string[] {
  const [wanted, present] = [fieldsOf(manifest.spec), fieldsOf(found.spec)];
  const names = new Set([...Object.keys(wanted), ...Object.keys(present)]);
  return [...names].filter((name) => !isDeepStrictEqual(wanted[name], present[name]));
}

/** The fields of a spec that say something: an API server leaves out what is empty. */
function fieldsOf(spec: unknown): { [name: string]: JsonValue | undefined } {
  const json: JsonValue = JSON.parse(JSON.stringify(spec ?? {}));
  if (!isJsonObject(json)) return {};
  return Object.fromEntries(Object.entries(json).filter(([, value]) => !isEmpty(value)));
}

function isEmpty(value: JsonValue): boolean {
  return Array.isArray(value) ? value.length === 0 : isJsonObject(value) && Object.keys(value).length === 0;
}
