/**
 * Fuzzes as long as one likes: `node test/fuzz/main.ts [--time 60s] [--target name] [--seed n] [--runs n]`. Time is for all targets together, in
 * s, m or h. Without a seed each run has another. Ends with 1 at the first failure, which says how to repeat it.
 */
import { parseArgs } from "node:util";
import { fuzz, playFound } from "./fuzz.ts";
import { targets } from "./targets.ts";

const option = { type: "string" } as const;
const { values } = parseArgs({ options: { time: option, target: option, seed: option, runs: option } });
const chosen = values.target === undefined ? Object.keys(targets) : values.target.split(",");
const ms = milliseconds(values.time ?? "60s") / chosen.length;
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 30));
const limits = { ms: values.runs === undefined ? ms : 86_400_000, ...(values.runs && { runs: Number(values.runs) }) };

for (const name of chosen) {
  const create = targets[name];
  if (create === undefined)
    throw new Error(`There is no target ${name}; there are ${Object.keys(targets).join(", ")}.`);
  const ends: (() => unknown)[] = [];
  const target = await create({ after: (end) => void (end && ends.push(end as () => unknown)) });
  try {
    const found = await playFound(target);
    const played = await fuzz(target, { seed, ...limits });
    console.log(
      `${name}: ${played} inputs from seed ${seed} on, and ${found} that were found before: no promise broken`,
    );
  } catch (error) {
    console.error(error);
    process.exit(1);
  }
  await target.close();
  for (const end of ends.reverse()) await end();
}
process.exit(0);

function milliseconds(text: string): number {
  const [, number, unit = "s"] = /^(\d+)(s|m|h)?$/.exec(text) ?? [];
  if (number === undefined) throw new Error("TIME is a number of seconds, or as in 60s, 10m, 8h.");
  return Number(number) * ({ s: 1_000, m: 60_000, h: 3_600_000 }[unit] ?? 1_000);
}
