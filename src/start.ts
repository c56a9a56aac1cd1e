/** The first step of the command: as little as it can be, so that what is quick starts quickly. All else is main's. */
import { mkdirSync, statSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { join } from "node:path";
import { credentialOf, kubeTokenCache, readKubeTokenCall } from "./cli/kube-token.ts";

const call = readKubeTokenCall(process.argv.slice(2));
const known = call && (await kubeTokenCache(call, process.env).find(process.ppid));
if (known) {
  process.stdout.write(credentialOf(known));
} else {
  keepCode();
  await import("./main.ts");
}

/**
 * Keeps what V8 has made of the sources between runs: half of what a command costs from then on. Below the caller's own folder, which must be the
 * caller's: what is kept there is run, and by `sudo` HOME may be somebody else's.
 */
function keepCode(): void {
  const { XDG_CACHE_HOME, HOME } = process.env;
  const base = XDG_CACHE_HOME || (HOME && join(HOME, ".cache"));
  if (!base) return;
  const folder = join(base, "fairlead", "code");
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (const path of [base, join(base, "fairlead"), folder]) {
      const { uid, mode } = statSync(path);
      if (uid !== process.getuid?.() || (mode & 0o022) !== 0) return;
    }
  } catch {
    return; // It cannot be written, or not seen: nothing is kept.
  }
  enableCompileCache(folder);
}
