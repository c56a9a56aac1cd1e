/**
 * The claim to a directory, which the system itself ends with the process, however that ends: a file with a number in it would
 * outlive a crash, and in a container every process has the same one. Node has no lock of files but that of its SQLite.
 */
import { open } from "node:fs/promises";
import { DatabaseSync } from "node:sqlite";

/** Rejects when another process has it. Returns what gives it up. */
export async function claim(path: string): Promise<() => void> {
  // For its rights; SQLite would make one that others may read.
  await (await open(path, "a", 0o600)).close();
  const file = new DatabaseSync(path);
  try {
    file.exec("PRAGMA journal_mode = OFF; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
  } catch (cause) {
    file.close();
    if (!isBusy(cause)) throw cause;
    throw new Error(`Another agent has ${path}: two must not share a directory.`, { cause });
  }
  return () => {
    if (file.isOpen) file.close();
  };
}

/** SQLITE_BUSY: somebody else has it locked. */
function isBusy(error: unknown): boolean {
  return error instanceof Error && "errcode" in error && error.errcode === 5;
}
