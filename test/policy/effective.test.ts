import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { JsonObject } from "../../src/kube/object.ts";
import { type EffectivePolicy, effectivePolicy, type PolicyPeer } from "../../src/policy/effective.ts";
import { policyNamed } from "./given.ts";

const tokyo: PolicyPeer = { name: "tokyo", labels: { region: "asia", tier: "gold" } };

const everyone = (name: string, workloads: JsonObject, second = 0) => policyNamed(name, { workloads }, second);
const labelled = (name: string, matchLabels: JsonObject, workloads: JsonObject, second = 0) =>
  policyNamed(name, { peers: { matchLabels }, workloads }, second);
const named = (name: string, names: string[], workloads: JsonObject, second = 0) =>
  policyNamed(name, { peers: { names }, workloads }, second);

function explained(policy: EffectivePolicy, path: string) {
  const found = policy.values.filter((value) => value.path === path);
  assert.equal(found.length, 1, `${path} is explained once`);
  return found[0];
}

test("without a policy nothing runs, no Service and no API is reached, and logs are all that may be read", () => {
  const policy = effectivePolicy([], tokyo);
  assert.equal(policy.accept, false);
  const none = { services: [], addresses: [], routes: [], nodes: [], reverse: [], kubernetes: false, metrics: false };
  assert.deepEqual(policy.tunnels, { apps: true, approval: "Never", limits: { connections: 2_048 }, ...none });
  assert.deepEqual(policy.pods, { logs: true, exec: false, files: false });
  assert.deepEqual(policy.relay, { allow: false, maxCarriers: 4 });
  assert.deepEqual([policy.storage, policy.egress], [{ classes: [] }, []]);
  assert.equal(policy.podSecurity, "baseline");
  assert.equal(policy.whenViolated, "Keep");
  assert.deepEqual([policy.problems, policy.policies], [[], []]);
  assert.ok(policy.values.every(({ policy, overruled }) => policy === "" && overruled.length === 0));
});

test("the most specific wins: names before more labels before fewer labels before all", () => {
  const all = everyone("all", { maxReplicas: 1 });
  const one = labelled("one", { region: "asia" }, { maxReplicas: 2 });
  const two = labelled("two", { region: "asia", tier: "gold" }, { maxReplicas: 3 });
  const name = named("name", ["tokyo"], { maxReplicas: 4 });
  const policy = effectivePolicy([one, all, name, two], tokyo);
  assert.equal(policy.maxReplicas, 4);
  assert.deepEqual(policy.policies, ["name", "two", "one", "all"]);
  assert.deepEqual(explained(policy, "workloads.maxReplicas"), {
    path: "workloads.maxReplicas",
    value: "4",
    policy: "name",
    overruled: [
      { policy: "two", value: "3" },
      { policy: "one", value: "2" },
      { policy: "all", value: "1" },
    ],
  });
  assert.equal(effectivePolicy([one, all, two], tokyo).maxReplicas, 3);
  assert.equal(effectivePolicy([one, all], tokyo).maxReplicas, 2);
  assert.equal(effectivePolicy([all, name], { name: "lima", labels: {} }).maxReplicas, 1);
});

test("between equals the older wins, and between twins the first by name", () => {
  const young = everyone("a", { maxReplicas: 1 }, 9);
  const old = everyone("b", { maxReplicas: 2 }, 5);
  const twin = everyone("c", { maxReplicas: 3 }, 5);
  assert.deepEqual(effectivePolicy([young, twin, old], tokyo).policies, ["b", "c", "a"]);
});

