import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../../src/kube/object.ts";
import { type AdmissionContext, admit, type Verdict } from "../../src/policy/admission.ts";
import { type Demand, demandOf } from "../../src/policy/demand.ts";
import { effectivePolicy } from "../../src/policy/effective.ts";
import { parseQuantity } from "../../src/policy/quantity.ts";
import { hashSpec } from "../../src/policy/spec-hash.ts";
import type { Usage } from "../../src/policy/usage.ts";
import { appOf, ask, policyNamed, policyOf } from "./given.ts";

const hex = "0123456789abcdef".repeat(4);

/** What other apps ask for. */
function others(apps: number, amounts: Record<string, string | number> = {}): Usage {
  const entries = Object.entries(amounts);
  return { apps, amounts: new Map(entries.map(([name, value]) => [name, parseQuantity(value) ?? 0n])) };
}

/** Decision and rules in one text, such as "deny quota/pods pod/max". */
function summary({ decision, findings }: Verdict): string {
  return [decision, ...findings.map(({ rule }) => rule)].join(" ");
}

function sized(limits: JsonObject, requests: JsonObject = {}, replicas = 1) {
  return appOf({ replicas, resources: { limits, requests } });
}

test("a peer without the grant runs nothing, and hears which rule spoke and who can change it", () => {
  const { decision, findings } = ask(appOf(), { grants: ["tunnels"] });
  assert.equal(decision, "deny");
  assert.deepEqual(findings, [
    {
      rule: "grants/apps",
      field: "",
      message:
        'peer tokyo has no grant "apps" here; the operator of this cluster can give it: fairlead peer grant tokyo apps',
    },
  ]);
});

test("a peer with the grant and a policy that accepts is admitted, and no rule has anything to say", () => {
  assert.deepEqual(ask(appOf()), { decision: "admit", findings: [] });
});

test("without a policy that accepts nothing runs, and the answer says who can change that", () => {
  const tokyo = { name: "tokyo", labels: {} };
  const verdict = (policies: Parameters<typeof effectivePolicy>[0]) =>
    ask(appOf(), { policy: effectivePolicy(policies, tokyo) });
  const none = verdict([]);
  assert.equal(summary(none), "deny policy/accept");
  assert.match(
    none.findings[0]?.message ?? "",
    /no PeerPolicy here is about peer tokyo.*the operator of this cluster can/,
  );
  const silent = verdict([policyNamed("quiet", { workloads: { maxApps: 3 } })]);
  assert.match(silent.findings[0]?.message ?? "", /no PeerPolicy here says workloads.accept: true.*quiet/);
  const closed = verdict([policyNamed("shut", { workloads: { accept: false } })]);
  assert.match(closed.findings[0]?.message ?? "", /PeerPolicy shut says that nothing of peer tokyo runs/);
  const broken = verdict([policyNamed("odd", { workloads: { accept: true, fancy: 1 } })]);
  assert.equal(summary(broken), "deny policy/accept");
  assert.match(broken.findings[0]?.message ?? "", /PeerPolicy odd cannot be understood: spec\.workloads\.fancy/);
});

