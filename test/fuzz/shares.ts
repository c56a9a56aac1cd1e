import assert from "node:assert/strict";
import { test } from "node:test";
import { fuzz, playFound } from "./fuzz.ts";
import { targets } from "./targets.ts";

/** Where each run of the tests begins, so that what fails here fails for everybody; `make fuzz` begins elsewhere. */
const firstSeed = 1;

/** A test for each of these targets, which fuzzes for so many milliseconds: together they are the minute that each run of the tests spends. */
export function sharesOf(shares: Readonly<Record<string, number>>): void {
  for (const [name, ms] of Object.entries(shares)) {
    test(`whatever bytes come to "${name}": no crash, no hang, no growth, no harm to others`, async (t) => {
      const create = targets[name];
      assert.ok(create, `there is no target ${name}`);
      const target = await create(t);
      try {
        const found = await playFound(target);
        const played = await fuzz(target, { seed: firstSeed, ms });
        t.diagnostic(`${played} inputs, and ${found} that were found before`);
      } finally {
        await target.close();
      }
    });
  }
}
