/**
 * Unpacks an archive that somebody else has made, and that may be hostile, at one place of this machine's disk: nothing of it is ever
 * written elsewhere, whatever its names and links say.
 */
import { constants } from "node:fs";
import { link, lstat, mkdir, open, realpath, symlink, unlink } from "node:fs/promises";
import { dirname, join, resolve, sep } from "node:path";
import { readTar, type TarEntry } from "../base/tar.ts";
import { CliError } from "./errors.ts";

/** What was written. */
export interface Unpacked {
  readonly files: number;
  readonly bytes: number;
}

/**
 * The archive holds `name`, or, if that is ".", all that was in a directory. It is written to `destination`, or, if that is a directory, under
 * its own name below it. Throws a `CliError` for an entry that leads elsewhere or is no file; what came before
 * it has been written.
 */
export async function unpack(
  archive: AsyncIterable<Uint8Array>,
  name: string,
  destination: string,
  passed: (bytes: number) => void,
): Promise<Unpacked> {
  const isAll = name === ".";
  const root = resolve(!isAll && (await isDirectory(destination)) ? join(destination, name) : destination);
  const links: { path: string; target: string; name: string }[] = [];
  let seen = false;
  let files = 0;
  let bytes = 0;
  /** Below the root. */
  const placeOf = (path: string, told: string): string[] => {
    const parts = partsOf(path, told);
    if (isAll) return parts;
    if (parts[0] !== name) throw hostile(told, "it is not what was asked for");
    return parts.slice(1);
  };
  for await (const entry of readTar(archive)) {
    seen = true;
    const below = placeOf(entry.name, entry.name);
    const path = join(root, ...below);
    if (below.length > 0) await noLinkOnTheWay(root, below, entry.name);
    else await mkdir(dirname(path), { recursive: true });
    switch (entry.type) {
      case "directory":
        await makeDirectory(path, entry);
        break;
      case "file":
        bytes += await writeFile(path, entry, passed);
        files += 1;
        break;
      case "hard-link": {
        const its = placeOf(entry.linkTarget, entry.name);
        await noLinkOnTheWay(root, its, entry.name);
        await replace(path);
        await link(join(root, ...its), path);
        files += 1;
        break;
      }
      case "symlink":
        // When all else is written, so that nothing is ever written through one.
        links.push({ path, target: entry.linkTarget, name: entry.name });
        break;
      default:
        throw hostile(entry.name, "it is neither a file nor a directory");
    }
  }
  if (!seen) throw new CliError("there was nothing in the archive");
  for (const { path, target, name } of links) await makeLink(root, path, target, name);
  return { files, bytes };
}

/** The steps of a name in the archive. Throws for one that leads out. */
function partsOf(path: string, told: string): string[] {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  if (path.startsWith("/") || path.includes("\0") || parts.includes("..") || (sep === "\\" && /[\\:]/.test(path))) {
    throw hostile(told, "it leads out of the directory");
  }
  return parts;
}

/** Makes the directories above it that are missing. */
async function noLinkOnTheWay(root: string, below: readonly string[], name: string): Promise<void> {
  let at = root;
  for (const part of ["", ...below.slice(0, -1)]) {
    at = join(at, part);
    const found = await lookAt(at);
    if (!found) await mkdir(at, { recursive: true });
    else if (!found.isDirectory()) throw hostile(name, `${at} is no directory`);
  }
}

async function makeDirectory(path: string, { name }: TarEntry): Promise<void> {
  const found = await lookAt(path);
  if (found?.isDirectory()) return;
  if (found) throw hostile(name, `${path} is there already, and is no directory`);
  await mkdir(path);
}

async function writeFile(path: string, entry: TarEntry, passed: (bytes: number) => void): Promise<number> {
  const found = await lookAt(path);
  if (found?.isDirectory()) throw new CliError(`${path} is a directory, and a file cannot take its place`);
  // What was linked to is left alone.
  await replace(path);
  // Neither set-user-id nor its like: it is somebody else's file.
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW = 0 } = constants;
  const file = await open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, entry.mode & 0o777);
  let bytes = 0;
  try {
    for await (const piece of entry.content) {
      await file.writeFile(piece);
      bytes += piece.length;
      passed(piece.length);
    }
    await file.utimes(entry.modifiedAt / 1000, entry.modifiedAt / 1000);
  } finally {
    await file.close();
  }
  return bytes;
}

async function replace(path: string): Promise<void> {
  const found = await lookAt(path);
  if (found && !found.isDirectory()) await unlink(path);
}

/**
 * The way up comes first in a link that is taken: from there it passes directories that are none of the archive's links. What it passes
 * on its way down may be links again, of which the same holds.
 */
async function makeLink(root: string, path: string, target: string, name: string): Promise<void> {
  const isUpFirst = /^(\.\.?\/)*(?!.*(^|\/)\.\.(\/|$))|^[./]+$/.test(target);
  if (target.startsWith("/") || !isUpFirst || !isWithin(root, resolve(dirname(path), target))) {
    throw hostile(name, `it is a link to ${target}, which leads out of the directory, or may`);
  }
  await replace(path);
  await symlink(target, path);
}

function isWithin(root: string, path: string): boolean {
  return path === root || path.startsWith(root.endsWith(sep) ? root : root + sep);
}

async function lookAt(path: string) {
  return lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
}

async function isDirectory(path: string): Promise<boolean> {
  // The person's own link to a directory is as good as one.
  const real = await realpath(path).catch(() => undefined);
  return real !== undefined && ((await lookAt(real))?.isDirectory() ?? false);
}

function hostile(name: string, why: string): CliError {
  return new CliError(`${JSON.stringify(name.slice(0, 300))} in the archive is refused: ${why}`);
}
