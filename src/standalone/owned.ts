/** Whose a directory and its files are: what somebody else has laid there is believed in nothing. */
import type { Stats } from "node:fs";
import { lstat, realpath } from "node:fs/promises";
import { join } from "node:path";

/** Where `path` really is. Rejects unless that is this user's directory, and what leads there is theirs or the administrator's. */
export async function ownedDirectory(path: string, user: number | undefined): Promise<string> {
  const about = await lstat(path);
  // systemd makes the directory of a service whose user is its own a link, as root; anybody else's may lead elsewhere tomorrow.
  if (about.isSymbolicLink() && about.uid !== 0) requireOwner(path, about, user);
  const real = await realpath(path);
  const found = await lstat(real);
  if (!found.isDirectory()) throw new Error("ENOTDIR: it is no directory");
  requireOwner(real, found, user);
  return real;
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
