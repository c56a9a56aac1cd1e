/** Whose a directory and its files are: what somebody else has laid there is believed in nothing. */
import type { Stats } from "node:fs";
import { lstat, readlink, realpath } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";

/** Where `path` really is. Rejects unless that is this user's directory, and what leads there is theirs or the administrator's. */
export async function ownedDirectory(path: string, user: number | undefined): Promise<string> {
  const about = await lstat(path);
  // systemd makes the directory of a service whose user is its own a link, as root; anybody else's may lead elsewhere tomorrow.
  if (about.isSymbolicLink() && about.uid !== 0) requireOwner(path, about, user);
  const real = await realpath(path);
  const found = await lstat(real);
  if (!found.isDirectory()) throw new Error("ENOTDIR: it is no directory");
  requireOwner(real, found, user);
  await checkWay(path, user);
  return real;
}

/**
 * Whoever may move a directory above, or a link on the way, can put another in the place of what is there: with older state, in which
 * peers that were removed are peers still. Rejects unless all of that is root's or this user's; what is not there yet is no matter.
 */
export async function checkWay(path: string, user: number | undefined): Promise<void> {
  if (user === undefined) return;
  const ahead = namesOf(resolve(path));
  let at = "/";
  for (let steps = 0; steps < mostSteps; steps += 1) {
    const found = await lstat(at).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });
    // The last is judged by what it is to be.
    if (!found || (ahead.length === 0 && !found.isSymbolicLink())) return;
    const { uid, mode } = found;
    if (uid !== 0 && uid !== user) throw movable(at, `belongs to user ${uid}`, user);
    if (found.isSymbolicLink()) {
      const target = resolve(dirname(at), await readlink(at));
      ahead.unshift(...namesOf(target));
      at = "/";
      continue;
    }
    // In a sticky one, such as /tmp, each may move only what is their own.
    if ((mode & 0o022) !== 0 && (mode & 0o1000) === 0) throw movable(at, "can be written by others", user);
    at = join(at, ahead.shift() ?? "");
  }
  throw new Error("ELOOP: there are too many links on the way to it");
}

const mostSteps = 1_000;

function namesOf(path: string): string[] {
  return path.split("/").filter((name) => name !== "");
}

function movable(at: string, how: string, user: number): Error {
  return new Error(
    `${at}, on the way to it, ${how}, who could put another directory in its place. Take one that nobody but root and user ${user} can move`,
  );
}

/** Rejects when one of these files of a directory is there and is a link, or somebody else's. */
export async function checkOwned(directory: string, names: readonly string[], user: number | undefined): Promise<void> {
  for (const name of names) {
    const path = join(directory, name);
    const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });
    if (!found) continue;
    if (!found.isFile()) throw new Error(`${path} is no plain file, and this agent has made none of that kind`);
    requireOwner(path, found, user);
  }
}

function requireOwner(path: string, { uid }: Stats, user: number | undefined): void {
  if (user === undefined || uid === user) return;
  throw new Error(
    `${path} belongs to user ${uid}, and this agent runs as user ${user}: it may hold what somebody else has put there. Take another directory, or make it this user's (chown) if you know what is in it`,
  );
}
