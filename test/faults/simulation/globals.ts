/**
 * Puts the world in the place of what Node offers to all code alike: timers, the next turn of the event loop, the wall
 * clock and random bytes. So the code under test needs no door of its own for them, nor does any library below it.
 */
import crypto from "node:crypto";
import { syncBuiltinESMExports } from "node:module";
import type { Timer } from "../../../src/base/clock.ts";
import type { Random } from "./random.ts";
import type { Life, World } from "./world.ts";

type Run = (...args: unknown[]) => void;

/** Until the returned function is called. What happens between events, in no process, fails the run. */
export function ownGlobals(world: World, random: Random): () => void {
  const life = (what: string): Life => {
    if (world.life === undefined) throw new Error(`${what} outside of every process of the simulation.`);
    return world.life;
  };
  const cancel = (timer: Timer | undefined): void => timer?.cancel();
  const changes: [object, string, unknown][] = [
    [
      globalThis,
      "setImmediate",
      (run: Run, ...args: unknown[]) => life("setImmediate").soon("turn", () => run(...args)),
    ],
    [globalThis, "clearImmediate", cancel],
    [
      globalThis,
      "setTimeout",
      (run: Run, ms = 1, ...args: unknown[]) => life("setTimeout").after(ms, "timeout", () => run(...args)),
    ],
    [globalThis, "clearTimeout", cancel],
    [Date, "now", () => (world.life === undefined ? realNow() : world.life.clock.now())],
    [Math, "random", () => random.next()],
    [crypto, "randomBytes", (size: number) => Buffer.from(Array.from({ length: size }, () => random.between(0, 255)))],
  ];
  const realNow = Date.now;
  const kept = changes.map(([owner, name]) => Object.getOwnPropertyDescriptor(owner, name));
  for (const [owner, name, value] of changes) {
    Object.defineProperty(owner, name, { value, configurable: true, writable: true });
  }
  // The names that modules have imported from node:crypto follow the object.
  syncBuiltinESMExports();
  return () => {
    for (const [index, [owner, name]] of changes.entries()) {
      const before = kept[index];
      if (before !== undefined) Object.defineProperty(owner, name, before);
    }
    syncBuiltinESMExports();
  };
}
