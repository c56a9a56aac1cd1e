/** The revisions of a StatefulSet's template: which one its pods had, and which one they are to have. */
import { createHash } from "node:crypto";
import { at, canonical, equal } from "../json.ts";
import { storeKey } from "../resource.ts";
import { builtin, type ControllerDeps } from "./controller.ts";
import {
  type ControllerRevision,
  controllerReference,
  isControllerRevision,
  type PodTemplate,
  type StatefulSet,
} from "./shapes.ts";

const manager = { manager: "statefulset-controller" };

export interface StatefulRevisions {
  current: ControllerRevision;
  update: ControllerRevision;
  /** The revision that a new pod of this number is made from. */
  forOrdinal(ordinal: number): ControllerRevision;
}

export function revisionsOf(deps: ControllerDeps, set: StatefulSet): StatefulRevisions {
  const all = list(deps, set);
  const update = latest(deps, set, all);
  const current = all.find(({ metadata }) => metadata.name === set.status?.currentRevision) ?? update;
  const { updateStrategy, ordinals } = set.spec;
  const partition = updateStrategy.rollingUpdate?.partition ?? 0;
  const start = ordinals?.start ?? 0;
  // Those below the partition, and those whose turn has not come, come back as they were.
  const untouched = partition > 0 ? start + partition : start + (set.status?.currentReplicas ?? 0);
  return {
    current,
    update,
    forOrdinal: (ordinal) => (updateStrategy.type === "RollingUpdate" && ordinal < untouched ? current : update),
  };
}

export function templateOf(revision: ControllerRevision): PodTemplate {
  const template = at(revision.data, "spec", "template");
  if (!isTemplate(template)) throw new Error(`the revision ${revision.metadata.name} holds no template`);
  const { $patch: _patch, ...kept } = template;
  return kept;
}

/** Deletes the oldest revisions that nothing uses, beyond the limit. */
export function forgetRevisions(
  deps: ControllerDeps,
  set: StatefulSet,
  { current, update }: StatefulRevisions,
  ofPods: readonly string[],
): void {
  const used = new Set([current.metadata.name, update.metadata.name, ...ofPods]);
  const idle = list(deps, set).filter(({ metadata }) => !used.has(metadata.name));
  for (const { metadata } of idle.slice(0, Math.max(0, idle.length - (set.spec.revisionHistoryLimit ?? 10))))
    deps.registry.delete(resourceOf(deps), metadata.namespace, metadata.name, { uid: metadata.uid });
}

/** The revision of the present template. Going back to an earlier one gives that one a new number. */
function latest(deps: ControllerDeps, set: StatefulSet, all: readonly ControllerRevision[]): ControllerRevision {
  const resource = resourceOf(deps);
  const data = { spec: { template: { ...set.spec.template, $patch: "replace" } } };
  const newest = all.at(-1)?.revision ?? 0;
  const known = all.find((revision) => equal(revision.data, data));
  const { namespace, name } = set.metadata;
  if (known) {
    if (known.revision === newest) return known;
    const renumber = (live: object): object => ({ ...live, revision: newest + 1 });
    return revision(deps.registry.update(resource, namespace, known.metadata.name, renumber, manager));
  }
  const hash = createHash("sha256").update(canonical(data)).digest("hex").slice(0, 10);
  const body = {
    metadata: {
      name: `${name}-${hash}`,
      labels: { ...set.spec.template.metadata?.labels, "controller.kubernetes.io/hash": hash },
      ownerReferences: [controllerReference(set)],
    },
    data,
    revision: newest + 1,
  };
  return revision(deps.registry.create(resource, namespace, body, manager));
}

function list(deps: ControllerDeps, set: StatefulSet): ControllerRevision[] {
  return deps.registry.store
    .controlledBy(storeKey(resourceOf(deps)), set.metadata.uid)
    .filter(isControllerRevision)
    .sort((a, b) => a.revision - b.revision);
}

function resourceOf(deps: ControllerDeps) {
  return builtin(deps.registry, "apps", "controllerrevisions");
}

function revision(stored: Parameters<typeof isControllerRevision>[0]): ControllerRevision {
  if (!isControllerRevision(stored)) throw new Error("a stored ControllerRevision is one");
  return stored;
}

function isTemplate(value: unknown): value is PodTemplate & { $patch?: unknown } {
  return typeof value === "object" && value !== null && "spec" in value;
}
