/** The pure parts of admission: what a Workload's standing is, which decision counts, and who has which place. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { JsonObject } from "../../src/kube/object.ts";
import { type Workload, workloads } from "../../src/kube/resources.ts";
import type { Finding, Verdict } from "../../src/policy/admission.ts";
import { wholeQuantity } from "../../src/policy/quantity.ts";
import { hashSpec } from "../../src/policy/spec-hash.ts";
import type { Taken } from "../../src/policy/usage.ts";
import { asideFor, decisionAbout, hasLapsed } from "../../src/workloads/host/approval.ts";
import { createPlaces, noDemand } from "../../src/workloads/host/places.ts";
import { createQueue, mostWaiting } from "../../src/workloads/host/queue.ts";
import { type Question, type Rules, standingOf } from "../../src/workloads/host/standing.ts";
import { admissionOf, admissionWord, conformity, verdictWord } from "../../src/workloads/host/verdict-words.ts";

const now = Date.UTC(2026, 0, 1);
const image = (name: string): JsonObject => ({ image: name, replicas: 1 });
const hashes = new Map(["a", "b", "c"].map((name) => [name, hashSpec(specOf(name))]));

function specOf(name: string) {
  const { app } = workloads.parse({ spec: { app: image(name) } }).spec;
  if (!app) throw new Error("A Workload has an app.");
  return app;
}

function workload(spec: { app: string; running?: string; decision?: JsonObject }, aside?: JsonObject): Workload {
  const { app, running, decision } = spec;
  return workloads.parse({
    metadata: {
      name: "web",
      ...(aside ? { annotations: { "fairlead.dev/decision-of-running": JSON.stringify(aside) } } : {}),
    },
    spec: { app: image(app), ...(running ? { running: image(running) } : {}), ...(decision ? { decision } : {}) },
  });
}

function decision(about: string, verdict: "Approved" | "Denied", untilMs?: number): JsonObject {
  return {
    hash: hashes.get(about) ?? "",
    verdict,
    at: "2026-01-01T00:00:00Z",
    ...(untilMs === undefined ? {} : { until: new Date(untilMs).toISOString() }),
  };
}

const finding = (rule: string): Finding => ({ rule, field: "", message: `no, says ${rule}` });
const verdictOf = (word: Verdict["decision"]): Verdict => ({
  decision: word,
  findings: word === "admit" ? [] : [finding(`rule/${word}`)],
});

/** Rules that say this of each image. */
function rules(words: { [image: string]: Verdict["decision"] }, whenViolated: Rules["whenViolated"] = "Keep") {
  const asked: Question[] = [];
  const judge = (question: Question): Verdict => {
    asked.push(question);
    return verdictOf(words[question.app.image ?? ""] ?? "admit");
  };
  return { judge, hashOf: hashSpec, whenViolated, asked };
}

test("what is admitted becomes what runs; what is held or denied leaves what ran before as it is", () => {
  const fresh = standingOf(workload({ app: "a" }), rules({}), now);
  assert.deepEqual([fresh.admitted?.image, fresh.isNew, fresh.isStopped], ["a", true, false]);
  for (const word of ["hold", "deny"] as const) {
    const first = standingOf(workload({ app: "a" }), rules({ a: word }), now);
    assert.deepEqual([first.admitted, first.isNew, first.isStopped], [undefined, false, false], word);
    const change = standingOf(workload({ app: "b", running: "a" }), rules({ b: word }), now);
    assert.deepEqual([change.admitted?.image, change.isNew, change.isStopped], ["a", false, false], word);
    assert.deepEqual(change.violations, []);
    assert.match(admissionWord(change)?.message ?? "", /What ran before runs on\.$/);
  }
  const change = standingOf(workload({ app: "b", running: "a" }), rules({}), now);
  assert.deepEqual([change.admitted?.image, change.isNew], ["b", true]);
  const same = standingOf(workload({ app: "a", running: "a" }), rules({}), now);
  assert.deepEqual([same.admitted?.image, same.isNew], ["a", false]);
});

test("what runs and no longer conforms is marked, and stopped only where the policy says so", () => {
  const kept = standingOf(workload({ app: "a", running: "a" }), rules({ a: "deny" }, "Keep"), now);
  assert.deepEqual([kept.isStopped, verdictWord(kept), admissionWord(kept)], [false, "Admitted", undefined]);
  assert.deepEqual(
    conformity(kept).map(({ status, reason }) => [status, reason]),
    [["False", "RunsOn"]],
  );
  const stopped = standingOf(workload({ app: "a", running: "a" }), rules({ a: "deny" }, "Stop"), now);
  assert.deepEqual([stopped.isStopped, verdictWord(stopped)], [true, "Denied"]);
  const { phase, reason } = admissionWord(stopped) ?? {};
  assert.deepEqual([phase, reason], ["Denied", "Violates"]);
  assert.deepEqual(
    conformity(stopped).map(({ status, reason }) => [status, reason]),
    [["False", "Stopped"]],
  );
});

