/**
 * Looks at every interleaving of resume.pml, in each of its variants, and shows that each planted mistake is found:
 * `node docs/model/check.ts`, or with `--large` for sizes that take long and up to 6 GB. Needs spin and a C compiler.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const model = new URL("resume.pml", import.meta.url).pathname;

interface Variant {
  readonly name: string;
  readonly defines: readonly string[];
  /** The model must find that this one is wrong. */
  readonly broken?: boolean;
}

const sound: Variant[] = [
  { name: "three carriers, a frame each way", defines: ["CARRIERS=3", "COUNT=1"] },
  { name: "two carriers, two frames each way", defines: ["CARRIERS=2", "COUNT=2"] },
  { name: "… and a process restarts", defines: ["CARRIERS=2", "COUNT=2", "RESTART"] },
  { name: "three carriers, and sessions are given up", defines: ["CARRIERS=3", "COUNT=1", "EXPIRE"] },
];

const large: Variant[] = [
  { name: "three carriers, and a process restarts", defines: ["CARRIERS=3", "COUNT=1", "RESTART"] },
  { name: "three carriers, two frames each way", defines: ["CARRIERS=3", "COUNT=2"] },
];

const broken: Variant[] = [
  { name: "late frames of the older carrier count", defines: ["BUG_LATE_FRAMES_COUNT"] },
  { name: "the carrier outlives its session", defines: ["BUG_OLD_CARRIER_STAYS", "RESTART"] },
  { name: "nobody waits for the other's Resume", defines: ["BUG_WRITE_EARLY"] },
  { name: "replay from the last Ack, not from Resume", defines: ["BUG_REPLAY_UNACKNOWLEDGED"] },
  { name: "the first Resume rewinds what was written", defines: ["BUG_REWIND"] },
  { name: "a carrier's number is not looked at", defines: ["BUG_NO_NUMBERS"] },
  { name: "its number is looked at after its process", defines: ["BUG_NUMBER_AFTER_PROCESS", "RESTART"] },
  { name: "any unknown session begins", defines: ["BUG_ANY_SESSION_BEGINS", "EXPIRE"] },
  { name: "a session that was given up begins again", defines: ["BUG_SERVED_TWICE", "EXPIRE"] },
].map((variant) => ({ ...variant, defines: [...variant.defines, "CARRIERS=2"], broken: true }));

mustHave("spin", "-V");
mustHave("cc", "--version");
const variants = [...sound, ...(process.argv.includes("--large") ? large : []), ...broken];
const failed = variants.filter((variant) => !check(variant));
console.log(`${variants.length - failed.length} variants of the model as they should be, ${failed.length} not`);
process.exitCode = failed.length > 0 ? 1 : 0;

/** Whether the variant is as it should be: right, or wrong and found. */
function check({ name, defines, broken = false }: Variant): boolean {
  const folder = mkdtempSync(join(tmpdir(), "fairlead-model-"));
  const run = (command: string, ...args: string[]): string =>
    execFileSync(command, args, { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  try {
    const startedAt = performance.now();
    run("spin", "-a", ...defines.map((define) => `-D${define}`), model);
    run("cc", "-O1", "-w", "-DSAFETY", "-DCOLLAPSE", "-DVECTORSZ=1024", "-DMEMLIM=6000", "-o", "pan", "pan.c");
    // The first number is the longest path looked at, the second the size of the table of states.
    const verdict = spawnSync(join(folder, "pan"), ["-m100000", "-w25"], {
      cwd: folder,
      encoding: "utf8",
      maxBuffer: 2 ** 24,
    });
    const { stdout } = verdict;
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
    const states = Number(/(\d+) states, stored/.exec(stdout)?.[1] ?? 0).toLocaleString("en");
    // What did not fit was not looked at.
    const whole = !/Search not completed|max search depth too small|out of memory/.test(stdout);
    const error = /^pan:\d+: (.*?) \(at depth/m.exec(stdout)?.[1];
    const right = broken ? error !== undefined : whole && /errors: 0\b/.test(stdout);
    const found = broken ? `found: ${error ?? "no!"}` : (error ?? `${states} states${whole ? "" : ", and not all"}`);
    console.log(`${right ? "✔" : "✖"} ${name}: ${found} (${seconds} s)`);
    if (!right && !broken && error !== undefined) console.log(trail(folder, defines));
    return right;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The way to the error, step by step. */
function trail(folder: string, defines: readonly string[]): string {
  const file = readFileSync(join(folder, "resume.pml.trail"));
  const args = ["-k", "resume.pml.trail", "-t", "-p", "-g", ...defines.map((define) => `-D${define}`), model];
  return file.length === 0 ? "" : spawnSync("spin", args, { cwd: folder, encoding: "utf8" }).stdout;
}

function mustHave(program: string, version: string): void {
  if (spawnSync(program, [version]).error === undefined) return;
  console.error(`The model needs ${program}. On Debian: apt-get install spin gcc libc6-dev`);
  process.exit(1);
}
