/**
 * Fields that the host's API server does not keep. One that is older than a field, or has it switched off, may take an object without it and
 * say nothing, and the app would run weaker than it says: without a limit, a probe, a rule about its user. So what makes pods is tried
 * first, with nothing stored, and is not made when anything of it gets lost (docs/adr/0013-fields-that-a-server-drops.md).
 */
import type { KubeClient } from "../../kube/client.ts";
import { KubeError } from "../../kube/errors.ts";
import { type Draft, isJsonObject, type JsonValue, type ObjectMeta } from "../../kube/object.ts";
import type { ResourceKind } from "../../kube/resource-kind.ts";
import { counterpart, placeOf, saysNothing } from "./list-items.ts";
import type { Obstacle } from "./status.ts";

type Made = { metadata: ObjectMeta; spec?: unknown };

/** The API server would not keep these fields of an object. */
export class DroppedFields extends Error {
  override readonly name = "DroppedFields";

  constructor(kind: string, paths: readonly string[], options?: ErrorOptions) {
    const named = paths.slice(0, mostPaths).map((path) => `${kind} ${path}`);
    const more = paths.length > named.length ? ` and ${paths.length - named.length} more` : "";
    super(`${named.join(", ")}${more}`, options);
  }
}

/** Of one object, in a message that goes over a link and into two stores. */
const mostPaths = 8;

/** What the origin is told. What ran before runs on. */
export function droppedObstacle({ message }: DroppedFields): Obstacle {
  return {
    reason: "FieldDropped",
    message: `The host's API server is too old for these fields or has them switched off, and would run the app without them: ${message}. Nothing of this spec is made.`,
  };
}

/** Sends it as it would be applied, with nothing stored. Throws `DroppedFields`. */
export async function tryOut<T extends Made>(
  client: Pick<KubeClient, "apply">,
  kind: ResourceKind<T>,
  manifest: Draft<T>,
  signal: AbortSignal,
): Promise<void> {
  try {
    demandAll(kind, manifest, await client.apply(kind, manifest, { force: true, dryRun: true }, signal));
  } catch (error) {
    throw asDropped(kind, error) ?? error;
  }
}

/** Throws `DroppedFields` when the answer lacks anything of what was sent. */
export function demandAll<T extends Made>(kind: ResourceKind<T>, manifest: Draft<T>, answer: T): void {
  const paths = lostOf(kind, manifest, answer);
  if (paths.length > 0) throw new DroppedFields(kind.kind, paths);
}

/** The paths of what a manifest says in its spec and is not in what is there. */
export function lostOf<T extends Made>(kind: ResourceKind<T>, manifest: Draft<T>, there: Draft<T>): string[] {
  return lost(kind.format(manifest).spec ?? null, kind.format(there).spec, "spec");
}

/**
 * What is empty, zero or false may be left out by a server that knows the field and means that by its absence, so a field that is dropped
 * with such a value is not found.
 */
function lost(said: JsonValue, there: JsonValue | undefined, path: string): string[] {
  if (saysNothing(said)) return [];
  if (there === undefined) return [path];
  if (Array.isArray(said)) {
    const list = Array.isArray(there) ? there : [];
    return said.flatMap((item, index) => lost(item, counterpart(item, index, list), `${path}${placeOf(item, index)}`));
  }
  if (!isJsonObject(said)) return [];
  const inner = isJsonObject(there) ? there : {};
  return Object.entries(said).flatMap(([name, value]) => lost(value, inner[name], `${path}.${name}`));
}

/** An API server refuses to apply a field that is not in its schema at all, as if that were its own mistake: with 500, and in prose. */
export function asDropped(kind: { readonly kind: string }, error: unknown): DroppedFields | undefined {
  if (!(error instanceof KubeError)) return undefined;
  const paths = [...error.message.matchAll(/\.(\S+): field not declared in schema/g)].map(([, path = ""]) => path);
  return paths.length > 0 ? new DroppedFields(kind.kind, paths, { cause: error }) : undefined;
}
