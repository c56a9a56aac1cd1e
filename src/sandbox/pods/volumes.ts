/** The volumes of a pod as directories: what ConfigMaps, Secrets and the pod itself say as files, and claims. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import type { FieldFiles, KeyFiles, Pod, Volume } from "../controllers/shapes.ts";
import { bytesOf, fieldOf, type Lookup, resourceOf } from "./environment.ts";
import type { Capacity } from "./scheduling.ts";
import type { Storage } from "./storage.ts";

export interface VolumeInput {
  pod: Pod;
  lookup: Lookup;
  /** The UID of a claim of the pod's namespace, once it is bound. */
  claimUid(name: string): string | undefined;
  storage: Storage;
  capacity: Capacity;
}

export interface MountedVolume {
  directory: string;
  /** Files that the kubelet writes are not the container's to change. */
  readOnly: boolean;
}

/** Every volume by its name, or why one cannot be mounted, in a kubelet's words. Volumes of other kinds are empty. */
export function mountVolumes(input: VolumeInput): Map<string, MountedVolume> | { error: string } {
  const mounted = new Map<string, MountedVolume>();
  for (const volume of input.pod.spec.volumes ?? []) {
    const { name, persistentVolumeClaim: claim } = volume;
    if (claim) {
      const uid = input.claimUid(claim.claimName);
      if (!uid) return { error: `persistentvolumeclaim "${claim.claimName}" not found` };
      mounted.set(name, { directory: input.storage.claim(uid), readOnly: false });
      continue;
    }
    const files = filesOf(volume, input);
    if (files && "error" in files) return { error: `MountVolume.SetUp failed for volume "${name}" : ${files.error}` };
    const directory = input.storage.pod(input.pod.metadata.uid, "volumes", name);
    for (const [path, bytes] of files?.files ?? []) {
      const file = join(directory, inside(path));
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, bytes);
    }
    mounted.set(name, { directory, readOnly: files !== undefined });
  }
  return mounted;
}

/** A path that cannot lead out of the directory to which it is joined. */
export function inside(path: string): string {
  return posix.normalize(`/${path}`).slice(1);
}

type Files = { files: [path: string, bytes: Buffer][] } | { error: string };

function filesOf(volume: Volume, input: VolumeInput): Files | undefined {
  const { configMap, secret, downwardAPI, projected } = volume;
  if (configMap) return keyFiles(input, "configmaps", configMap.name, configMap);
  if (secret) return keyFiles(input, "secrets", secret.secretName, secret);
  if (downwardAPI) return { files: fieldFiles(input, downwardAPI) };
  if (!projected) return undefined;
  const files: [string, Buffer][] = [];
  for (const source of projected.sources ?? []) {
    const part = source.configMap
      ? keyFiles(input, "configmaps", source.configMap.name, source.configMap)
      : source.secret
        ? keyFiles(input, "secrets", source.secret.name, source.secret)
        : { files: source.downwardAPI ? fieldFiles(input, source.downwardAPI) : [] };
    if ("error" in part) return part;
    files.push(...part.files);
  }
  return { files };
}

function keyFiles(
  { lookup }: VolumeInput,
  kind: "configmaps" | "secrets",
  name = "",
  { items, optional }: KeyFiles,
): Files {
  const found = lookup(kind, name);
  const word = kind === "configmaps" ? "configmap" : "secret";
  if (!found && !optional) return { error: `${word} "${name}" not found` };
  const bytes = bytesOf(found);
  if (!items) return { files: Object.entries(bytes) };
  const files: [string, Buffer][] = [];
  for (const { key, path } of items) {
    const value = bytes[key];
    if (value) files.push([path, value]);
    else if (!optional)
      return { error: `references non-existent ${kind === "configmaps" ? "config" : "secret"} key: ${key}` };
  }
  return { files };
}

function fieldFiles({ pod, capacity }: VolumeInput, { items = [] }: FieldFiles): [string, Buffer][] {
  return items.map(({ path, fieldRef, resourceFieldRef }) => {
    const [container] = pod.spec.containers;
    const text = fieldRef
      ? fieldOf(pod, fieldRef.fieldPath)
      : resourceFieldRef && container
        ? resourceOf({ pod, container, capacity }, resourceFieldRef)
        : "";
    return [path, Buffer.from(text)];
  });
}
