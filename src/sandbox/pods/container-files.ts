/**
 * The files that a container sees: a directory of its own with its volumes in their places, made when somebody looks.
 * A program finds it by SANDBOX_ROOT; the commands that the sandbox plays see it as `/`.
 */
import { mkdirSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Container } from "../controllers/shapes.ts";
import type { Storage } from "./storage.ts";
import { inside, type MountedVolume } from "./volumes.ts";

export interface ContainerFiles {
  /** Where `/` of the container is on this machine. */
  root(): string;
  /** Where a path of the container is on this machine. */
  resolve(path: string): string;
  isReadOnly(path: string): boolean;
  /** Whether the container has any volume. */
  readonly hasVolumes: boolean;
  /** Forgets what the last run wrote beside its volumes. */
  reset(): void;
}

export function createContainerFiles(
  storage: Storage,
  podUid: string,
  container: Container,
  volumes: ReadonlyMap<string, MountedVolume>,
): ContainerFiles {
  const mounts = (container.volumeMounts ?? []).flatMap(({ name, mountPath, subPath, readOnly }) => {
    const volume = volumes.get(name);
    if (!volume) return [];
    const target = subPath ? join(volume.directory, inside(subPath)) : volume.directory;
    return [
      { path: inside(mountPath).replace(/\/$/, ""), target, readOnly: volume.readOnly || readOnly === true, subPath },
    ];
  });
  // A volume inside another one is put there after it.
  mounts.sort((a, b) => a.path.length - b.path.length);
  let root: string | undefined;
  const make = (): string => {
    const directory = storage.pod(podUid, "containers", container.name);
    mkdirSync(join(directory, "tmp"), { recursive: true });
    for (const { path, target, subPath } of mounts) {
      // A part of a volume that is not there is a directory, as a kubelet makes it.
      if (subPath && !path.split("/").at(-1)?.includes(".")) mkdirSync(target, { recursive: true });
      const place = join(directory, path);
      mkdirSync(dirname(place), { recursive: true });
      rmSync(place, { recursive: true, force: true });
      symlinkSync(target, place);
    }
    return directory;
  };
  const files: ContainerFiles = {
    hasVolumes: mounts.length > 0,
    root() {
      root ??= make();
      return root;
    },
    resolve: (path) => join(files.root(), inside(path)),
    isReadOnly(path) {
      const asked = `${inside(path)}/`;
      return mounts.findLast((mount) => asked.startsWith(`${mount.path}/`))?.readOnly ?? false;
    },
    reset() {
      if (root) rmSync(root, { recursive: true, force: true });
      root = undefined;
    },
  };
  return files;
}
