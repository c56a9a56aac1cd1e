import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { planRollout, type RolloutInput } from "../../src/sandbox/controllers/rollout.ts";

const count = fc.nat(6);
const input: fc.Arbitrary<RolloutInput> = fc
  .record({
    replicas: count,
    maxSurge: fc.constantFrom<number | string>(0, 1, "25%", "100%"),
    maxUnavailable: fc.constantFrom<number | string>(0, 1, "25%"),
    next: fc.tuple(count, count),
    old: fc.tuple(count, count),
  })
  .map(({ next, old, ...rest }) => ({
    ...rest,
    strategy: "RollingUpdate",
    next: { replicas: Math.min(next[0], rest.replicas), available: Math.min(next[0], next[1], rest.replicas) },
    olds: [{ name: "old", replicas: old[0], available: Math.min(old[0], old[1]), pods: old[0] }],
  }));

test("a rolling update never wants more pods than it may", () => {
  fc.assert(
    fc.property(input, (state) => {
      const plan = planRollout(state);
      const before = state.next.replicas + (state.olds[0]?.replicas ?? 0);
      const surge =
        typeof state.maxSurge === "number"
          ? state.maxSurge
          : Math.ceil((Number.parseFloat(state.maxSurge) / 100) * state.replicas);
      assert.ok(plan.next <= state.replicas);
      assert.ok(
        plan.next === state.next.replicas ||
          plan.next + (state.olds[0]?.replicas ?? 0) <= Math.max(before, state.replicas + surge),
      );
    }),
  );
});

test("a rolling update ends with the new pods alone, whatever the state it starts from", () => {
  fc.assert(
    fc.property(input, (start) => {
      let state = start;
      for (let round = 0; round < 50; round++) {
        const plan = planRollout(state);
        const replicas = plan.olds.get("old") ?? 0;
        // Every pod that is wanted becomes available.
        state = {
          ...state,
          next: { replicas: plan.next, available: plan.next },
          olds: [{ name: "old", replicas, available: replicas, pods: replicas }],
        };
      }
      assert.equal(state.next.replicas, start.replicas);
      assert.equal(state.olds[0]?.replicas, 0);
    }),
  );
});

test("Recreate waits until the last old pod is gone", () => {
  const state = {
    replicas: 2,
    strategy: "Recreate",
    maxSurge: 0,
    maxUnavailable: 0,
    next: { replicas: 0, available: 0 },
  };
  const waiting = planRollout({ ...state, olds: [{ name: "old", replicas: 0, available: 0, pods: 1 }] });
  assert.equal(waiting.next, 0);
  assert.equal(planRollout({ ...state, olds: [{ name: "old", replicas: 0, available: 0, pods: 0 }] }).next, 2);
});
