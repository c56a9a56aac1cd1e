/** Files on a disk that is full, or that fails to keep what it took. */
import { open } from "node:fs/promises";
import type { JournalFile } from "../../src/standalone/journal.ts";

export interface FaultyDisk {
  /** Bytes that there is room for yet. */
  room: number;
  /** Whether what is written can be kept. */
  keeps: boolean;
  openFile(path: string, flags: "r+" | "wx"): Promise<JournalFile>;
}

export function createFaultyDisk({ syncs = true }: { syncs?: boolean } = {}): FaultyDisk {
  const disk: FaultyDisk = {
    room: Number.POSITIVE_INFINITY,
    keeps: true,
    async openFile(path, flags) {
      const file = await open(path, flags, 0o600);
      return {
        async write(content, from, length, at) {
          const count = Math.min(length, disk.room);
          if (count === 0) throw Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
          disk.room -= count;
          return file.write(content, from, count, at);
        },
        async datasync() {
          if (!disk.keeps) throw Object.assign(new Error("EIO: i/o error, fdatasync"), { code: "EIO" });
          if (syncs) await file.datasync();
        },
        truncate: (length) => file.truncate(length),
        close: () => file.close(),
      };
    },
  };
  return disk;
}
