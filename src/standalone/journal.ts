/**
 * Texts by key in one file. What `write` has resolved for is on the disk and outlives any crash; what it has rejected may have been
 * kept or not, but never by half. The file is only ever appended to, or replaced as a whole by a new one that is complete.
 */
import { open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { type Change, DamagedJournal, encodeChange, encodeJournal, readJournal } from "./journal-line.ts";

/** The file as this needs it; Node's own unless a test gives another. */
export interface JournalFile {
  /** May write less than it is given. */
  write(content: Uint8Array, from: number, length: number, at: number): Promise<{ bytesWritten: number }>;
  /** Resolves when what was written outlives a crash. */
  datasync(): Promise<void>;
  truncate(length: number): Promise<void>;
  close(): Promise<void>;
}

export interface JournalDeps {
  readonly path: string;
  /** Opens a file to write to; "wx" makes it, and fails when there is one. */
  openFile?(path: string, flags: "r+" | "wx"): Promise<JournalFile>;
  /** What all values together may have, in bytes, since they are in memory, too; 64 MiB unless given. */
  readonly mostBytes?: number;
  /** Told when the file cannot be made smaller for now; what is written is kept all the same. */
  onTrouble(error: unknown): void;
}

export interface Journal {
  /** What is kept. */
  readonly values: ReadonlyMap<string, string>;
  /** The number of the last change; it rises by one with each, also over restarts. */
  readonly sequence: number;
  /** Of the file. */
  readonly bytes: number;
  /**
   * Makes the change that `decide` gives for what is there at that time and the number that the change will have; nothing when it
   * gives nothing. Changes are made one after another. Rejects with what `decide` throws, with the system's error, with a RangeError
   * when all values together would have too many bytes, and when it is closed.
   */
  write(decide: (values: ReadonlyMap<string, string>, sequence: number) => Change | undefined): Promise<void>;
  /** Waits for what is being written. Nothing is written after that. */
  close(): Promise<void>;
}

/** The file is replaced by a new one when it is longer than what it holds by this much, in bytes, and by twice. */
const leastWaste = 1024 * 1024;

/** Makes the file if there is none. Rejects when it cannot be read whole, or cannot be written to. */
export async function openJournal({ path, onTrouble, ...deps }: JournalDeps): Promise<Journal> {
  const { mostBytes = 64 * 1024 * 1024 } = deps;
  const openFile = deps.openFile ?? ((at, flags) => open(at, flags, 0o600));
  const found = await readIfThere(path);
  const {
    values,
    sequence: lastSequence,
    bytes: wholeBytes,
  } = found ?? { values: new Map<string, string>(), sequence: 0, bytes: 0 };
  let sequence = lastSequence;
  let bytes = wholeBytes;
  let heldBytes = sum(values);
  /** When the file has become so long, a new one is tried. */
  let longest = 0;
  /** What is in the file is not known for sure: only a new one helps. */
  let isUnsure = false;
  let file: JournalFile | undefined;
  let turn: Promise<unknown> = Promise.resolve();
  let isClosed = false;

  async function replace(): Promise<void> {
    const content = encodeJournal(values, sequence);
    const beside = `${path}.new`;
    // What a crash has left there; and never anything through a link.
    await rm(beside, { force: true });
    const next = await openFile(beside, "wx");
    try {
      await writeAll(next, content, 0);
      await next.datasync();
      await rename(beside, path);
    } catch (error) {
      await next.close().catch(() => undefined);
      await rm(beside, { force: true }).catch(() => undefined);
      throw error;
    }
    const before = file;
    file = next;
    bytes = content.length;
    longest = longestFor(bytes);
    // Until the folder is on the disk as well, a crash may bring the old file back.
    isUnsure = true;
    await before?.close().catch(() => undefined);
    await syncFolder(dirname(path));
    isUnsure = false;
  }

  async function append(change: Change): Promise<void> {
    if (isUnsure) await replace();
    const line = encodeChange(sequence + 1, change);
    if (!file) throw new Error("The journal is closed.");
    try {
      await writeAll(file, line, bytes);
      isUnsure = true;
      await file.datasync();
      isUnsure = false;
    } catch (error) {
      // What was not written whole is taken back; once a disk has failed to keep something, nobody knows what is in the file.
      if (!isUnsure) await takeBack(file);
      throw error;
    }
    bytes += line.length;
    sequence += 1;
    heldBytes += growth(change);
    if (change.value === undefined) values.delete(change.key);
    else values.set(change.key, change.value);
  }

  function growth({ key, value }: Change): number {
    const before = values.get(key);
    return (value === undefined ? 0 : sizeOf(key, value)) - (before === undefined ? 0 : sizeOf(key, before));
  }

  async function takeBack(from: JournalFile): Promise<void> {
    isUnsure = true;
    try {
      await from.truncate(bytes);
      await from.datasync();
      isUnsure = false;
    } catch (error) {
      onTrouble(error);
    }
  }

  /** Failing leaves the file as it was, and it is tried again when as much again was written. */
  async function shrink(): Promise<void> {
    if (bytes < longest) return;
    try {
      await replace();
    } catch (error) {
      longest = bytes + leastWaste;
      onTrouble(error);
    }
  }

  function inTurn<T>(run: () => Promise<T>): Promise<T> {
    const result = turn.then(run);
    turn = result.catch(() => undefined);
    return result;
  }

  if (found) {
    file = await openFile(path, "r+");
    longest = longestFor(heldBytes);
    // Behind what is whole the rest of a line may stand, into which the next must not run.
    await takeBack(file);
    if (isUnsure) await replace();
  } else {
    await replace();
  }

  return {
    values,
    get sequence() {
      return sequence;
    },
    get bytes() {
      return bytes;
    },
    write: (decide) =>
      inTurn(async () => {
        if (isClosed) throw new Error("The journal is closed.");
        const change = decide(values, sequence + 1);
        if (change === undefined) return;
        if (heldBytes + growth(change) > mostBytes && growth(change) > 0) {
          throw new RangeError(`more than ${mostBytes} bytes cannot be kept`);
        }
        await append(change);
        await shrink();
      }),
    close: () =>
      inTurn(async () => {
        if (isClosed) return;
        isClosed = true;
        await file?.close();
      }),
  };
}

function longestFor(leastBytes: number): number {
  return leastBytes + Math.max(leastWaste, 2 * leastBytes);
}

function sum(values: ReadonlyMap<string, string>): number {
  return Array.from(values, ([key, value]) => sizeOf(key, value)).reduce((a, b) => a + b, 0);
}

function sizeOf(key: string, value: string): number {
  return Buffer.byteLength(key) + Buffer.byteLength(value);
}

async function readIfThere(path: string): Promise<ReturnType<typeof readJournal> | undefined> {
  let content: Buffer;
  try {
    content = await readFile(path);
  } catch (error) {
    // Only this says that there is none; whatever else is wrong must not end in an empty one.
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  try {
    return readJournal(content);
  } catch (error) {
    if (!(error instanceof DamagedJournal)) throw error;
    const advice = "Restore it from a backup; without it this agent is nobody to its peers.";
    throw new DamagedJournal(`${path} is damaged: ${error.message}. ${advice}`, { cause: error });
  }
}

async function writeAll(file: JournalFile, content: Buffer, position: number): Promise<void> {
  for (let done = 0; done < content.length; ) {
    const { bytesWritten } = await file.write(content, done, content.length - done, position + done);
    done += bytesWritten;
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
