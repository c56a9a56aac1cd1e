import assert from "node:assert/strict";
import { test } from "node:test";
import { hashSpec } from "../../src/policy/spec-hash.ts";
import { appOf, ask, policyOf, sized, summary } from "./given.ts";

const now = Date.UTC(2026, 0, 1);
const always = policyOf({ workloads: { approval: "Always" } });

test("what a person must approve is held: always, when the image is new, and beyond a threshold", () => {
  const always = policyOf({ workloads: { approval: "Always" } });
  assert.equal(summary(ask(appOf(), { policy: always })), "hold approval/always");
  const fresh = policyOf({ workloads: { approval: "NewImage" } });
  const knownImages = new Set(["docker.io/library/web:1"]);
  assert.equal(summary(ask(appOf(), { policy: fresh })), "hold approval/new-image");
  assert.equal(summary(ask(appOf(), { policy: fresh, knownImages })), "admit");
  assert.equal(summary(ask(appOf({ image: "docker.io/web:1" }), { policy: fresh, knownImages })), "admit");
  assert.equal(summary(ask(appOf({ image: "web:2" }), { policy: fresh, knownImages })), "hold approval/new-image");
  const scaled = ask(appOf({ replicas: 5 }), { policy: fresh, running: appOf() });
  assert.equal(summary(scaled), "admit", "its own image is not new");
  const bounded = ask(appOf({ replicas: 5 }), { policy: fresh, running: appOf(), isRunningBounded: true });
  assert.equal(summary(bounded), "hold approval/new-image", "unless it runs by an approval that ends");
  const above = policyOf({ workloads: { approvalAbove: { pods: 3, "limits.memory": "2Gi" } } });
  const small = sized({ memory: "1Gi" }, {}, 2);
  assert.equal(summary(ask(small, { policy: above })), "admit");
  const large = ask(sized({ memory: "1Gi" }, {}, 4), { policy: above });
  assert.equal(summary(large), "hold approval/above/limits.memory approval/above/pods");
  assert.deepEqual([large.findings[1]?.asked, large.findings[1]?.allowed], ["4", "3"]);
  const endless = ask(appOf(), { policy: above });
  assert.equal(summary(endless), "hold approval/above/limits.memory", "no limit is beyond each");
});

test("an approval lets run what the person saw, and nothing else, as long as it lasts", () => {
  const app = appOf();
  const decision = { hash: hashSpec(app), verdict: "Approved", message: "go ahead" } as const;
  assert.deepEqual(ask(app, { policy: always, decision }), { decision: "admit", findings: [], message: "go ahead" });
  const until = now + 1_000;
  const bounded = ask(app, { policy: always, decision: { ...decision, until } });
  assert.deepEqual(bounded, { decision: "admit", findings: [], message: "go ahead", until });
  assert.equal(
    summary(ask(app, { policy: always, decision: { ...decision, until }, now: until })),
    "hold approval/always",
  );
  const edited = appOf({ replicas: 2 });
  assert.equal(
    summary(ask(edited, { policy: always, decision })),
    "hold approval/always",
    "edited while held: held anew",
  );
  const tight = policyOf({ workloads: { approval: "Always", maxReplicas: 0 } });
  assert.equal(summary(ask(app, { policy: tight, decision })), "deny replicas/max", "no person lifts a bound");
});

test("an approval that was not needed has no end that matters", () => {
  const app = appOf();
  const decision = { hash: hashSpec(app), verdict: "Approved", until: now + 1 } as const;
  assert.deepEqual(ask(app, { decision }), { decision: "admit", findings: [] });
});

test("a person's denial stands for what they saw, with their reason", () => {
  const app = appOf();
  const decision = { hash: hashSpec(app), verdict: "Denied", message: "too old an image" } as const;
  const verdict = ask(app, { policy: always, decision });
  assert.equal(summary(verdict), "deny inbox/denied", "a person was asked, and has answered");
  assert.equal(verdict.message, "too old an image");
  assert.match(verdict.findings[0]?.message ?? "", /too old an image/);
  assert.equal(summary(ask(appOf({ image: "web:2" }), { policy: always, decision })), "hold approval/always");
});

test("what runs already is not held again, but is judged by every bound", () => {
  const app = appOf({ replicas: 3 });
  for (const approval of ["Always", "NewImage"]) {
    const policy = policyOf({ workloads: { approval, approvalAbove: { pods: 1 } } });
    assert.equal(summary(ask(app, { policy, running: app })), "admit", approval);
  }
  const tight = policyOf({ workloads: { quota: { pods: 2 }, maxApps: 0, images: ["shop/*"] } });
  assert.equal(summary(ask(app, { policy: tight, running: app })), "deny images/not-allowed apps/max quota/pods");
});

test("what runs by an approval is held anew when the approval ends", () => {
  const app = appOf();
  for (const approval of ["Always", "NewImage"]) {
    const policy = policyOf({ workloads: { approval } });
    const decision = { hash: hashSpec(app), verdict: "Approved", until: now } as const;
    assert.equal(ask(app, { policy, running: app, decision }).decision, "hold", approval);
    const lasting = { ...decision, until: now + 5 };
    assert.deepEqual(
      ask(app, { policy, running: app, decision: lasting }),
      { decision: "admit", findings: [], until: now + 5 },
      "and while it lasts its end is known",
    );
  }
});