test("each field counts by itself, and so does each key of a map; a list is one field", () => {
  const policy = effectivePolicy(
    [
      everyone("all", {
        accept: true,
        images: ["**"],
        quota: { pods: 10, "requests.cpu": "4" },
        nodeSelector: { pool: "shared", disk: "ssd" },
        pod: { max: { cpu: 2 }, requireLimits: ["cpu"] },
      }),
      named("one", ["tokyo"], {
        images: ["shop/*", "nginx"],
        quota: { cpu: 1, "limits.memory": "4Gi" },
        nodeSelector: { pool: "asia" },
        pod: { max: { memory: "1Gi" } },
      }),
    ],
    tokyo,
  );
  assert.equal(policy.accept, true);
  assert.deepEqual(
    policy.images.map(({ text }) => text),
    ["shop/*", "nginx"],
  );
  const unit = 10n ** 9n;
  assert.deepEqual(
    policy.quota,
    new Map([
      ["limits.memory", 2n ** 32n * unit],
      ["pods", 10n * unit],
      ["requests.cpu", unit],
    ]),
  );
  assert.deepEqual(policy.nodeSelector, { disk: "ssd", pool: "asia" });
  assert.deepEqual([...policy.pod.max.keys()], ["cpu", "memory"]);
  assert.deepEqual(policy.pod.requireLimits, ["cpu"]);
  assert.deepEqual(explained(policy, "workloads.quota[requests.cpu]"), {
    path: "workloads.quota[requests.cpu]",
    value: "1",
    policy: "one",
    overruled: [{ policy: "all", value: '"4"' }],
  });
  assert.deepEqual(explained(policy, "workloads.images"), {
    path: "workloads.images",
    value: '["shop/*","nginx"]',
    policy: "one",
    overruled: [{ policy: "all", value: '["**"]' }],
  });
  assert.deepEqual(explained(policy, "workloads.approval"), {
    path: "workloads.approval",
    value: '"Never"',
    policy: "",
    overruled: [],
  });
  assert.equal(explained(policy, "workloads.maxApps")?.value, "", "no bound");
});

