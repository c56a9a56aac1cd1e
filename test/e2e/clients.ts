/** Kubernetes clients that nobody here wrote, made ready: programs of test/e2e/clients, with their packages in .cache. */

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { findGo } from "../conformance/go.ts";
import { mustRun } from "./command.ts";

const sources = new URL("clients", import.meta.url).pathname;
const cache = new URL("../../.cache/clients", import.meta.url).pathname;

export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** The watcher on client-go. Its modules are those of the clusters, so that they are compiled already where these were built. */
export async function goWatcher(): Promise<Program> {
  return { command: await goProgram("go", join(sources, "go")), args: [], env: {} };
}

/** Builds the module in this folder, of one file; `name` is one among all that are made so. */
export async function goProgram(name: string, folder: string): Promise<string> {
  const made = await once(
    name,
    ["main.go", "go.mod", "go.sum"].map((file) => join(folder, file)),
    async (to) => {
      const env = { CGO_ENABLED: "0", GOFLAGS: "-mod=readonly" };
      await mustRun(findGo(), ["build", "-C", folder, "-buildvcs=false", "-trimpath", "-o", join(to, "program"), "."], {
        env,
        seconds: 400,
      });
    },
  );
  return join(made, "program");
}

/** The watcher on Python's client. */
export async function pythonWatcher(): Promise<Program> {
  const requirements = join(sources, "python/requirements.txt");
  const made = await once("python", [requirements], async (to) => {
    const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target", to];
    await mustRun("python3", [...pip, "--requirement", requirements], { seconds: 400 }).catch((error: unknown) => {
      throw new Error("pip did not bring Python's client; it is in Debian's package python3-pip", { cause: error });
    });
  });
  return { command: "python3", args: ["-B", join(sources, "python/watch.py")], env: { PYTHONPATH: made } };
}

/** The folder that `make` fills, unless one was made of the same files before. */
async function once(name: string, files: readonly string[], make: (folder: string) => Promise<void>): Promise<string> {
  const hash = createHash("sha256");
  for (const file of files) hash.update(readFileSync(file));
  const folder = join(cache, `${name}-${hash.digest("hex").slice(0, 16)}`);
  if (existsSync(folder)) return folder;
  mkdirSync(cache, { recursive: true });
  const stage = mkdtempSync(join(cache, "making-"));
  try {
    await make(stage);
    renameSync(stage, folder);
    return folder;
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}
