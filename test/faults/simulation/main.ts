/**
 * Runs seeds: `node test/faults/simulation/main.ts [seeds] [--log] [--no-resume] [--go-on]`, with seeds as "17", "1-2000" or "17,4,9-12"; the
 * log of every event goes to stdout. Ends with 1 at the first seed that fails, or after the last one, and says how to repeat it.
 */
import { simulate } from "./simulate.ts";

const [range = "1-2000", ...flags] = process.argv.slice(2);
const isLogged = flags.includes("--log");
const goesOn = flags.includes("--go-on");
const isResuming = !flags.includes("--no-resume");
const tailLines = 40;
const startedAt = performance.now();
const ended = new Map<string, number>();
let seeds = 0;
let events = 0;
let failed = 0;

for (const seed of parse(range)) {
  const outcome = await run(seed, isLogged ? (line) => process.stdout.write(`${line}\n`) : undefined);
  seeds += 1;
  events += outcome.events;
  for (const [how, count] of Object.entries(outcome.ended)) ended.set(how, (ended.get(how) ?? 0) + count);
  if (outcome.failure === undefined) continue;
  const tail: string[] = [];
  await run(seed, (line) => {
    tail.push(line);
    if (tail.length > tailLines) tail.shift();
  });
  console.error(tail.join("\n"));
  console.error(`\nSeed ${seed} failed after ${outcome.events} events, ${Math.round(outcome.tookMs)} ms of its time:`);
  console.error(outcome.failure);
  console.error(`\nRepeat it: make simulate SEEDS=${seed}${isResuming ? "" : " RESUME=no"}`);
  if (!goesOn) process.exit(1);
  failed += 1;
}

const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
const counts = [...ended].map(([how, count]) => `${count} ${how}`).join(", ");
if (failed > 0) process.exitCode = 1;
console.log(`${seeds} seeds, ${failed} of them failed; ${events} events, ${seconds} s; streams and calls: ${counts}`);

function run(seed: number, log?: (line: string) => void): ReturnType<typeof simulate> {
  return simulate({
    seed,
    expectations: { resume: isResuming },
    ...(log === undefined ? {} : { log }),
  });
}

function* parse(text: string): Generator<number> {
  for (const part of text.split(",")) {
    const [first, last = first] = part.split("-").map(Number);
    if (first === undefined || last === undefined || !(first <= last)) throw new Error(`These are no seeds: ${part}`);
    for (let seed = first; seed <= last; seed += 1) yield seed;
  }
}
