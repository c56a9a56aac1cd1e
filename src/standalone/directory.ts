/** The directory in which an agent without a cluster keeps what is its own: one agent's, and nobody else's. */
import { chmod, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../base/clock.ts";
import { errorText } from "../base/error-text.ts";
import type { Log } from "../base/log.ts";
import type { KubeClient } from "../kube/client.ts";
import { consoleFile } from "./console-file.ts";
import { openJournal } from "./journal.ts";
import { claim } from "./lock.ts";
import { createObjectStore } from "./object-store.ts";
import { checkOwned, checkWay, ownedDirectory } from "./owned.ts";

export interface StateDirectory {
  readonly client: KubeClient;
  /** Why what was to be kept last could not be; undefined when it is. */
  readonly trouble: string | undefined;
  /** Puts a file of this name beside the journal, whole or not at all, for its owner alone. */
  putFile(name: string, text: string): Promise<void>;
  /** Waits for what is being written, and gives the directory up. */
  close(): Promise<void>;
}

export interface StateDirectoryDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** Whose it has to be; the user's that this runs as, unless given. */
  readonly user?: number | undefined;
}

const journalName = "journal";
const lockName = "lock";
/** SQLite puts a file of its own beside that which it locks. */
const lockNames = [lockName, `${lockName}-journal`, `${lockName}-wal`, `${lockName}-shm`];
const names = [journalName, `${journalName}.new`, ...lockNames, consoleFile.name, `${consoleFile.name}.new`];

/**
 * Makes the directory if there is none. Rejects when it, or a file in it, is somebody else's, when another agent has it, or when what
 * is in it cannot be read and written.
 */
export async function openStateDirectory(asked: string, deps: StateDirectoryDeps): Promise<StateDirectory> {
  const { clock, log, user = process.getuid?.() } = deps;
  const [path, release] = await taking(asked, async () => {
    await checkWay(asked, user);
    await mkdir(asked, { recursive: true, mode: 0o700 });
    const real = await ownedDirectory(asked, user);
    await makePrivate(real);
    await checkOwned(real, names, user);
    return [real, await claim(join(real, lockName))] as const;
  });
  try {
    const journal = await taking(asked, () =>
      openJournal({
        path: join(path, journalName),
        onTrouble: (error) => log.warn({ err: error, path }, "the journal could not be written anew"),
      }),
    );
    let trouble: string | undefined;
    const client = createObjectStore({
      journal,
      onWrite(error) {
        if (error) log.error({ err: error, path }, "what this agent keeps could not be written");
        trouble = error?.message;
      },
      clock,
    });
    return {
      client,
      get trouble() {
        return trouble;
      },
      putFile: (name, text) => putWhole(join(path, name), text),
      async close() {
        try {
          await journal.close();
        } finally {
          release();
        }
      },
    };
  } catch (error) {
    release();
    throw error;
  }
}

async function taking<T>(path: string, take: () => Promise<T>): Promise<T> {
  try {
    return await take();
  } catch (cause) {
    throw new Error(`The directory ${path} cannot be used for this agent's state: ${errorText(cause)}`, { cause });
  }
}

async function makePrivate(path: string): Promise<void> {
  const { mode } = await stat(path);
  if ((mode & 0o077) !== 0) await chmod(path, 0o700);
}

async function putWhole(path: string, text: string): Promise<void> {
  // Never one that was there: somebody may have it open, or it is what a crash left.
  await rm(`${path}.new`, { force: true });
  const file = await open(`${path}.new`, "wx", 0o600);
  try {
    await file.writeFile(text);
    await file.datasync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
}
