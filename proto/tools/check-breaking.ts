/**
 * Refuses a change of the protos that would break what has landed. `proto/landed.binpb` holds the protos of the last
 * landing; `--land` writes it anew, as the last step of a landing. Where `origin/main` has that file, its copy counts,
 * so that a break and a fresh baseline cannot come in one change.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const root = new URL("../..", import.meta.url).pathname;
const landed = "proto/landed.binpb";

/** Calls that another release may make; WIRE and WIRE_JSON by themselves look at messages only. */
const calls = ["RPC_NO_DELETE", "PACKAGE_SERVICE_NO_DELETE"];

/** Between agents names may change and numbers may not. What people and tools also read as JSON keeps both. */
const rules = [
  { use: ["WIRE", ...calls], folders: ["fairlead/wire", "fairlead/peer"] },
  { use: ["WIRE_JSON", ...calls], folders: ["fairlead/console", "fairlead/resources"] },
];

const scratch = mkdtempSync(join(root, ".cache", "breaking-"));
try {
  if (process.argv.includes("--land")) buildImage(join(root, landed));
  else process.exitCode = check();
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

function check(): number {
  const now = join(scratch, "now.binpb");
  const before = baseline();
  if (!before) {
    console.error(
      `${landed} is missing, so nothing says what the protos may not break. Make it by \`make land-protos\`.`,
    );
    return 1;
  }
  buildImage(now);
  let worst = 0;
  for (const { use, folders } of rules) {
    const present = folders.filter((folder) => existsSync(join(root, "proto", folder)));
    if (present.length === 0) continue;
    const config = JSON.stringify({ version: "v2", breaking: { use } });
    const paths = present.flatMap((folder) => ["--path", folder]);
    const args = ["breaking", now, "--against", before, "--exclude-imports", "--config", config, ...paths];
    worst = Math.max(worst, spawnSync("buf", args, { cwd: root, stdio: "inherit" }).status ?? 1);
  }
  if (worst > 0) console.error(`The protos break what has landed (${before}).`);
  return worst > 0 ? 1 : 0;
}

function baseline(): string | undefined {
  const origin = spawnSync("git", ["show", `origin/main:${landed}`], { cwd: root, maxBuffer: 2 ** 26 });
  if (origin.status === 0) {
    const path = join(scratch, "landed.binpb");
    writeFileSync(path, origin.stdout);
    return path;
  }
  return existsSync(join(root, landed)) ? join(root, landed) : undefined;
}

/** Without comments and line numbers, so that the file changes only when a contract does. */
function buildImage(path: string): void {
  execFileSync("buf", ["build", "--exclude-source-info", "--output", path], { cwd: root, stdio: "inherit" });
}
