/**
 * Where the sandbox keeps what pods and claims hold: a directory of this machine that only its user may read, made when
 * it is first needed and removed when the sandbox closes. A sandbox that was killed leaves its directory behind; the next
 * one removes it.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const prefix = "fairlead-sandbox-";

export interface Storage {
  /** The directory of a claim, which outlives every pod that uses it. */
  claim(uid: string): string;
  /** A directory of a pod, made when it is not there. */
  pod(uid: string, ...path: string[]): string;
  /** Removes what a claim held. */
  forget(claimUid: string): void;
  forgetPod(uid: string): void;
  close(): void;
}

export function createStorage(): Storage {
  let root: string | undefined;
  const made = (...path: string[]): string => {
    root ??= makeRoot();
    const directory = join(root, ...path);
    mkdirSync(directory, { recursive: true });
    return directory;
  };
  const remove = (...path: string[]): void => {
    if (root) rmSync(join(root, ...path), { recursive: true, force: true });
  };
  return {
    claim: (uid) => made("claims", uid),
    pod: (uid, ...path) => made("pods", uid, ...path),
    forget: (uid) => remove("claims", uid),
    forgetPod: (uid) => remove("pods", uid),
    close() {
      remove();
      root = undefined;
    },
  };
}

function makeRoot(): string {
  for (const name of readdirSync(tmpdir())) {
    const pid = new RegExp(`^${prefix}(\\d+)-`).exec(name)?.[1];
    if (pid && !isAlive(Number(pid))) rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
  return mkdtempSync(join(tmpdir(), `${prefix}${process.pid}-`));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // A process of somebody else is there too.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
