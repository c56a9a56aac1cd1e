import assert from "node:assert/strict";
import { BlockList } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import type { JsonObject } from "../../src/kube/object.ts";
import { contains, parseCidr } from "../../src/policy/cidr.ts";
import { closedPolicy } from "../../src/policy/effective.ts";
import { type EnforcementPlace, enforcementOf, networkPolicyFor } from "../../src/policy/enforcement.ts";
import { policyOf } from "./given.ts";

const place: EnforcementPlace = {
  namespace: "fairlead-peer-tokyo",
  agent: { namespace: "fairlead", podLabels: { "app.kubernetes.io/name": "fairlead" } },
  apiServer: ["10.96.0.1", "203.0.113.7", "fd12::1"],
  dns: ["10.96.0.10"],
};

const enforced = (workloads: JsonObject = {}) => enforcementOf(policyOf({ workloads }), place);

/** The egress rules beside that of DNS. */
function egress(...rules: JsonObject[]) {
  return enforced({ network: { egress: rules } }).network.spec?.egress?.slice(1) ?? [];
}

test("the quota is that of the policy, and nothing of a peer ever stands outside the link", () => {
  const { quota } = enforced({ quota: { pods: 10, cpu: "1500m", "limits.memory": "2048Mi" } });
  assert.deepEqual(quota, {
    metadata: { name: "fairlead", namespace: "fairlead-peer-tokyo" },
    spec: {
      hard: {
        pods: "10",
        "requests.cpu": "1500m",
        "limits.memory": "2Gi",
        "services.nodeports": "0",
        "services.loadbalancers": "0",
        persistentvolumeclaims: "0",
      },
    },
  });
});

test("claims are none unless the policy names a class, and then only of the classes that it names", () => {
  assert.equal(enforced({ quota: { persistentvolumeclaims: 5 } }).quota.spec?.hard?.persistentvolumeclaims, "0");
  const { quota, limits } = enforced({
    quota: { persistentvolumeclaims: 5 },
    storage: { classes: ["standard"], maxSize: "1Gi" },
  });
  assert.equal(quota.spec?.hard?.persistentvolumeclaims, "5");
  assert.deepEqual(limits?.spec?.limits, [{ type: "PersistentVolumeClaim", max: { storage: "1Gi" } }]);
});

test("the LimitRange says what admission counts on: most, limit and request, all of them in order", () => {
  assert.equal(enforced().limits, undefined, "nothing is bounded");
  const { limits } = enforced({
    pod: { max: { cpu: 2, memory: "1Gi" }, defaultLimits: { cpu: 4 }, defaultRequests: { cpu: "100m" } },
  });
  assert.deepEqual(limits?.spec?.limits, [
    {
      type: "Container",
      max: { cpu: "2", memory: "1Gi" },
      default: { cpu: "2", memory: "1Gi" },
      defaultRequest: { cpu: "100m", memory: "1Gi" },
    },
    { type: "Pod", max: { cpu: "2", memory: "1Gi" } },
  ]);
});

test("the level of Pod Security is the policy's", () => {
  assert.equal(enforced().podSecurity, "baseline");
  assert.equal(enforced({ podSecurity: "restricted" }).podSecurity, "restricted");
});

test("what no policy names, nobody reaches: in only the agent, out only DNS", () => {
  assert.deepEqual(enforced().network, {
    metadata: { name: "fairlead", namespace: "fairlead-peer-tokyo" },
    spec: {
      podSelector: {},
      policyTypes: ["Ingress", "Egress"],
      ingress: [
        {
          from: [
            {
              namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "fairlead" } },
              podSelector: { matchLabels: { "app.kubernetes.io/name": "fairlead" } },
            },
          ],
        },
      ],
      egress: [
        {
          to: [
            {
              namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "kube-system" } },
              podSelector: { matchLabels: { "k8s-app": "kube-dns" } },
            },
            { ipBlock: { cidr: "169.254.20.10/32" } },
            { ipBlock: { cidr: "10.96.0.10/32" } },
          ],
          ports: [
            { protocol: "UDP", port: 53 },
            { protocol: "TCP", port: 53 },
          ],
        },
      ],
    },
  });
  const outside = enforcementOf(policyOf(), { ...place, agent: undefined });
  assert.equal(
    outside.network.spec?.ingress,
    undefined,
    "an agent outside comes in by the API server, and nobody else does",
  );
});

