/** Plays one input after the other to a target, and says how to repeat what went wrong. */
import { readdirSync, readFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Random } from "../faults/simulation/random.ts";
import type { Input, Target } from "./target.ts";
import { startWatchdog } from "./watchdog.ts";

/** Every so many inputs, others that share the process are looked after, and memory is. */
const lookEvery = 250;
/** What the process may hold more than after its first inputs, in bytes: what caches take, and no more. */
const mostGrowth = 64 * 1024 * 1024;

const foundIn = new URL("found/", import.meta.url);

/** Until `ms` have passed or so many were played, whichever is first. Returns how many that were. Throws at the first failure. */
export async function fuzz(target: Target, o: { seed: number; ms: number; runs?: number }): Promise<number> {
  const endsAt = performance.now() + o.ms;
  const { runs = Number.POSITIVE_INFINITY } = o;
  let baseline: number | undefined;
  let played = 0;
  const watchdog = startWatchdog();
  for (; played < runs && (played === 0 || performance.now() < endsAt); played += 1) {
    const seed = o.seed + played;
    watchdog.playing(target.name, seed);
    const input = target.make(new Random(seed));
    await attempt(target, seed, input, () => target.play(input));
    if ((played + 1) % lookEvery !== 0) continue;
    await attempt(target, seed, input, async () => {
      await target.unharmed();
      const held = heldBytes();
      baseline ??= held;
      if (held <= baseline + mostGrowth) return;
      throw new Error(`The process holds ${held} bytes, and held ${baseline} at first.`);
    });
  }
  await target.unharmed();
  await watchdog.close();
  return played;
}

/** Plays what was found wrong once, as files keep it: by target and what was wrong. Returns how many there are. */
export async function playFound(target: Target): Promise<number> {
  const names = readdirSync(foundIn).filter((name) => name.startsWith(`${target.name}.`));
  for (const name of names) {
    const kept = JSON.parse(readFileSync(new URL(name, foundIn), "utf8")) as string[][];
    const input = kept.map((pieces) => pieces.map((piece) => Buffer.from(piece, "hex")));
    try {
      await target.play(input);
    } catch (cause) {
      throw new Error(`test/fuzz/found/${name} is wrong again`, { cause });
    }
  }
  await target.unharmed();
  return names.length;
}

async function attempt(target: Target, seed: number, input: Input, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (cause) {
    const kept = JSON.stringify(input.map((pieces) => pieces.map((piece) => piece.toString("hex"))));
    const shown = kept.length > 4_000 ? `${kept.slice(0, 4_000)}… (${kept.length} characters)` : kept;
    throw new Error(
      `Seed ${seed} of "${target.name}" broke a promise. Repeat it: make fuzz TARGET=${target.name} SEED=${seed} RUNS=1
Once it is mended, keep it as test/fuzz/found/${target.name}.<what was wrong>.json: ${shown}`,
      { cause },
    );
  }
}

/** What is held when all that can be collected is. */
function heldBytes(): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
