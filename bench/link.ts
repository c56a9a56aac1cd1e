/**
 * How fast the link is beside its rivals, all in one run (`make bench`):
 *
 *   node bench/link.ts [--seconds 1] [--rounds 3] [--ways NAME,…] [--only PART,…] [--json FILE]
 *
 * A load and a target, here, and between them: nothing (direct), Node's TLS in a WebSocket (bare), dialled streams of a link, calls over a
 * link, and each rival that is on PATH. Rounds are interleaved and the median counts, so that a busy machine harms all alike. It prints a
 * table with the ratios to bare in brackets, and writes JSON to bench/results/.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { errorText } from "../src/base/error-text.ts";
import { calling } from "./load/calling.ts";
import { type Contender, forwarding, type Measured, type Part, parts, type Running } from "./load/contender.ts";
import { type Forked, forkTold } from "./load/forked.ts";
import { type Rounds, summarize, table } from "./load/report.ts";
import { bare } from "./ways/bare.ts";
import { direct } from "./ways/direct.ts";
import { link } from "./ways/link.ts";
import { rivals } from "./ways/rivals.ts";

/** Of the way at "50 ms", in each direction. */
const delayMs = 25;

const options = readOptions();
const target = await forkTold<number>("load/target.ts", []);
const contenders: readonly Contender[] = [
  ...[direct, bare, link].map((way) => forwarding(way, target.told)),
  calling,
  ...rivals.map((way) => forwarding(way, target.told)),
].filter(({ name }) => options.ways.length === 0 || options.ways.includes(name));
const rounds: Rounds[] = [];
const running = new Map<Rounds, { contender: Contender; near: Running }>();

for (const contender of contenders) {
  const row: Rounds = { name: contender.name, measured: [] };
  rounds.push(row);
  const absent = contender.absent?.();
  if (absent !== undefined) row.note = absent;
  else
    await attempt(
      row,
      async () => void running.set(row, { contender, near: await contender.start(async (port) => port) }),
    );
}
// The first one only warms up: code that has not run for long yet is ten times as slow.
for (let round = 0; round <= options.rounds; round++) {
  for (const part of options.only) {
    for (const [row, { contender, near }] of running) {
      show(`round ${round} of ${options.rounds}: ${part}, ${row.name}`);
      await attempt(row, () => (round === 0 ? warmUp(part, near) : measure(part, contender, near, row, round)));
    }
  }
}
show("");
for (const { near } of running.values()) await near.close();
await target.end();

const summaries = rounds.map(summarize);
console.log(table(summaries, bare.name));
const about = {
  at: new Date().toISOString(),
  node: process.version,
  cpu: `${cpus().length} × ${cpus()[0]?.model ?? "unknown"}`,
  seconds: options.seconds,
  rounds: options.rounds,
};
mkdirSync(dirname(options.json), { recursive: true });
writeFileSync(
  options.json,
  `${JSON.stringify({ ...about, base: bare.name, ways: summaries, raw: rounds }, null, 2)}\n`,
);
console.log(`\n${about.cpu}, Node ${about.node}; in brackets: of ${bare.name}. All numbers: ${options.json}`);

async function warmUp(part: Part, { parts }: Running): Promise<void> {
  if (part !== "cut" && part !== "at50" && part !== "memory") await parts[part]?.(options.seconds);
}

async function measure(part: Part, contender: Contender, near: Running, row: Rounds, round: number): Promise<void> {
  if (part === "cut") {
    if (round === 1 && near.cut) row.cut = await cutOff(contender);
  } else if (part === "at50") {
    row.measured.push(await at50(contender));
  } else if (part === "memory") {
    if (near.memory)
      row.measured.push(
        await another(contender, undefined, async ({ memory }) => (await memory?.(options.seconds)) ?? {}),
      );
  } else {
    row.measured.push((await near.parts[part]?.(options.seconds)) ?? {});
  }
}

async function at50(contender: Contender): Promise<Measured> {
  return another(contender, delayMs, async ({ parts }) => {
    // At 50 ms a window takes many round trips to grow.
    const { down } = (await parts.down?.(Math.max(2, options.seconds))) ?? {};
    const { besideP99 } = (await parts.beside?.(Math.max(1, options.seconds))) ?? {};
    return {
      ...(down !== undefined && { down50: down }),
      ...(besideP99 !== undefined && { besideP99at50: besideP99 }),
    };
  });
}

function cutOff(contender: Contender): Promise<string> {
  return another(contender, 0, async ({ cut }, box) => (await cut?.(() => box.send("cut"))) ?? "–");
}

/** A fresh one of the same, behind a middlebox that delays by so many milliseconds, if given. */
async function another<T>(
  contender: Contender,
  ms: number | undefined,
  use: (running: Running, box: { send(message: string): void }) => Promise<T>,
): Promise<T> {
  const boxes: Forked<number>[] = [];
  let fresh: Running | undefined;
  try {
    fresh = await contender.start(async (port) => {
      if (ms === undefined) return port;
      const box = await forkTold<number>("load/middlebox.ts", [String(port), String(ms)]);
      boxes.push(box);
      return box.told;
    });
    return await use(fresh, { send: (message) => boxes.forEach((box) => void box.send(message)) });
  } finally {
    await fresh?.close();
    await Promise.all(boxes.map((box) => box.end()));
  }
}

/** Where it stands, in one line of a terminal. */
function show(what: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${what}`);
}

/** What one of them cannot do harms no other; it is said in the end. */
async function attempt(row: Rounds, what: () => Promise<void>): Promise<void> {
  try {
    await what();
  } catch (error) {
    console.error(`\n${row.name}: ${errorText(error)}`);
    if (row.measured.length === 0) row.note = `failed: ${errorText(error)}`;
  }
}

function readOptions(): { seconds: number; rounds: number; ways: string[]; only: Part[]; json: string } {
  const option = { type: "string" } as const;
  const { values } = parseArgs({
    options: { seconds: option, rounds: option, ways: option, only: option, json: option },
  });
  const only = values.only?.split(",");
  const unknown = only?.find((name) => !parts.some((part) => part === name));
  if (unknown !== undefined) throw new Error(`There is no part ${unknown}; there are: ${parts.join(", ")}.`);
  return {
    seconds: Number(values.seconds ?? 1),
    rounds: Number(values.rounds ?? 3),
    ways: values.ways?.split(",") ?? [],
    only: parts.filter((part) => only === undefined || only.includes(part)),
    json: values.json ?? new URL("results/link.json", import.meta.url).pathname,
  };
}