test("node metadata is no DNS, whatever a node's resolv.conf says", () => {
  const dns = ["169.254.169.254", "169.254.169.253", "100.100.100.200", "fd00:ec2::254", "169.254.25.10", "nonsense"];
  const [first] = enforcementOf(policyOf(), { ...place, dns }).network.spec?.egress ?? [];
  assert.deepEqual(
    first?.to?.flatMap(({ ipBlock }) => ipBlock?.cidr ?? []),
    ["169.254.20.10/32", "169.254.25.10/32"],
  );
});

test("0.0.0.0/0 is the internet: no private range, no metadata, no API server", () => {
  assert.deepEqual(egress({ cidr: "0.0.0.0/0" }), [
    {
      to: [
        {
          ipBlock: {
            cidr: "0.0.0.0/0",
            except: [
              "169.254.0.0/16",
              "127.0.0.0/8",
              "203.0.113.7/32",
              "10.0.0.0/8",
              "172.16.0.0/12",
              "192.168.0.0/16",
              "100.64.0.0/10",
            ],
          },
        },
      ],
    },
  ]);
});

test("::/0 leads by no gateway to an IPv4 address that is not meant", () => {
  const block = egress({ cidr: "::/0" })[0]?.to?.[0]?.ipBlock;
  const list = new BlockList();
  for (const cidr of block?.except ?? []) {
    const [address = "", prefix] = cidr.split("/");
    list.addSubnet(address, Number(prefix), "ipv6");
  }
  for (const address of [
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::a00:1",
    "64:ff9b::cb00:7107",
    "fd00:ec2::254",
    "fd12::1",
    "fe80::1",
    "::1",
    "64:ff9b:1::1",
  ]) {
    assert.equal(list.check(address, "ipv6"), true, address);
  }
  for (const address of ["2606:4700::1", "64:ff9b::101:101", "2002::1"])
    assert.equal(list.check(address, "ipv6"), false, address);
});

test("a private block is meant when it is named, and even then not what is never meant", () => {
  assert.deepEqual(egress({ cidr: "10.20.0.0/16" }), [{ to: [{ ipBlock: { cidr: "10.20.0.0/16" } }] }]);
  assert.deepEqual(egress({ cidr: "10.0.0.0/8" }), [
    { to: [{ ipBlock: { cidr: "10.0.0.0/8", except: ["10.96.0.1/32"] } }] },
  ]);
  assert.deepEqual(egress({ cidr: "100.64.0.0/10" }), [
    { to: [{ ipBlock: { cidr: "100.64.0.0/10", except: ["100.100.100.200/32"] } }] },
  ]);
  for (const cidr of ["169.254.169.254/32", "169.254.0.0/16", "10.96.0.1/32", "203.0.113.7/32", "fd00:ec2::254/128"]) {
    assert.deepEqual(egress({ cidr }), [], `${cidr} is never meant`);
  }
});

test("amounts are made as the API server keeps them, in thousandths", () => {
  const { quota } = enforced({ quota: { cpu: "1.00000001", "limits.memory": "1n" } });
  assert.equal(quota.spec?.hard?.["requests.cpu"], "1001m");
  assert.equal(quota.spec?.hard?.["limits.memory"], "1m");
});

test("ports are those that the rule names", () => {
  assert.deepEqual(
    egress({ cidr: "1.1.1.1/32", ports: [{ port: 443 }, { port: 5000, endPort: 5010, protocol: "UDP" }] }),
    [
      {
        to: [{ ipBlock: { cidr: "1.1.1.1/32" } }],
        ports: [
          { port: 443, protocol: "TCP" },
          { port: 5000, endPort: 5010, protocol: "UDP" },
        ],
      },
    ],
  );
});

test("a policy that is not understood lets nothing out, and no bound of it gets loose", () => {
  const { network, quota } = enforcementOf(closedPolicy("PeerPolicy odd cannot be understood"), place);
  assert.equal(network.spec?.egress?.length, 1, "DNS alone");
  assert.equal(quota.spec?.hard?.["services.nodeports"], "0");
});

