/** Packs a file or a tree of this machine's disk as an archive, piece by piece. */
import type { Stats } from "node:fs";
import { lstat, open, opendir, readlink } from "node:fs/promises";
import { join } from "node:path";
import { type TarHeader, tarEnd, tarHeader, tarPadding } from "../base/tar.ts";
import { CliError, exitCode } from "./errors.ts";

/** Of one read, in bytes. */
const pieceBytes = 256 * 1024;

/** The archive of `path`, as `name`. `skipped` is told of what is neither file, directory nor link. */
export async function* pack(
  path: string,
  name: string,
  skipped: (path: string) => void,
  passed: (bytes: number) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  yield* packOne(path, name, skipped, passed);
  yield tarEnd();
}

async function* packOne(
  path: string,
  name: string,
  skipped: (path: string) => void,
  passed: (bytes: number) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  const stats = await lookAt(path);
  if (stats.isFile()) yield* packFile(path, headerOf(name, "file", stats), passed);
  else if (stats.isSymbolicLink())
    yield tarHeader({ ...headerOf(name, "symlink", stats), linkTarget: await readlink(path) });
  else if (stats.isDirectory()) {
    yield tarHeader(headerOf(`${name}/`, "directory", stats));
    for await (const entry of await opendir(path)) {
      yield* packOne(join(path, entry.name), `${name}/${entry.name}`, skipped, passed);
    }
  } else skipped(path);
}

async function* packFile(
  path: string,
  header: TarHeader,
  passed: (bytes: number) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  const file = await open(path);
  try {
    yield tarHeader(header);
    let left = header.size;
    while (left > 0) {
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(Math.min(pieceBytes, left)));
      if (bytesRead === 0) throw new CliError(`${path} became shorter while it was copied`);
      left -= bytesRead;
      passed(bytesRead);
      yield buffer.subarray(0, bytesRead);
    }
    const padding = tarPadding(header.size);
    if (padding.length > 0) yield padding;
  } finally {
    await file.close();
  }
}

function headerOf(name: string, type: TarHeader["type"], stats: Stats): TarHeader {
  const size = type === "file" ? stats.size : 0;
  return { name, type, size, mode: stats.mode & 0o777, modifiedAt: stats.mtimeMs, linkTarget: "" };
}

async function lookAt(path: string): Promise<Stats> {
  try {
    return await lstat(path);
  } catch (cause) {
    throw new CliError(`${path} cannot be read`, { code: exitCode.usage, cause });
  }
}
