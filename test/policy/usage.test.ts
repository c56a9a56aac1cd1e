import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { addAmounts, noAmounts } from "../../src/policy/amounts.ts";
import { type Demand, demandOf } from "../../src/policy/demand.ts";
import { normaliseImage } from "../../src/policy/image.ts";
import { UsageLedger } from "../../src/policy/usage.ts";
import { appOf, policyOf } from "./given.ts";

const policy = policyOf();

function demand(image: string, replicas: number, cpu?: number): Demand {
  return demandOf(
    appOf({ image, replicas, ...(cpu === undefined ? {} : { resources: { requests: { cpu } } }) }),
    policy,
  );
}

test("two wishes at once never both have the last place", () => {
  const ledger = new UsageLedger();
  const [a, b] = [
    { fingerprint: "f", key: "a" },
    { fingerprint: "f", key: "b" },
  ];
  assert.equal(ledger.of("f", "a").apps, 0);
  ledger.set(a, demand("web", 1));
  assert.equal(ledger.of("f", b.key).apps, 1, "the second sees the first");
  assert.equal(ledger.of("f", a.key).apps, 0, "and the first does not see itself");
});

test("the books are right after any sequence of changes", () => {
  const change = fc.record({
    fingerprint: fc.constantFrom("f", "g"),
    key: fc.constantFrom("a", "b", "c"),
    demand: fc.option(
      fc.record({
        image: fc.constantFrom("web", "docker.io/web", "db:2"),
        replicas: fc.integer({ min: 0, max: 5 }),
        cpu: fc.integer({ min: 0, max: 3 }),
      }),
    ),
  });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
      const ledger = new UsageLedger();
      const held = new Map<string, { fingerprint: string; key: string; demand: Demand }>();
      for (const { fingerprint, key, demand: asked } of changes) {
        const one = asked === null ? undefined : demand(asked.image, asked.replicas, asked.cpu);
        ledger.set({ fingerprint, key }, one);
        if (one) held.set(`${fingerprint}/${key}`, { fingerprint, key, demand: one });
        else held.delete(`${fingerprint}/${key}`);
      }
      const sumOf = (list: { demand: Demand }[]) => ({
        apps: list.length,
        amounts: nonZero(list.reduce((sum, one) => addAmounts(sum, one.demand.total), noAmounts)),
      });
      for (const fingerprint of ["f", "g"]) {
        for (const key of ["a", "b", "c", "none"]) {
          const others = [...held.values()].filter((one) => one.fingerprint !== fingerprint || one.key !== key);
          const own = others.filter((one) => one.fingerprint === fingerprint);
          const { apps, amounts } = ledger.of(fingerprint, key);
          assert.deepEqual({ apps, amounts: nonZero(amounts) }, sumOf(own));
          const total = ledger.total({ fingerprint, key });
          assert.deepEqual({ apps: total.apps, amounts: nonZero(total.amounts) }, sumOf(others));
          for (const image of ["web", "db:2"].map(normaliseImage)) {
            const has = own.some((one) => one.demand.images.map(normaliseImage).includes(image));
            assert.equal(ledger.images(fingerprint, key).has(image), has);
          }
        }
      }
    }),
    { numRuns: 100 },
  );
});

function nonZero(amounts: ReadonlyMap<string, bigint>): [string, bigint][] {
  return [...amounts].filter(([, quantity]) => quantity !== 0n).sort();
}

test("a peer that has nothing any more leaves nothing behind", () => {
  const ledger = new UsageLedger();
  for (let index = 0; index < 100; index++) ledger.set({ fingerprint: `f${index}`, key: "a" }, demand("web", 1, 1));
  for (let index = 0; index < 100; index++) ledger.set({ fingerprint: `f${index}`, key: "a" }, undefined);
  assert.equal(ledger.size, 0);
  const total = ledger.total({ fingerprint: "x", key: "y" });
  assert.equal(total.apps, 0);
  assert.equal(total.amounts.size, 0);
});
