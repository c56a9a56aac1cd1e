/**
 * Looks at every interleaving of resume.pml and placement.pml, in each of their variants, and shows that each planted mistake is found:
 * `node docs/model/check.ts`, or with `--large` for sizes that take long and up to 6 GB. Needs spin and a C compiler.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

interface Variant {
  /** The model's file. */
  readonly model?: string;
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

const placed: Variant[] = [
  { name: "an app moves, and a process restarts", defines: ["END=3", "CUTS=0"] },
  { name: "an app moves, and a link breaks", defines: ["END=3", "RESTARTS=0"] },
  { name: "an app moves without leases", defines: ["NOLEASE", "END=0", "RESTARTS=2", "CUTS=2"] },
].map((variant) => ({ ...variant, model: "placement.pml" }));

const misplaced: Variant[] = [
  { name: "a wish alone lets an app begin", defines: ["BUG_START_ON_WISH"] },
  { name: "a lease counts from the answer", defines: ["BUG_FROM_ANSWER"] },
  { name: "a new origin knows of nobody whom it told", defines: ["BUG_FORGET_GRANTS"] },
  { name: "a new host begins its leases anew", defines: ["BUG_RESTART_WHOLE"] },
  { name: "the origin waits no longer than the host", defines: ["BUG_NO_SLACK"] },
  { name: "what was written or not is not read again", defines: ["BUG_STALE_READ"] },
  { name: "an app is wished anew before its end was heard", defines: ["BUG_STALE_GONE", "NOLEASE", "END=0"] },
  { name: "an end that was heard counts after the next wish", defines: ["BUG_GONE_STAYS", "NOLEASE", "END=0"] },
  { name: "an app is wished before it is written who has it", defines: ["BUG_SEND_FIRST", "NOLEASE", "END=0"] },
].map((variant) => ({ ...variant, model: "placement.pml", broken: true }));

mustHave("spin", "-V");
mustHave("cc", "--version");
const isLarge = process.argv.includes("--large");
const variants = [...sound, ...(isLarge ? large : []), ...broken, ...placed, ...misplaced];
const failed = variants.filter((variant) => !check(variant));
console.log(`${variants.length - failed.length} variants of the model as they should be, ${failed.length} not`);
process.exitCode = failed.length > 0 ? 1 : 0;

/** Whether the variant is as it should be: right, or wrong and found. */
function check({ name, model: file = "resume.pml", defines, broken = false }: Variant): boolean {
  const model = new URL(file, import.meta.url).pathname;
  const folder = mkdtempSync(join(tmpdir(), "fairlead-model-"));
  const run = (command: string, ...args: string[]): string =>
    execFileSync(command, args, { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  try {
    const startedAt = performance.now();
    run("spin", "-a", ...defines.map((define) => `-D${define}`), model);
    run("cc", "-O1", "-w", "-DSAFETY", "-DCOLLAPSE", "-DVECTORSZ=1024", "-DMEMLIM=6000", "-o", "pan", "pan.c");
    // The first number is the longest path looked at, the second the size of the table of states.
    const verdict = spawnSync(join(folder, "pan"), ["-m400000", "-w25"], {
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
    if (!right && !broken && error !== undefined) console.log(trail(folder, model, defines));
    return right;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The way to the error, step by step. */
function trail(folder: string, model: string, defines: readonly string[]): string {
  const name = `${basename(model)}.trail`;
  const file = readFileSync(join(folder, name));
  const args = ["-k", name, "-t", "-p", "-g", ...defines.map((define) => `-D${define}`), model];
  return file.length === 0 ? "" : spawnSync("spin", args, { cwd: folder, encoding: "utf8" }).stdout;
}

function mustHave(program: string, version: string): void {
  if (spawnSync(program, [version]).error === undefined) return;
  console.error(`The model needs ${program}. On Debian: apt-get install spin gcc libc6-dev`);
  process.exit(1);
}