test("every field of a policy can be said, counts, and is explained as it was written", () => {
  const until = "2030-01-31T12:00:00Z";
  const addresses = [
    { name: "erp", host: "erp.example.org", ports: [5432] },
    { name: "dns", host: "10.0.0.53", ports: [53], protocol: "UDP" },
  ];
  const limits = { connections: 9, connectionsPerSecond: 3, bytesPerSecond: "5M" };
  const egress = [{ cidr: "10.20.0.0/16", ports: [{ port: 80, endPort: 90, protocol: "UDP" }, { port: 443 }] }];
  const services = [{ namespace: "shop", name: "db", ports: [5432] }, { namespace: "open" }];
  const spec = {
    workloads: {
      approval: "NewImage",
      images: ["nginx:1.*"],
      quota: { pods: 1 },
      maxReplicas: 2,
      podSecurity: "restricted",
      accept: true,
      deniedImages: ["evil/**"],
      requireDigest: true,
      approvalAbove: { "limits.memory": "1Gi" },
      approvalLasts: "8h",
      maxApps: 3,
      total: { memory: "10Gi" },
      pod: {
        requireRequests: ["cpu"],
        requireLimits: ["memory"],
        max: { cpu: "2" },
        defaultRequests: { cpu: "100m" },
        defaultLimits: { cpu: 1 },
        labels: ["team.example.org/*"],
        annotations: ["prometheus.io/**"],
      },
      storage: { classes: ["standard"], maxSize: "5Gi" },
      nodeSelector: { pool: "guests" },
      network: { egress },
      whenViolated: "Stop",
      scheduling: {
        nodeLabels: ["example.org/pool"],
        tolerations: ["example.org/pool=guests"],
        topologyKeys: ["example.org/rack"],
      },
      pullThrough: true,
    },
    images: { registries: [{ registry: "Registry.Example.org:443", repositories: ["shop/*"], secret: "shop" }] },
    tunnels: {
      apps: false,
      services,
      kubernetes: true,
      approval: "FirstUse",
      approvalLasts: "30d",
      until,
      addresses,
      metrics: true,
      limits,
      routes: [{ namespaces: ["shop"], hosts: ["*.example.org"] }],
      nodes: [{ names: ["worker-*"], labels: { pool: "guests" } }],
      reverse: [{ name: "ledger" }],
    },
    pods: { logs: false, exec: true, files: true },
    relay: { allow: true, maxCarriers: 7, bytesPerSecond: "5M" },
    kubernetes: { groups: ["viewers"], allow: [{ verbs: ["get"], resources: ["pods"], namespaces: ["shop"] }] },
  };
  const policy = effectivePolicy([policyNamed("all", spec)], tokyo);
  assert.deepEqual(policy.problems, []);
  const { values, images, deniedImages, policies, problems, registries, ...rest } = policy;
  assert.deepEqual(
    registries.map(({ repositories, ...one }) => ({ ...one, repositories: repositories.map(({ text }) => text) })),
    [
      {
        registry: "registry.example.org",
        repositories: ["Registry.Example.org:443/shop/*"],
        secret: "shop",
        plainHttp: false,
      },
    ],
  );
  const unit = 10n ** 9n;
  const gibi = 2n ** 30n * unit;
  assert.deepEqual(rest, {
    accept: true,
    approval: "NewImage",
    approvalAbove: new Map([["limits.memory", gibi]]),
    approvalLastsMs: 28_800_000,
    requireDigest: true,
    quota: new Map([["pods", unit]]),
    total: new Map([["requests.memory", 10n * gibi]]),
    maxReplicas: 2,
    maxApps: 3,
    pod: {
      requireRequests: ["cpu"],
      requireLimits: ["memory"],
      max: new Map([["cpu", 2n * unit]]),
      defaultRequests: new Map([["cpu", unit / 10n]]),
      defaultLimits: new Map([["cpu", unit]]),
      labels: [{ text: "team.example.org/*", key: ["team.example.org/", "*"] }],
      annotations: [{ text: "prometheus.io/**", key: ["prometheus.io/", "**"] }],
    },
    storage: { classes: ["standard"], maxSize: 5n * gibi },
    podSecurity: "restricted",
    nodeSelector: { pool: "guests" },
    scheduling: {
      nodeLabels: [{ text: "example.org/pool", key: ["example.org/pool"] }],
      tolerations: [{ text: "example.org/pool=guests", key: ["example.org/pool"], value: "guests" }],
      topologyKeys: [{ text: "example.org/rack", key: ["example.org/rack"] }],
    },
    egress: [
      {
        cidr: { family: 4, base: (10n << 24n) + (20n << 16n), prefix: 16 },
        ports: [
          { port: 80, endPort: 90, protocol: "UDP" },
          { port: 443, protocol: "TCP" },
        ],
      },
    ],
    whenViolated: "Stop",
    pullThrough: true,
    tunnels: {
      apps: false,
      services: [
        { namespace: "shop", name: "db", ports: [5432] },
        { namespace: "open", ports: [] },
      ],
      kubernetes: true,
      approval: "FirstUse",
      approvalLastsMs: 30 * 86_400_000,
      until: Date.parse(until),
      addresses: addresses.map((address) => ({ protocol: "TCP", ...address })),
      metrics: true,
      routes: [{ namespaces: ["shop"], hosts: [["*", ".example.org"]] }],
      nodes: [{ names: [["worker-", "*"]], labels: { pool: "guests" } }],
      limits: { connections: 9, connectionsPerSecond: 3, bytesPerSecond: 5_000_000 },
      reverse: [{ name: "ledger", ports: [] }],
    },
    kubernetes: {
      groups: ["viewers"],
      allow: [{ verbs: ["get"], apiGroups: [""], resources: ["pods"], namespaces: ["shop"] }],
    },
    pods: { logs: false, exec: true, files: true },
    relay: { allow: true, maxCarriers: 7, bytesPerSecond: 5_000_000 },
  });
  const leaves = Object.entries(spec).flatMap(([part, value]) => leavesOf(part, value));
  const shown = values.map(({ path, value }): [string, unknown] => [path, JSON.parse(value)]);
  assert.deepEqual(new Map(shown), new Map(leaves), "all of it, and nothing else");
  assert.ok(values.every(({ policy }) => policy === "all"));
});

const maps = /\.(quota|approvalAbove|total|max|defaultRequests|defaultLimits|nodeSelector)$/;
const canonical: Record<string, string> = { "workloads.total[memory]": "workloads.total[requests.memory]" };

function leavesOf(path: string, value: unknown): [string, unknown][] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [[canonical[path] ?? path, value]];
  return Object.entries(value).flatMap(([key, inner]) =>
    leavesOf(maps.test(path) ? `${path}[${key}]` : `${path}.${key}`, inner),
  );
}

