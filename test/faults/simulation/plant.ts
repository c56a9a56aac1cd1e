/**
 * Shows that the simulation finds bugs: plants them in copies of the code, one at a time, and prints the table of README.md.
 * `node test/faults/simulation/plant.ts [number…]`. A place that is no longer there fails, so that the list stays true.
 */
import { spawnSync } from "node:child_process";
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bugs } from "./bugs.ts";

/** Two thousand seeds take less. */
const longestMs = 240_000;
const root = new URL("../../..", import.meta.url).pathname;
const copy = join(root, ".cache/planted");
const chosen = process.argv.slice(2).map(Number);
let missed = 0;

console.log("| | bug | seed | events until found | found as |\n|---|---|---|---|---|");
for (const [index, bug] of bugs.entries()) {
  if (chosen.length > 0 && !chosen.includes(index + 1)) continue;
  for (const part of ["src", "test/faults/simulation", "test/gen"]) {
    rmSync(join(copy, part), { recursive: true, force: true });
    cpSync(join(root, part), join(copy, part), { recursive: true });
  }
  const path = join(copy, "src", bug.file);
  const text = readFileSync(path, "utf8");
  if (text.split(bug.find).length !== 2) throw new Error(`Not once in ${bug.file}: ${bug.find}`);
  writeFileSync(path, text.replace(bug.find, bug.put));
  console.log(`| ${index + 1} | ${bug.what} (\`${bug.file}\`) | ${find()} |`);
}
rmSync(copy, { recursive: true, force: true });
process.exit(missed === 0 ? 0 : 1);

/** Seed, events and what was said, as cells of the table. */
function find(): string {
  const { stderr } = spawnSync(process.execPath, [join(copy, "test/faults/simulation/main.ts"), "1-2000"], {
    encoding: "utf8",
    maxBuffer: 2 ** 28,
    timeout: longestMs,
  });
  const [, seed, events] = /^Seed (\d+) failed after (\d+) events/m.exec(stderr) ?? [];
  const [, said = ""] = /^Seed .*\n(?:\w*Error: )?(.*)/m.exec(stderr) ?? [];
  if (seed !== undefined) return `${seed} | ${events} | ${said.replaceAll("|", "\\|").slice(0, 160)}`;
  missed += 1;
  return "**not found** | | ";
}
