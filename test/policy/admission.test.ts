import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../../src/kube/object.ts";
import { effectivePolicy } from "../../src/policy/effective.ts";
import { appOf, ask, type Given, others, policyNamed, policyOf, sized, summary } from "./given.ts";

const hex = "0123456789abcdef".repeat(4);

test("a peer without the grant runs nothing, and hears which rule spoke and who can change it", () => {
  const { decision, findings } = ask(appOf(), { grants: ["tunnels"] });
  assert.equal(decision, "deny");
  assert.deepEqual(findings, [
    {
      rule: "grants/apps",
      field: "",
      message:
        'peer tokyo has no grant "apps" here; the operator of this cluster can give it: fairlead peer grant tokyo apps --add',
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
    given?: Given;
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
      says: "limits/below-request",
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

test("a container that asks for more than its own limit is refused as the cluster would", () => {
  const verdict = ask(sized({ cpu: 1 }, { cpu: 2 }));
  assert.equal(summary(verdict), "deny limits/below-request");
  assert.match(verdict.findings[0]?.message ?? "", /more than its limit of 1/);
});

test("a peer may have so many apps at a time, and one that is scaled to 0 counts", () => {
  const policy = policyOf({ workloads: { maxApps: 2 } });
  assert.equal(summary(ask(appOf(), { policy, usage: others(1) })), "admit");
  assert.equal(summary(ask(appOf({ replicas: 0 }), { policy, usage: others(2) })), "deny apps/max");
  const none = policyOf({ workloads: { maxApps: 0 } });
  assert.equal(summary(ask(appOf(), { policy: none })), "deny apps/max");
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

test("storage is claimed only of the classes that are named, and only so much", () => {
  const judge = (spec: JsonObject, storage: JsonObject = { classes: ["standard"], maxSize: "5Gi" }) =>
    summary(ask(appOf({ claims: [{ name: "data", spec }] }), { policy: policyOf({ workloads: { storage } }) }));
  const sized = (storage: string, more: JsonObject = {}) => ({ resources: { requests: { storage } }, ...more });
  const standard = { storageClassName: "standard" };
  assert.equal(judge(sized("5Gi", standard)), "admit");
  assert.equal(judge(sized("1Gi", { storageClassName: "fast" })), "deny storage/class");
  assert.equal(judge(sized("1Gi")), "deny storage/class", "the default class is not named");
  assert.equal(judge(sized("6Gi", standard)), "deny storage/size");
  assert.equal(judge(sized("1", standard), {}), "deny storage/class", "nothing unless said");
  for (const without of [standard, sized("much", standard), sized("-1Gi", standard), sized("0", standard)])
    assert.equal(judge(without), "deny storage/size", "a claim without a size has none that is bounded");
});

test("the same question has the same answer", () => {
  const app = sized({ cpu: 2 });
  const policy = policyOf({ workloads: { pod: { max: { cpu: 1 } } } });
  assert.deepEqual(ask(app, { policy }), ask(app, { policy }));
});