/** Everything that lets something run or be reached. */
function assertClosed(policy: EffectivePolicy): void {
  assert.deepEqual([policy.accept, policy.egress], [false, []]);
  const { apps, kubernetes, metrics, services, addresses, routes, nodes, reverse } = policy.tunnels;
  assert.deepEqual([apps, kubernetes, metrics], [false, false, false]);
  assert.deepEqual([services, addresses, routes, nodes, reverse].flat(), []);
  assert.deepEqual(policy.pods, { logs: false, exec: false, files: false });
}

const erp = { name: "erp", host: "erp.example.org", ports: [5432] };
const more = { addresses: [erp], routes: [{ namespaces: ["shop"] }], nodes: [{ names: ["*"] }], reverse: [{}] };
const open = {
  workloads: { accept: true, network: { egress: [{ cidr: "0.0.0.0/0" }] } },
  tunnels: { apps: true, services: [{ namespace: "shop" }], kubernetes: true, metrics: true, ...more },
  pods: { logs: true, exec: true, files: true },
};

test("a policy that cannot be understood closes everything for the peers that it selects, and says which and why", () => {
  const broken: [JsonObject, RegExp][] = [
    [{ workloads: { fancy: 1 } }, /spec\.workloads\.fancy: unknown field/],
    [{ workloads: { quota: { pods: "many" } } }, /spec\.workloads\.quota\[pods\]: "many" is no quantity/],
    [{ workloads: { quota: { "requests.cpu": "500Q" } } }, /"500Q" is no quantity/],
    [{ workloads: { quota: { pods: -1 } } }, /-1 is less than nothing/],
    [{ workloads: { quota: { pods: true } } }, /true is no quantity/],
    [{ workloads: { quota: { apples: 1 } } }, /quota\[apples\]: no resource that can be counted/],
    [{ workloads: { quota: { "limits.nvidia.com/gpu": 1 } } }, /no resource that can be counted/],
    [{ workloads: { quota: { cpu: 1, "requests.cpu": 2 } } }, /is said twice, for it is requests\.cpu/],
    [{ workloads: { pod: { max: { pods: 1 } } } }, /pod\.max\[pods\]: no resource/],
    [{ workloads: { pod: { requireLimits: ["gpu"] } } }, /requireLimits\[0\]: "gpu" is no resource/],
    [{ workloads: { images: ["shop/*", "https://x"] } }, /spec\.workloads\.images\[1\]: "https:\/\/x" is no pattern/],
    [{ workloads: { deniedImages: ["NGINX"] } }, /deniedImages\[0\]/],
    [{ workloads: { approval: "Sometimes" } }, /spec\.workloads\.approval/],
    [{ workloads: { whenViolated: "Panic" } }, /spec\.workloads\.whenViolated/],
    [{ workloads: { podSecurity: "privileged" } }, /spec\.workloads\.podSecurity/],
    [{ workloads: { approvalLasts: "a while" } }, /spec\.workloads\.approvalLasts/],
    [{ workloads: { approvalLasts: "0s" } }, /spec\.workloads\.approvalLasts/],
    [{ workloads: { maxReplicas: -1 } }, /spec\.workloads\.maxReplicas/],
    [{ workloads: { storage: { maxSize: "big" } } }, /spec\.workloads\.storage\.maxSize/],
    [{ workloads: { nodeSelector: { "a b": "c" } } }, /nodeSelector\[a b\]: no label/],
    [{ workloads: { network: { egress: [{ cidr: "10.0.0.1/8" }] } } }, /egress\[0\]/],
    [{ workloads: { network: { egress: [{ cidr: "1.2.3.4/33" }] } } }, /egress\[0\]/],
    [{ workloads: { network: { egress: [{}] } } }, /egress\[0\]/],
    [{ workloads: { network: { egress: [{ cidr: "::ffff:169.254.0.0/112" }] } } }, /egress\[0\]/],
    [{ workloads: { network: { egress: [{ cidr: "10.0.0.0/8", ports: [{ port: 9, endPort: 8 }] }] } } }, /egress\[0\]/],
    [{ tunnels: { services: [{ name: "db" }] } }, /spec\.tunnels\.services\[0\]/],
    [{ tunnels: { services: [{ namespace: "shop", ports: [54_320_000] }] } }, /spec\.tunnels\.services\[0\]/],
    [{ tunnels: { until: "tomorrow" } }, /spec\.tunnels\.until/],
    [{ tunnels: { until: "2030-01-01T00:00:00" } }, /spec\.tunnels\.until/],
    [{ workloads: { quota: { pods: "9".repeat(1_000) } } }, /is no quantity|…$/],
    [{ tunnels: { kubernetes: "yes" } }, /spec/],
  ];
  for (const [spec, expected] of broken) {
    const policy = effectivePolicy([policyNamed("good", open), policyNamed("bad", spec, 1)], tokyo);
    assertClosed(policy);
    assert.match(policy.problems.join("\n"), expected);
    assert.match(policy.problems[0] ?? "", /^PeerPolicy bad cannot be understood: /);
    assert.deepEqual(explained(policy, "workloads.accept"), {
      path: "workloads.accept",
      value: "false",
      policy: "bad",
      overruled: [{ policy: "good", value: "true" }],
    });
  }
});

