/** All Workloads of this cluster as they are now, found by who asked for them. A peer's fingerprint decides before anything else. */
import { toJsonString } from "@bufbuild/protobuf";
import { RemoteAppSpecSchema } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { keyOf } from "../../kube/object.ts";
import type { Workload } from "../../kube/resources.ts";
import type { Latest } from "../latest.ts";
import { peerNamespace } from "./names.ts";

export interface WorkloadBook {
  readonly latest: Latest<Workload>;
  /** Those that a peer asked for, by the origin's UID. */
  of(fingerprint: string): ReadonlyMap<string, Workload>;
  /** Those among them that are called so at the origin: more than one after a name was used again. */
  named(fingerprint: string, name: OriginName): readonly Workload[];
  /** Bytes of their specs as JSON text, all together. */
  specBytes(fingerprint: string): number;
  /** Calls `fn` after each change of a Workload, with who asked for it. */
  subscribe(fn: (fingerprint: string, uid: string, key: string) => void): () => void;
}

interface OriginName {
  readonly namespace: string;
  readonly name: string;
}

export function createWorkloadBook(latest: Latest<Workload>): WorkloadBook {
  const byOrigin = new Map<string, Map<string, Workload>>();
  /** By fingerprint, namespace and name at the origin: asked for each stream that a peer opens. */
  const byName = new Map<string, Map<string, Workload>>();
  const bytes = new Map<string, number>();
  const sizes = new WeakMap<Workload, number>();
  const listeners = new Set<(fingerprint: string, uid: string, key: string) => void>();

  function index(workload: Workload, present: boolean): { fingerprint: string; uid: string } {
    const { fingerprint = "", uid = "" } = workload.spec.origin ?? {};
    const theirs = byOrigin.get(fingerprint) ?? new Map<string, Workload>();
    const known = theirs.get(uid);
    const goes = known && (present || keyOf(known) === keyOf(workload)) ? known : undefined;
    if (goes) unname(fingerprint, goes);
    if (present) {
      theirs.set(uid, workload);
      const name = nameIn(fingerprint, workload.spec.origin);
      byName.set(name, (byName.get(name) ?? new Map()).set(uid, workload));
    } else if (goes) theirs.delete(uid);
    const total = (bytes.get(fingerprint) ?? 0) + (present ? sizeOf(workload) : 0) - (goes ? sizeOf(goes) : 0);
    if (theirs.size > 0) {
      byOrigin.set(fingerprint, theirs);
      bytes.set(fingerprint, total);
    } else {
      byOrigin.delete(fingerprint);
      bytes.delete(fingerprint);
    }
    return { fingerprint, uid };
  }

  function unname(fingerprint: string, { spec: { origin } }: Workload): void {
    const name = nameIn(fingerprint, origin);
    byName.get(name)?.delete(origin?.uid ?? "");
    if (byName.get(name)?.size === 0) byName.delete(name);
  }

  /** Counted once for each version: a spec may be long. */
  function sizeOf(workload: Workload): number {
    const size = sizes.get(workload) ?? Buffer.byteLength(specText(workload));
    sizes.set(workload, size);
    return size;
  }

  latest.subscribe((key, workload, before) => {
    const touched = [];
    if (before && isInPlace(before)) touched.push(index(before, false));
    if (workload && isInPlace(workload)) touched.push(index(workload, true));
    // One that changed hands, by adoption, is news about both.
    const unique = new Map(touched.map((origin) => [`${origin.fingerprint} ${origin.uid}`, origin]));
    for (const { fingerprint, uid } of unique.values()) for (const fn of listeners) fn(fingerprint, uid, key);
  });

  return {
    latest,
    of: (fingerprint) => byOrigin.get(fingerprint) ?? new Map(),
    named: (fingerprint, name) => [...(byName.get(nameIn(fingerprint, name))?.values() ?? [])],
    specBytes: (fingerprint) => bytes.get(fingerprint) ?? 0,
    subscribe(fn) {
      listeners.add(fn);
      return () => void listeners.delete(fn);
    },
  };
}

function nameIn(
  fingerprint: string,
  of: { namespace?: string | undefined; name?: string | undefined } | undefined,
): string {
  return `${fingerprint} ${of?.namespace ?? ""}/${of?.name ?? ""}`;
}

/** A Workload outside its peer's namespace was written by somebody else, and is nothing to this agent. */
export function isInPlace(workload: Workload): boolean {
  const { peer, fingerprint, uid } = workload.spec.origin ?? {};
  return Boolean(peer && fingerprint && uid) && workload.metadata.namespace === peerNamespace(peer ?? "");
}

/** What a Workload runs, as JSON text. */
export function specText({ spec }: Workload): string {
  return spec.app ? toJsonString(RemoteAppSpecSchema, spec.app) : "{}";
}