test("each rule speaks when it is broken, with its field, what is asked and what is allowed, and not before", () => {
  const memory = (limit: string) => sized({ memory: limit });
  const table: {
    says: string;
    policy: JsonObject;
    fine: ReturnType<typeof appOf>;
    wrong: ReturnType<typeof appOf>;
    field: string;
    asked?: string;
    allowed?: string;
    given?: Partial<AdmissionContext>;
  }[] = [
    {
      says: "images/denied",
      policy: { deniedImages: ["evil/**"], images: ["**"] },
      fine: appOf({ image: "good/evil" }),
      wrong: appOf({ image: "docker.io/evil/web:1" }),
      field: "image",
      asked: "docker.io/evil/web:1",
    },
    {
      says: "images/not-allowed",
      policy: { images: ["nginx", "shop/*"] },
      fine: appOf({ image: "index.docker.io/library/nginx" }),
      wrong: appOf({ image: "nginx-evil" }),
      field: "image",
      asked: "docker.io/library/nginx-evil:latest",
      allowed: "nginx, shop/*",
    },
    {
      says: "images/digest",
      policy: { requireDigest: true },
      fine: appOf({ image: `nginx:1@sha256:${hex}` }),
      wrong: appOf({ image: "nginx:1" }),
      field: "image",
      asked: "docker.io/library/nginx:1",
      allowed: "docker.io/library/nginx@sha256:…",
    },
    {
      says: "images/invalid",
      policy: {},
      fine: appOf({ image: "nginx" }),
      wrong: appOf({ image: "NGINX" }),
      field: "image",
      asked: "NGINX",
    },
    {
      says: "requests/required",
      policy: { pod: { requireRequests: ["cpu"], defaultRequests: { cpu: "100m" } } },
      fine: sized({}, { cpu: "1m" }),
      wrong: sized({ memory: "1Gi" }),
      field: "resources.requests[cpu]",
    },
    {
      says: "limits/required",
      policy: { pod: { requireLimits: ["memory"], defaultLimits: { memory: "1Gi" } } },
      fine: memory("1Gi"),
      wrong: sized({}, { memory: "1Gi" }),
      field: "resources.limits[memory]",
    },
    {
      says: "limits/default",
      policy: { pod: { defaultLimits: { cpu: 1 } } },
      fine: sized({}, { cpu: 1 }),
      wrong: sized({}, { cpu: "1500m" }),
      field: "resources.requests[cpu]",
      asked: "1500m",
      allowed: "1",
    },
    {
      says: "resources/not-allowed",
      policy: { quota: { "requests.example.org/fpga": 1 } },
      fine: sized({ cpu: 1, memory: 1, "ephemeral-storage": 1, "example.org/fpga": 1 }),
      wrong: sized({ "nvidia.com/gpu": 1 }),
      field: "resources.limits[nvidia.com/gpu]",
    },
    {
      says: "pod/max",
      policy: { pod: { max: { memory: "1Gi" } } },
      fine: memory("1024Mi"),
      wrong: memory("1025Mi"),
      field: "resources.limits[memory]",
      asked: "1025Mi",
      allowed: "1Gi",
    },
    {
      says: "replicas/max",
      policy: { maxReplicas: 3 },
      fine: appOf({ replicas: 3 }),
      wrong: appOf({ replicas: 4 }),
      field: "replicas",
      asked: "4",
      allowed: "3",
    },
    {
      says: "quota/pods",
      policy: { quota: { pods: 5 } },
      fine: appOf({ replicas: 3 }),
      wrong: appOf({ replicas: 4 }),
      field: "replicas",
      asked: "4",
      allowed: "3",
      given: { usage: others(1, { pods: 2 }) },
    },
    {
      says: "quota/requests.cpu",
      policy: { quota: { cpu: 2 } },
      fine: sized({ cpu: "500m" }, {}, 3),
      wrong: sized({ cpu: "501m" }, {}, 3),
      field: "resources.requests[cpu]",
      asked: "1503m",
      allowed: "1500m",
      given: { usage: others(1, { "requests.cpu": "500m" }) },
    },
    {
      says: "total/limits.memory",
      policy: { total: { "limits.memory": "4Gi" } },
      fine: sized({ memory: "1Gi" }, {}, 2),
      wrong: sized({ memory: "1Gi" }, {}, 3),
      field: "resources.limits[memory]",
      asked: "3Gi",
      allowed: "4Gi",
      given: { totalUsage: others(9, { "limits.memory": "2Gi" }) },
    },
    {
      says: "quota/requests.nvidia.com/gpu",
      policy: { quota: { "requests.nvidia.com/gpu": 1 } },
      fine: sized({ "nvidia.com/gpu": 1 }),
      wrong: sized({ "nvidia.com/gpu": 1 }, {}, 2),
      field: "resources.requests[nvidia.com/gpu]",
      asked: "2",
      allowed: "1",
    },
  ];
  for (const { says, policy, fine, wrong, field, asked, allowed, given } of table) {
    const context = { ...given, policy: policyOf({ workloads: policy }) };
    assert.deepEqual(ask(fine, context), { decision: "admit", findings: [] }, says);
    const verdict = ask(wrong, context);
    assert.equal(summary(verdict), `deny ${says}`);
    const [finding] = verdict.findings;
    assert.equal(finding?.field, field, says);
    assert.equal(finding?.asked, asked, says);
    assert.equal(finding?.allowed, allowed, says);
    assert.ok((finding?.message.length ?? 0) > 20 && !finding?.message.endsWith("."), finding?.message);
  }
});

test("a peer may have so many apps at a time, and one that is scaled to 0 counts", () => {
  const policy = policyOf({ workloads: { maxApps: 2 } });
  assert.equal(summary(ask(appOf(), { policy, usage: others(1) })), "admit");
  assert.equal(summary(ask(appOf({ replicas: 0 }), { policy, usage: others(2) })), "deny apps/max");
  const none = policyOf({ workloads: { maxApps: 0 } });
  assert.equal(summary(ask(appOf(), { policy: none })), "deny apps/max");
});

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