test("it closes nothing for peers that it does not select, unless nobody can tell whom it selects", () => {
  const good = policyNamed("good", open);
  const forParis = policyNamed("paris", { peers: { names: ["paris"] }, workloads: { fancy: 1 } });
  assert.equal(effectivePolicy([good, forParis], tokyo).accept, true);
  assert.equal(effectivePolicy([good, forParis], { name: "paris", labels: {} }).accept, false);
  const later = policyNamed("later", { peers: { names: ["paris"], regions: ["europe"] } });
  assertClosed(effectivePolicy([good, later], tokyo));
  const both = policyNamed("both", { peers: { names: ["paris"], matchLabels: { region: "europe" } } });
  assertClosed(effectivePolicy([good, both], tokyo));
  const unreadable = policyNamed("unreadable", { peers: { names: "paris" } });
  assertClosed(effectivePolicy([good, unreadable], tokyo));
});

test("a total over all peers is none of a policy for some", () => {
  const some = named("some", ["tokyo"], { total: { pods: 1 } });
  assertClosed(effectivePolicy([some], tokyo));
  assert.deepEqual(
    effectivePolicy([some], { name: "lima", labels: {} }).problems,
    [],
    "others are none of its business",
  );
  assert.deepEqual([...effectivePolicy([everyone("all", { total: { pods: 1 } })], tokyo).total.keys()], ["pods"]);
});

test("what a peer says of itself never selects: only our name and our labels do", () => {
  const gold = labelled("gold", { tier: "gold" }, { accept: true });
  assert.equal(effectivePolicy([gold], tokyo).accept, true);
  assert.equal(effectivePolicy([gold], { name: "gold", labels: {} }).accept, false);
  const proto = labelled("proto", { constructor: "x" }, { accept: true });
  assert.equal(effectivePolicy([proto], { name: "lima", labels: {} }).accept, false);
});

test("the order in which policies come never counts", () => {
  const chosen = fc.record({
    names: fc.boolean(),
    labels: fc.subarray(["region", "tier"]),
    second: fc.integer({ min: 0, max: 2 }),
    maxReplicas: fc.option(fc.integer({ min: 0, max: 9 })),
    pods: fc.option(fc.integer({ min: 0, max: 9 })),
  });
  fc.assert(
    fc.property(fc.array(chosen, { maxLength: 6 }), fc.integer(), (list, seed) => {
      const policies = list.map(({ names, labels, second, maxReplicas, pods }, index) => {
        const matchLabels = Object.fromEntries(labels.map((label) => [label, tokyo.labels[label] ?? ""]));
        const peers = names ? { peers: { names: ["tokyo"] } } : labels.length > 0 ? { peers: { matchLabels } } : {};
        const said = { ...(maxReplicas !== null && { maxReplicas }), ...(pods !== null && { quota: { pods } }) };
        return policyNamed(`p${index}`, { ...peers, workloads: said }, second);
      });
      const shuffled = policies
        .map((policy, index) => ({ policy, key: Math.sin(seed + index) }))
        .sort((a, b) => a.key - b.key)
        .map(({ policy }) => policy);
      assert.deepEqual(effectivePolicy(shuffled, tokyo), effectivePolicy(policies, tokyo));
    }),
    { numRuns: 200 },
  );
});
