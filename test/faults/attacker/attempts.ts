/** Ways to try many things of one sort, and to say in a word what came of each. */
import { Code, ConnectError } from "@connectrpc/connect";
import { WorkloadService } from "../../../src/gen/fairlead/peer/v1/workload_pb.ts";
import type { Outcomes } from "./attack.ts";
import { type Attacker, begin, type Conversation, nothingHeld, wish } from "./attacker.ts";

/** States of an app that was admitted, however it fares. */
const admitted = new Set(["Pending", "Progressing", "Ready", "Degraded"]);

/** Wishes for one app after another, each with what is changed in it. "runs", "gone", "ends <code>", or the reason and the rules. */
export async function tryWishes(
  mallory: Attacker,
  cases: Readonly<Record<string, { [field: string]: unknown }>>,
): Promise<Outcomes> {
  const outcomes: Record<string, string> = {};
  let talk: Conversation | undefined;
  for (const [index, [what, change]] of Object.entries(cases).entries()) {
    if (talk?.end !== undefined) talk = undefined;
    talk ??= await mallory.converse([begin, nothingHeld]);
    const uid = typeof change.uid === "string" ? change.uid : `m-${index}`;
    talk.say(wish({ uid, name: `app-${index}`, ...change }));
    const outcome = await talk.outcome(uid);
    outcomes[what] = admitted.has(outcome) ? "runs" : outcome;
  }
  await talk?.close();
  return outcomes;
}

/** Wishes for an app with each of the specs, and asks beforehand whether it would run: both must be answered alike. */
export async function trySpecs(mallory: Attacker, specs: Readonly<Record<string, unknown>>): Promise<Outcomes> {
  const cases = Object.entries(specs).map(([what, spec]) => [what, { spec }] as const);
  const wished = await tryWishes(mallory, Object.fromEntries(cases));
  const workloads = await mallory.client(WorkloadService);
  const outcomes: Record<string, string> = {};
  for (const [what, spec] of Object.entries(specs)) {
    const text = typeof spec === "string" ? spec : JSON.stringify(spec);
    const checked = await outcomeOf(async () => {
      const answer = await workloads.check({ spec: text });
      return answer.admitted ? "runs" : [answer.reason, ...rulesOf(answer.violations)].join(" ");
    });
    const outcome = wished[what] ?? "";
    outcomes[what] = checked === outcome ? outcome : `${outcome}, although the check says: ${checked}`;
  }
  return outcomes;
}

/** Each rule once, in the order in which they spoke. */
function rulesOf(violations: readonly { readonly rule: string }[]): string[] {
  return [...new Set(violations.map(({ rule }) => rule))];
}

/** What a call came to: what it says of itself, or the code of its error. */
export async function outcomeOf(call: () => Promise<string>): Promise<string> {
  try {
    return await call();
  } catch (error) {
    return Code[ConnectError.from(error).code] ?? "an error without a code";
  }
}
