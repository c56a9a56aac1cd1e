import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { RemoteAppSpec } from "../../src/gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { admit, type Verdict } from "../../src/policy/admission.ts";
import { demandOf } from "../../src/policy/demand.ts";
import type { EffectivePolicy } from "../../src/policy/effective.ts";
import { hashSpec } from "../../src/policy/spec-hash.ts";
import { UsageLedger } from "../../src/policy/usage.ts";
import { ask, policyOf, sized } from "./given.ts";

const peers = ["tokyo", "paris"];

const policies = fc
  .record(
    {
      quota: fc.record({ pods: fc.nat(12), "limits.memory": fc.nat(12), cpu: fc.nat(12) }, { requiredKeys: [] }),
      total: fc.record({ pods: fc.nat(16), "requests.memory": fc.nat(16) }, { requiredKeys: [] }),
      maxApps: fc.nat(3),
      maxReplicas: fc.nat(6),
      pod: fc.record({ max: fc.record({ cpu: fc.nat(4), memory: fc.nat(4) }, { requiredKeys: [] }) }),
    },
    { requiredKeys: [] },
  )
  .map((workloads) => policyOf({ workloads: JSON.parse(JSON.stringify(workloads)) }));

const amounts = fc.record({ cpu: fc.nat(5), memory: fc.nat(5) }, { requiredKeys: [] });
const apps = fc
  .record({ limits: amounts, replicas: fc.nat(7) })
  .map(({ limits, replicas }) => sized({ ...limits }, {}, replicas));

/** A host that does what hosts do: what is admitted runs and is in the ledger, what is not leaves what ran. */
function createHost() {
  const ledger = new UsageLedger();
  const running = new Map<string, RemoteAppSpec>();
  return {
    ledger,
    running,
    /** What runs is counted anew when the policy changes, for its defaults may have changed too. */
    review(policy: EffectivePolicy): void {
      for (const [name, app] of running) {
        const [fingerprint = "", key = ""] = name.split("/");
        ledger.set({ fingerprint, key }, demandOf(app, policy));
      }
    },
    wish(peer: string, key: string, app: RemoteAppSpec | undefined, policy: EffectivePolicy): Verdict | undefined {
      const owner = { fingerprint: peer, key };
      const name = `${peer}/${key}`;
      if (!app) {
        ledger.set(owner, undefined);
        running.delete(name);
        return undefined;
      }
      const demand = demandOf(app, policy);
      const verdict = admit(
        { app, demand },
        {
          peer,
          grants: ["apps"],
          policy,
          usage: ledger.of(peer, key),
          totalUsage: ledger.total(owner),
          knownImages: ledger.images(peer, key),
          hasImageDoor: true,
          running: runningAs(running.get(name)),
          hash: hashSpec(app),
          now: 0,
        },
      );
      if (verdict.decision !== "admit") return verdict;
      ledger.set(owner, demand);
      running.set(name, app);
      return verdict;
    },
  };
}

function runningAs(app: RemoteAppSpec | undefined) {
  return app && { app, hash: hashSpec(app) };
}

const wishes = fc.array(
  fc.record({
    peer: fc.constantFrom(...peers),
    key: fc.constantFrom("a", "b", "c", "d"),
    app: fc.option(apps, { nil: undefined }),
  }),
  { maxLength: 40 },
);

test("whatever is asked for, in whatever order, what is admitted never passes a bound", () => {
  fc.assert(
    fc.property(policies, wishes, (policy, list) => {
      const host = createHost();
      for (const { peer, key, app } of list) host.wish(peer, key, app, policy);
      for (const peer of peers) {
        const { apps, amounts } = host.ledger.of(peer, "none");
        assert.ok(apps <= (policy.maxApps ?? apps));
        for (const [name, most] of policy.quota) assert.ok((amounts.get(name) ?? 0n) <= most, `${name} of ${peer}`);
      }
      const { amounts } = host.ledger.total({ fingerprint: "none", key: "none" });
      for (const [name, most] of policy.total) assert.ok((amounts.get(name) ?? 0n) <= most, `${name} of all`);
      for (const app of host.running.values()) {
        const { pod, pods } = demandOf(app, policy);
        assert.ok(pods <= (policy.maxReplicas ?? pods));
        for (const [name, most] of policy.pod.max)
          assert.ok((pod.limits.get(name) ?? most + 1n) <= most, `${name} of a pod`);
      }
    }),
    { numRuns: 300 },
  );
});

test("after a policy was tightened nothing that is admitted takes more of what is too much", () => {
  fc.assert(
    fc.property(policies, policies, wishes, wishes, (before, after, first, then) => {
      const host = createHost();
      for (const { peer, key, app } of first) host.wish(peer, key, app, before);
      host.review(after);
      for (const { peer, key, app } of then) {
        const was = host.ledger.of(peer, "none").amounts;
        host.wish(peer, key, app, after);
        const is = host.ledger.of(peer, "none").amounts;
        for (const [name, most] of after.quota) {
          const [amount, earlier] = [is.get(name) ?? 0n, was.get(name) ?? 0n];
          assert.ok(amount <= most || amount <= earlier, `${name} of ${peer} rose above its bound`);
        }
      }
    }),
    { numRuns: 300 },
  );
});

test("of an app that may run, fewer replicas may run too", () => {
  fc.assert(
    fc.property(policies, amounts, fc.nat(7), fc.nat(7), (policy, limits, more, fewer) => {
      if (ask(sized({ ...limits }, {}, Math.max(more, fewer)), { policy }).decision !== "admit") return;
      assert.equal(ask(sized({ ...limits }, {}, Math.min(more, fewer)), { policy }).decision, "admit");
    }),
  );
});

test("an answer names rules exactly when it does not admit", () => {
  fc.assert(
    fc.property(policies, apps, fc.option(apps, { nil: undefined }), (policy, app, running) => {
      const { decision, findings } = ask(app, { policy, running });
      assert.equal(decision === "admit", findings.length === 0);
      for (const { rule, message } of findings)
        assert.ok(/^[a-z]+(\/[a-z.-]+)+$/.test(rule) && message.length > 0, rule);
    }),
  );
});
