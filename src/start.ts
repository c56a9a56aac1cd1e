/** The first step of the command: as little as it can be, so that what is quick starts quickly. All else is main's. */
import { lstatSync, mkdirSync, realpathSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { basename, dirname, join } from "node:path";
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
 * Keeps what V8 has made of the sources between runs: half of what a command costs from then on. What is kept there is run, so nobody else
 * may have a hand in it, and by `sudo` HOME may be somebody else's: nothing is made there before that is known.
 */
function keepCode(): void {
  const { XDG_CACHE_HOME, HOME } = process.env;
  const base = XDG_CACHE_HOME || (HOME && join(HOME, ".cache"));
  if (!base) return;
  try {
    const parent = realpathSync(dirname(base));
    if (!isOwn(parent) || !isSafe(parent)) return;
    const cache = join(parent, basename(base));
    const folder = join(cache, "fairlead", "code");
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    if ([cache, join(cache, "fairlead"), folder].every(isOwn)) enableCompileCache(folder);
  } catch {
    // It cannot be written, or not seen: nothing is kept.
  }
}

/** Whether it is this user's folder, and no link, and no other may write in it. */
function isOwn(path: string): boolean {
  const { uid, mode } = lstatSync(path);
  return uid === process.getuid?.() && (mode & 0o022) === 0;
}

/** Whether nobody but this user and root can put another folder in its place, here or above. */
function isSafe(path: string): boolean {
  const above = dirname(path);
  if (above === path) return true;
  const { uid, mode } = lstatSync(above);
  const isSticky = (mode & 0o1000) !== 0; // There, what is another's cannot be renamed.
  return (uid === 0 || uid === process.getuid?.()) && ((mode & 0o022) === 0 || isSticky) && isSafe(above);
}