test("all that is wrong is named at once, and a denial beats a hold", () => {
  const policy = policyOf({
    workloads: {
      images: ["shop/*"],
      requireDigest: true,
      maxReplicas: 1,
      quota: { pods: 1 },
      total: { pods: 1 },
      approval: "Always",
      pod: { max: { cpu: 1 }, requireRequests: ["memory"] },
    },
  });
  const verdict = ask(sized({ cpu: 2 }, {}, 2), { policy, grants: [] });
  assert.equal(
    summary(verdict),
    "deny grants/apps images/not-allowed images/digest requests/required pod/max replicas/max quota/pods total/pods approval/always",
  );
});

test("an answer is bounded, whatever is asked", () => {
  const quota = Object.fromEntries(Array.from({ length: 32 }, (_, index) => [`requests.example.org/d${index}`, 0]));
  const limits = Object.fromEntries(Array.from({ length: 32 }, (_, index) => [`example.org/d${index}`, 1]));
  const policy = policyOf({ workloads: { quota, total: quota, images: ["shop/*"], maxReplicas: 0 } });
  const verdict = ask(sized(limits), { policy });
  assert.equal(verdict.decision, "deny");
  assert.equal(verdict.findings.length, 64);
});

test("what a peer writes makes no answer long", () => {
  const name = `example.org/${"x".repeat(100_000)}`;
  const image = "😀".repeat(500);
  const { findings } = ask(appOf({ image, resources: { limits: { [name]: 1 } } }));
  assert.deepEqual(
    findings.map(({ rule }) => rule),
    ["images/invalid", "resources/not-allowed"],
  );
  for (const finding of findings) {
    for (const text of Object.values(finding)) assert.ok(text.length <= 1_024 && text.isWellFormed());
  }
});

test("how much other peers use is told to nobody", () => {
  const policy = policyOf({ workloads: { total: { pods: 10 } } });
  const verdict = ask(appOf({ replicas: 4 }), { policy, totalUsage: others(3, { pods: 7 }) });
  assert.equal(summary(verdict), "deny total/pods");
  assert.doesNotMatch(JSON.stringify(verdict), /7|"3"/);
});

test("storage is claimed only of the classes that are named, and only so much", () => {
  const base = demandOf(appOf(), policyOf());
  const gibi = 2n ** 30n * 10n ** 9n;
  const claiming = (...claims: Demand["claims"]) => ({ ...base, claims });
  const judge = (demand: Demand, storage: JsonObject) => {
    const app = appOf();
    const policy = policyOf({ workloads: { storage } });
    return admit(
      { app, demand },
      {
        peer: "tokyo",
        grants: ["apps"],
        policy,
        usage: others(0),
        totalUsage: others(0),
        knownImages: new Set<string>(),
        hash: hashSpec(app),
        now: 0,
      },
    );
  };
  const storage = { classes: ["standard"], maxSize: "5Gi" };
  assert.equal(summary(judge(claiming({ class: "standard", size: 5n * gibi }), storage)), "admit");
  assert.equal(summary(judge(claiming({ class: "fast", size: gibi }), storage)), "deny storage/class");
  assert.equal(
    summary(judge(claiming({ size: gibi }), storage)),
    "deny storage/class",
    "the default class is not named",
  );
  assert.equal(summary(judge(claiming({ class: "standard", size: 6n * gibi }), storage)), "deny storage/size");
  assert.equal(
    summary(judge(claiming({ class: "standard", size: 1n }), {})),
    "deny storage/class",
    "nothing unless said",
  );
});

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
  const above = policyOf({ workloads: { approvalAbove: { pods: 3, "limits.memory": "2Gi" } } });
  const small = sized({ memory: "1Gi" }, {}, 2);
  assert.equal(summary(ask(small, { policy: above })), "admit");
  const large = ask(sized({ memory: "1Gi" }, {}, 4), { policy: above });
  assert.equal(summary(large), "hold approval/above/limits.memory approval/above/pods");
  assert.deepEqual([large.findings[1]?.asked, large.findings[1]?.allowed], ["4", "3"]);
  const endless = ask(appOf(), { policy: above });
  assert.equal(summary(endless), "hold approval/above/limits.memory", "no limit is beyond each");
});

const now = Date.UTC(2026, 0, 1);
const always = policyOf({ workloads: { approval: "Always" } });

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
  assert.equal(summary(verdict), "deny inbox/denied approval/always");
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

test("the same question has the same answer", () => {
  const app = sized({ cpu: 2 });
  const policy = policyOf({ workloads: { pod: { max: { cpu: 1 } } } });
  assert.deepEqual(ask(app, { policy }), ask(app, { policy }));
});