test("a change of what is stopped is measured as if it were new, one of what runs by what it runs", () => {
  const stopped = rules({ a: "deny" }, "Stop");
  standingOf(workload({ app: "b", running: "a" }), stopped, now);
  assert.equal(stopped.asked.find(({ app }) => app.image === "b")?.running, undefined);
  const running = rules({}, "Stop");
  standingOf(workload({ app: "b", running: "a" }), running, now);
  assert.equal(running.asked.find(({ app }) => app.image === "b")?.running?.app.image, "a");
});

test("a decision counts for the very spec that its hash names, and for no other", () => {
  const held = workload({ app: "b", running: "a", decision: decision("b", "Approved") });
  const asked = rules({});
  standingOf(held, asked, now);
  const about = (name: string) => asked.asked.find(({ app }) => app.image === name)?.decision;
  assert.equal(about("b")?.verdict, "Approved");
  assert.equal(about("a"), undefined);
});

test("an approval that has ended stops what runs by it, whatever the policy says of violations", () => {
  const ended = workload({ app: "a", running: "a", decision: decision("a", "Approved", now) });
  const asked = rules({ a: "hold" }, "Keep");
  const standing = standingOf(ended, asked, now);
  assert.deepEqual([standing.isStopped, standing.admitted?.image], [true, "a"]);
  assert.equal(asked.asked[0]?.running, undefined, "it is judged as if it were asked for anew");
  const { phase, message = "" } = admissionWord(standing) ?? {};
  assert.equal(phase, "Held");
  assert.match(message, /What ran is stopped\.$/);
  // The rules ask for no approval any more, so its end ends nothing.
  assert.equal(standingOf(ended, rules({}), now).isStopped, false);
  const later = workload({ app: "a", running: "a", decision: decision("a", "Approved", now + 1) });
  assert.equal(standingOf(later, rules({}), now).isStopped, false);
});

test("what runs on although it no longer conforms is looked at again when the approval ends by which it runs", () => {
  const until = now + 60_000;
  const running = workload({ app: "a", running: "a", decision: decision("a", "Approved", until) });
  const kept = standingOf(running, rules({ a: "deny" }, "Keep"), now);
  assert.deepEqual([kept.isStopped, kept.until], [false, until]);
  const edited = workload({ app: "b", running: "a", decision: decision("a", "Approved", until) });
  assert.equal(standingOf(edited, rules({ a: "deny", b: "deny" }, "Keep"), now).until, until);
  const ended = standingOf(running, rules({ a: "deny" }, "Keep"), until);
  assert.deepEqual([ended.isStopped, ended.until], [true, undefined]);
});

test("what a person denies is stopped, although it ran", () => {
  const denied = workload({ app: "a", running: "a", decision: decision("a", "Denied") });
  const standing = standingOf(denied, rules({ a: "deny" }, "Keep"), now);
  assert.equal(standing.isStopped, true);
  assert.equal(admissionWord(standing)?.reason, "Denied");
});

test("the decision about what runs is set aside when one about a change is written, with its end", () => {
  const until = now + 60_000;
  const running = workload({ app: "b", running: "a", decision: decision("a", "Approved", until) });
  const aside = asideFor(running, hashes.get("a"), hashes.get("b") ?? "");
  const kept: JsonObject = JSON.parse(aside ?? "{}");
  assert.deepEqual([kept.hash, kept.until], [hashes.get("a"), until]);
  const after = workload({ app: "b", running: "a", decision: decision("b", "Denied") }, kept);
  assert.equal(decisionAbout(after, hashes.get("a") ?? "")?.until, until);
  assert.equal(hasLapsed(decisionAbout(after, hashes.get("a") ?? ""), until), true);
  const denied = workload({ app: "b", running: "a", decision: { ...decision("a", "Denied"), message: "no" } });
  const no: JsonObject = JSON.parse(asideFor(denied, hashes.get("a"), hashes.get("b") ?? "") ?? "{}");
  const still = workload({ app: "b", running: "a", decision: decision("b", "Denied") }, no);
  assert.deepEqual(decisionAbout(still, hashes.get("a") ?? "")?.verdict, "Denied");
  assert.equal(decisionAbout(still, hashes.get("a") ?? "")?.message, "no");
  // What runs now needs no memory of what ran before it.
  const next: JsonObject = JSON.parse(asideFor(after, hashes.get("b"), hashes.get("c") ?? "") ?? "{}");
  assert.equal(next.hash, hashes.get("b"));
  assert.equal(asideFor(running, undefined, hashes.get("b") ?? ""), null);
});

