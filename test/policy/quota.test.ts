import assert from "node:assert/strict";
import { test } from "node:test";
import { appOf, ask, others, policyOf, sized, summary } from "./given.ts";

test("aggregate quotas count each replica", () => {
  const policy = policyOf({ workloads: { quota: { "limits.memory": "10Gi", pods: 100 } } });
  assert.equal(summary(ask(sized({ memory: "1Gi" }, {}, 10), { policy })), "admit");
  assert.equal(summary(ask(sized({ memory: "1Gi" }, {}, 11), { policy })), "deny quota/limits.memory");
});

test("500M is no half a byte: the quota binds", () => {
  const policy = policyOf({ workloads: { quota: { "limits.memory": "1Gi" } } });
  assert.equal(summary(ask(sized({ memory: "500M" }, {}, 2), { policy })), "admit");
  assert.equal(summary(ask(sized({ memory: "500M" }, {}, 3), { policy })), "deny quota/limits.memory");
});

test("what a quota counts must be said, as the cluster's own quota demands", () => {
  for (const name of ["limits.memory", "requests.cpu", "limits.ephemeral-storage"]) {
    for (const kind of ["quota", "total"]) {
      const policy = policyOf({ workloads: { [kind]: { [name]: "4Gi" } } });
      const verdict = ask(appOf(), { policy });
      assert.equal(summary(verdict), `deny ${kind}/${name}`);
      assert.match(verdict.findings[0]?.message ?? "", /says nothing of .*, which is counted here/);
    }
  }
  const defaulted = policyOf({ workloads: { quota: { "limits.memory": "4Gi" }, pod: { max: { memory: "1Gi" } } } });
  assert.equal(summary(ask(appOf(), { policy: defaulted })), "admit", "a default says it for the app");
});

test("how much other peers use is told to nobody", () => {
  const policy = policyOf({ workloads: { total: { pods: 10 } } });
  const verdict = ask(appOf({ replicas: 4 }), { policy, totalUsage: others(3, { pods: 7 }) });
  assert.equal(summary(verdict), "deny total/pods");
  assert.doesNotMatch(JSON.stringify(verdict), /7|"3"/);
});

test("an app can always ask for less, also when the policy has become smaller than what runs", () => {
  const policy = policyOf({
    workloads: { quota: { pods: 4, "limits.memory": "4Gi" }, total: { pods: 4 }, maxApps: 1 },
  });
  const running = sized({ memory: "1Gi" }, {}, 8);
  const around = {
    policy,
    running,
    usage: others(2, { pods: 3, "limits.memory": "3Gi" }),
    totalUsage: others(9, { pods: 30 }),
  };
  assert.equal(summary(ask(sized({ memory: "1Gi" }, {}, 7), around)), "admit");
  assert.equal(summary(ask(sized({ memory: "1Gi" }, {}, 0), around)), "admit");
  const other = appOf({ replicas: 8, resources: { limits: { memory: "1Gi" } }, env: [{ name: "A", value: "1" }] });
  assert.equal(summary(ask(other, around)), "admit", "no more than now is no more");
  assert.equal(summary(ask(sized({ memory: "1Gi" }, {}, 9), around)), "deny quota/limits.memory quota/pods total/pods");
  assert.equal(
    summary(ask(sized({ memory: "1200Mi" }, {}, 7), around)),
    "deny quota/limits.memory",
    "fewer pods with more memory each are judged by what grows",
  );
  assert.equal(
    summary(ask(running, around)),
    "deny apps/max quota/limits.memory quota/pods total/pods",
    "as it is it conforms no more",
  );
});

test("an app that says too little for a quota of today can still be made smaller, and not larger", () => {
  const policy = policyOf({ workloads: { quota: { "limits.memory": "4Gi" } } });
  const running = appOf({ replicas: 4 });
  assert.equal(summary(ask(appOf({ replicas: 3 }), { policy, running })), "admit");
  assert.equal(summary(ask(appOf({ replicas: 5 }), { policy, running })), "deny quota/limits.memory");
  const said = sized({ memory: "1Gi" }, {}, 4);
  assert.equal(
    summary(ask(appOf({ replicas: 4 }), { policy, running: said })),
    "deny quota/limits.memory",
    "nor vaguer",
  );
});
