/** One attack, from the attacker's coming to its going, and what must be so in between. */
import assert from "node:assert/strict";
import { until } from "../../patience.ts";
import type { Attack, Outcomes } from "./attack.ts";
import { changes } from "./cluster-state.ts";
import type { Ground } from "./ground.ts";

/** Rejects, saying what got through. */
export async function hold(ground: Ground, attack: Attack): Promise<void> {
  const others = await ground.others();
  const start = ground.audit.lines.length;
  await ground.enter();
  try {
    assert.deepEqual(differences(await attack.attempt(ground), attack.expect), []);
    assert.deepEqual(changes(others, await ground.others()), [], "something of somebody else's was changed");
    const left = (await ground.mallorys()).filter((kind) => !attack.leaves?.includes(kind));
    assert.deepEqual(left, [], "the attacker has something in the cluster");
    await ground.serves();
    // What is counted is told a little later.
    const missing = (): string[] => ground.audit.missing(attack.audit ?? [], ground.name, start);
    await until(`the audit tells ${missing().join(", ")}`, () => missing().length === 0);
    assert.deepEqual(ground.audit.defects.splice(0), [], "the host has met a defect of its own");
  } finally {
    await ground.leave();
  }
}

/** What came out differently, each in a line that shows what came and what should have. */
function differences(outcomes: Outcomes, expected: Attack["expect"]): string[] {
  return [...new Set([...Object.keys(outcomes), ...Object.keys(expected)])].flatMap((what) => {
    const [outcome = "not tried", wanted = "nothing"] = [outcomes[what], expected[what]];
    const isAsWanted = typeof wanted === "string" ? outcome === wanted : wanted.test(outcome);
    return isAsWanted ? [] : [`${what}: ${outcome}, in place of ${wanted}`];
  });
}