test("an approval whose end cannot be read has ended, and half an annotation is none", () => {
  // Without its zone it would be another moment on each machine.
  for (const until of ["some day", "2026-06-01T00:00:00", "2026-06-01"]) {
    const strange = { ...decision("a", "Approved"), until };
    const odd = decisionAbout(workload({ app: "a", running: "a", decision: strange }), hashes.get("a") ?? "");
    assert.equal(hasLapsed(odd, now), true, until);
  }
  const hash = hashes.get("a") ?? "";
  for (const aside of [{ hash, verdict: "Approved", until: "x" }, { hash, until: 1 }, { verdict: "Denied" }, {}]) {
    assert.equal(decisionAbout(workload({ app: "b", running: "a" }, aside), hashes.get("a") ?? ""), undefined);
  }
});

test("the time of a verdict stays while the verdict and the wish stay, and moves with either", () => {
  const held = standingOf(workload({ app: "a" }), rules({ a: "hold" }), now);
  const first = admissionOf(held, { admission: undefined, isSameWish: true }, now);
  assert.equal(first.decidedAt, "2026-01-01T00:00:00Z");
  const again = admissionOf(held, { admission: first, isSameWish: true }, now + 5_000);
  assert.equal(again.decidedAt, first.decidedAt);
  const edited = admissionOf(held, { admission: first, isSameWish: false }, now + 5_000);
  assert.equal(edited.decidedAt, "2026-01-01T00:00:05Z");
  const admitted = standingOf(workload({ app: "a" }), rules({}), now);
  assert.equal(
    admissionOf(admitted, { admission: first, isSameWish: true }, now + 5_000).decidedAt,
    "2026-01-01T00:00:05Z",
  );
});

function demand(pods: number): Taken {
  return { ...noDemand, total: new Map([["pods", wholeQuantity(pods)]]) };
}

test("a place that is reserved and one that is taken count together as the larger, until the reservation ends", () => {
  let freed = 0;
  const places = createPlaces(() => {
    freed += 1;
  });
  const owner = { fingerprint: "f", key: "k" };
  const pods = (): bigint => (places.ledger.of("f", "").amounts.get("pods") ?? 0n) / wholeQuantity(1);
  places.take(owner, demand(2));
  places.reserve(owner, demand(5));
  assert.equal(pods(), 5n);
  places.take(owner, demand(2)); // News of the older state, while the newer one is being written.
  assert.deepEqual([pods(), freed], [5n, 0]);
  places.take(owner, demand(5));
  places.release(owner);
  assert.deepEqual([pods(), freed], [5n, 0]);
  places.take(owner, demand(1));
  assert.deepEqual([pods(), freed], [1n, 1]);
  places.take(owner, noDemand);
  assert.equal(places.ledger.of("f", "").apps, 1, "an app that runs nothing is one all the same");
  places.take(owner, undefined);
  assert.deepEqual([places.ledger.of("f", "").apps, pods(), freed], [0, 0n, 3]);
});

test("whatever is taken, reserved and released in whatever order, the ledger holds the larger of what is left", () => {
  const step = fc.record({
    key: fc.constantFrom("a", "b", "c"),
    act: fc.constantFrom("take", "reserve", "release", "drop"),
    pods: fc.nat({ max: 9 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const places = createPlaces(() => undefined);
      const taken = new Map<string, number>();
      const reserved = new Map<string, number>();
      for (const { key, act, pods } of steps) {
        const owner = { fingerprint: "f", key };
        if (act === "take") places.take(owner, demand(taken.set(key, pods).get(key) ?? 0));
        else if (act === "reserve") places.reserve(owner, demand(reserved.set(key, pods).get(key) ?? 0));
        else if (act === "release") {
          places.release(owner);
          reserved.delete(key);
        } else {
          places.take(owner, undefined);
          taken.delete(key);
        }
        const keys = new Set([...taken.keys(), ...reserved.keys()]);
        const sum = [...keys].reduce((all, one) => all + Math.max(taken.get(one) ?? 0, reserved.get(one) ?? 0), 0);
        const { apps, amounts } = places.ledger.of("f", "");
        assert.equal(apps, keys.size);
        assert.equal((amounts.get("pods") ?? 0n) / wholeQuantity(1), BigInt(sum));
      }
    }),
    { numRuns: 300 },
  );
});

test("a queue is full for one peer alone, has room for who waits already, and tells when there is room", () => {
  let told = 0;
  const queue = createQueue(() => {
    told += 1;
  });
  const owner = (index: number, fingerprint = "f") => ({ fingerprint, key: `k-${index}` });
  for (let index = 0; index < mostWaiting; index += 1) queue.set(owner(index), true);
  assert.deepEqual(
    [queue.hasRoom(owner(0)), queue.hasRoom(owner(mostWaiting)), queue.hasRoom(owner(0, "g"))],
    [true, false, true],
  );
  queue.set(owner(5), false);
  assert.deepEqual([told, queue.hasRoom(owner(mostWaiting))], [1, true]);
});
