/**
 * How fast the link is beside its rivals, all in one run (`make bench`):
 *
 *   node bench/link.ts [--seconds 1] [--rounds 3] [--ways NAME,…] [--only PART,…] [--json FILE]
 *
 * A load and a target, here, and between them: nothing (direct), Node's TLS in a WebSocket (bare), dialled streams of a link, the door of an app,
 * `fairlead forward` as a person runs it, `kubectl port-forward` where there is a cluster, calls over a link, and each rival that is on PATH. Rounds are interleaved and the median counts, so that a busy machine harms all alike; what needs a
 * fresh start, or a network of another kind, is measured once, each way after the other. It prints a table with the ratios to bare in brackets, and writes JSON to
 * bench/results/. Each part of each way has a limit of time; what fails is told, and the rest goes on.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { errorText } from "../src/base/error-text.ts";
import { calling } from "./load/calling.ts";
import { type Contender, forwarding, isOnce, type OncePart, type Part, parts, type Running } from "./load/contender.ts";
import { type Forked, forkTold } from "./load/forked.ts";
import { type Rounds, summarize, table } from "./load/report.ts";
import { bare } from "./ways/bare.ts";
import { direct } from "./ways/direct.ts";
import { door } from "./ways/door.ts";
import { forward } from "./ways/forward.ts";
import { link } from "./ways/link.ts";
import { portForward } from "./ways/port-forward.ts";
import { rivals } from "./ways/rivals.ts";

/** A part that is measured in each round. */
type RoundPart = Exclude<Part, OncePart>;

/** Of the way at "50 ms", in each direction. */
const delayMs = 25;
/** Of the way with a slow wire: its bytes a second, and the queue before it. */
const slowWire = [50e6 / 8, 4 * 1024 * 1024] as const;
/** How long one part of one contender may take, in milliseconds, beyond what it measures; then it is told as failed, and the next one begins. */
const partLimitMs = 20_000;
/** Of those that are as long as they are: a transfer that is cut has a limit of its own, of 60 s. */
const longLimitMs: Readonly<Partial<Record<Part, number>>> = { cut: 75_000, many: 180_000, crowd: 240_000 };
/** To start a way: some are whole agents. */
const startLimitMs = 90_000;

const startedAt = performance.now();
const options = readOptions();
const target = await forkTold<number>("load/target.ts", []);
const contenders: readonly Contender[] = [
  ...[direct, bare, link, door, forward, portForward].map((way) => forwarding(way, target.told)),
  calling,
  ...rivals.map((way) => forwarding(way, target.told)),
].filter(({ name }) => options.ways.length === 0 || options.ways.includes(name));
const rows: { readonly contender: Contender; readonly row: Rounds; near: Running | undefined }[] = [];

for (const contender of contenders) {
  const row: Rounds = { name: contender.name, measured: [] };
  const entry = { contender, row, near: undefined };
  rows.push(entry);
  const absent = contender.absent?.();
  if (absent !== undefined) row.note = absent;
  else await start(entry);
}
const present = rows.filter(({ row }) => row.note === undefined);
// The first round only warms up: code that has not run for long yet is ten times as slow.
for (let round = 0; round <= options.rounds; round++) {
  for (const part of options.only) {
    if (isOnce(part)) continue;
    for (const entry of present) await measure(entry, part, round);
  }
}
for (const part of options.only) {
  if (!isOnce(part)) continue;
  for (const { contender, row } of present) await measureOnce(contender, row, part);
}
show("");
for (const { near } of rows) await near?.close();
await target.end();

const rounds = rows.map(({ row }) => row);
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

async function start(entry: (typeof rows)[number]): Promise<void> {
  await attempt(entry.row, "start", startLimitMs, async () => {
    entry.near = await entry.contender.start(async (port) => port);
  });
}

async function measure(entry: (typeof rows)[number], part: RoundPart, round: number): Promise<void> {
  const run = entry.near?.parts[part];
  if (run === undefined) return;
  const { row } = entry;
  show(`round ${round} of ${options.rounds}: ${part}, ${row.name}`);
  const done = await attempt(row, part, partLimitMs, async () => {
    const measured = await run(options.seconds);
    if (round > 0) row.measured.push(measured);
  });
  if (done) return;
  // What it was asked may go on for ever, and would stand in the way of what comes next.
  await attempt(row, "end", partLimitMs, async () => entry.near?.close());
  entry.near = undefined;
  await start(entry);
}

async function measureOnce(contender: Contender, row: Rounds, part: OncePart): Promise<void> {
  show(`once: ${part}, ${contender.name}`);
  const seconds = Math.max(1, options.seconds);
  // Nothing is put into such a network, and no crowd on a cluster that others use.
  if (contender.ownNetwork && ["at50", "keys", "cut", "crowd"].includes(part)) return;
  if (part === "cut") {
    await another(row, contender, part, [0], async ({ cut }, box) => {
      if (cut) row.cut = await cut(() => box.send("cut"));
    });
  } else if (part === "at50") {
    await another(row, contender, part, [delayMs], async ({ parts }) => {
      // At 50 ms a window takes many round trips to grow.
      const { down } = (await parts.down?.(2 * seconds)) ?? {};
      if (down !== undefined) row.measured.push({ down50: down });
      const { besideP99 } = (await parts.beside?.(2 * seconds)) ?? {};
      if (besideP99 !== undefined) row.measured.push({ besideP99at50: besideP99 });
    });
  } else {
    const box = part === "keys" ? [delayMs, ...slowWire] : undefined;
    await another(row, contender, part, box, async ({ parts }) => {
      row.measured.push((await parts[part]?.(part === "keys" ? 3 * seconds : seconds)) ?? {});
    });
  }
}

/** Measures a fresh one of the same, behind a middlebox that is told so, if given. */
async function another(
  row: Rounds,
  contender: Contender,
  part: OncePart,
  middle: readonly number[] | undefined,
  use: (running: Running, box: { send(message: string): void }) => Promise<void>,
): Promise<void> {
  const boxes: Forked<number>[] = [];
  let fresh: Running | undefined;
  const isStarted = await attempt(row, part, startLimitMs, async () => {
    fresh = await contender.start(async (port) => {
      if (middle === undefined) return port;
      const box = await forkTold<number>("load/middlebox.ts", [port, ...middle].map(String));
      boxes.push(box);
      return box.told;
    });
  });
  await attempt(row, part, longLimitMs[part] ?? partLimitMs, async () => {
    if (isStarted && fresh) await use(fresh, { send: (message) => boxes.forEach((box) => void box.send(message)) });
  });
  await attempt(row, "end", partLimitMs, async () => {
    await fresh?.close();
    await Promise.all(boxes.map((box) => box.end()));
  });
}

/** Where it stands: in one line of a terminal, in a line for each step elsewhere. */
function show(what: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${what}`);
  else if (what !== "")
    process.stderr.write(`${((performance.now() - startedAt) / 1000).toFixed(0).padStart(4)} s  ${what}\n`);
}

/** What one of them cannot do, or not in time, harms no other; it is said at once and in the end. False when it failed. */
async function attempt(row: Rounds, part: string, limitMs: number, what: () => Promise<void>): Promise<boolean> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`not done within ${limitMs / 1000} s`)), limitMs);
  try {
    await Promise.race([what(), late.promise]);
    return true;
  } catch (error) {
    console.error(`\n${row.name}, ${part}: ${errorText(error)}`);
    row.failed = [...(row.failed ?? []), `${part}: ${errorText(error)}`];
    return false;
  } finally {
    clearTimeout(timer);
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
