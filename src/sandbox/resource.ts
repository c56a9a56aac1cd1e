/** What the sandbox knows of a resource: its names, its schema and which of the usual behaviours it has. */
import type { Schema } from "./schema/schema.ts";
import type { About } from "./status-error.ts";

export interface Resource extends About {
  version: string;
  singular: string;
  listKind: string;
  shortNames: readonly string[];
  categories: readonly string[];
  namespaced: boolean;
  schema: Schema;
  /** Whether `status` is written through its own subresource only. */
  status: boolean;
  /** Where the scale subresource finds its numbers, when there is one. */
  scale?: ScalePaths;
  /** Whether metadata.generation counts changes of what is wished. */
  generation: boolean;
  /** Whether changed annotations count as a change of what is wished, as they do for a Deployment. */
  annotationsCount?: boolean;
  /** Custom resources come from a CustomResourceDefinition. */
  custom: boolean;
  /** Whether it is only stored, where a real API server would have it mean something; who writes one is told. */
  unenforced?: boolean;
  /** Set for a second face of a resource that is stored under another: Events have two. */
  faceOf?: Face;
  columns: readonly Column[];
}

/** The same objects under another group, with some fields called otherwise. */
export interface Face {
  group: string;
  plural: string;
  /** What a field of this face is called in the stored object. */
  stored: Readonly<Record<string, string>>;
}

/** JSONPaths such as `.spec.replicas`. */
export interface ScalePaths {
  specReplicasPath: string;
  statusReplicasPath: string;
  labelSelectorPath?: string;
}

/** A column of `kubectl get`. One with a priority above 0 shows in `-o wide`. */
export interface Column {
  name: string;
  type: string;
  format?: string;
  description?: string;
  priority?: number;
  /** Gives the cell; a date is turned into an age. */
  cell(object: Record<string, unknown>, nowMs: number): unknown;
}

/** `apps/v1`, or `v1` for the core group. */
export function apiVersionOf(resource: Pick<Resource, "group" | "version">): string {
  return resource.group ? `${resource.group}/${resource.version}` : resource.version;
}

/** The name under which the store keeps the resource: all versions of one resource are the same objects. */
export function storeKey(resource: Pick<Resource, "group" | "plural">): string {
  return `${resource.group}/${resource.plural}`;
}

/** All resources that are served now. Custom ones come and go. */
export class Catalog {
  readonly #resources = new Map<string, Resource>();

  constructor(builtin: readonly Resource[]) {
    for (const resource of builtin) this.#resources.set(storeKey(resource), resource);
  }

  find(group: string, version: string, plural: string): Resource | undefined {
    const resource = this.#resources.get(storeKey({ group, plural }));
    return resource?.version === version ? resource : undefined;
  }

  /** By kind, as owner references and reviews name it. */
  findKind(apiVersion: string, kind: string): Resource | undefined {
    return this.list().find((resource) => resource.kind === kind && apiVersionOf(resource) === apiVersion);
  }

  list(): Resource[] {
    return [...this.#resources.values()];
  }

  /** Serves a resource, or serves it anew after its definition changed. */
  serve(resource: Resource): void {
    this.#resources.set(storeKey(resource), resource);
  }

  withdraw(resource: Pick<Resource, "group" | "plural">): void {
    this.#resources.delete(storeKey(resource));
  }
}