const v4 = fc.tuple(fc.nat(0xffffffff), fc.nat(32)).map(([bits, prefix]) => {
  const base = prefix === 0 ? 0 : (bits >>> (32 - prefix)) * 2 ** (32 - prefix);
  return `${[24, 16, 8, 0].map((shift) => Math.floor(base / 2 ** shift) % 256).join(".")}/${prefix}`;
});
const near = fc.constantFrom(
  "10.0.0.0/8",
  "10.96.0.0/16",
  "8.0.0.0/6",
  "172.0.0.0/8",
  "169.0.0.0/8",
  "169.254.169.0/24",
  "192.0.0.0/2",
  "100.64.0.0/10",
  "203.0.113.0/24",
  "0.0.0.0/1",
);
const never = ["169.254.0.0/16", "100.100.100.200/32", "127.0.0.0/8", "10.96.0.1/32", "203.0.113.7/32"];
const ranges = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"];

/** Whether the address lies in the block, bit by bit. */
function lies(address: string, block: string): boolean {
  const [base = "", prefix] = block.split("/");
  const bits = (text: string): string =>
    text
      .split(".")
      .map((part) => Number(part).toString(2).padStart(8, "0"))
      .join("");
  return bits(address).slice(0, Number(prefix)) === bits(base).slice(0, Number(prefix));
}

test("an address is let through exactly when the rule's block means it", () => {
  const address = fc.oneof(
    fc.ipV4(),
    fc.constantFrom(
      "169.254.169.254",
      "10.96.0.1",
      "10.96.0.2",
      "203.0.113.7",
      "203.0.113.8",
      "100.100.100.200",
      "100.100.100.201",
      "192.168.1.1",
      "172.31.255.255",
      "172.32.0.0",
      "8.8.8.8",
    ),
  );
  fc.assert(
    fc.property(fc.oneof(v4, near), address, (cidr, one) => {
      const isPrivate = ranges.some(
        (range) => lies(cidr.split("/")[0] ?? "", range) && Number(cidr.split("/")[1]) >= Number(range.split("/")[1]),
      );
      const meant =
        lies(one, cidr) &&
        !never.some((block) => lies(one, block)) &&
        (isPrivate || !ranges.some((range) => lies(one, range)));
      const passes = egress({ cidr }).some(({ to }) =>
        to?.some(
          ({ ipBlock }) =>
            ipBlock && lies(one, ipBlock.cidr) && !(ipBlock.except ?? []).some((block) => lies(one, block)),
        ),
      );
      assert.equal(passes, meant, `${one} by ${cidr}`);
    }),
    { numRuns: 500 },
  );
});

test("what is taken out of a block always lies strictly within it, as Kubernetes demands", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        v4,
        near,
        fc.constantFrom("::/0", "fc00::/7", "fd00::/8", "fe00::/7", "::/1", "64:ff9b::/96", "64::/16"),
      ),
      (cidr) => {
        for (const { to } of egress({ cidr })) {
          for (const { ipBlock } of to ?? []) {
            const outer = parseCidr(ipBlock?.cidr ?? "");
            assert.ok(outer);
            for (const text of ipBlock?.except ?? []) {
              const inner = parseCidr(text);
              assert.ok(inner && contains(outer, inner) && inner.prefix > outer.prefix, `${text} in ${cidr}`);
            }
          }
        }
      },
    ),
    { numRuns: 300 },
  );
});

test("pods of one app reach one another, and those of another app do not", () => {
  const pods = { podSelector: { matchLabels: { "fairlead.dev/workload": "web-1" } } };
  assert.deepEqual(
    networkPolicyFor({ namespace: "fairlead-peer-tokyo", name: "web-1" }, { "fairlead.dev/workload": "web-1" }),
    {
      metadata: { name: "web-1", namespace: "fairlead-peer-tokyo" },
      spec: { ...pods, policyTypes: ["Ingress", "Egress"], ingress: [{ from: [pods] }], egress: [{ to: [pods] }] },
    },
  );
});
