/**
 * What one admission costs, by how many apps run already, all in one run: `node bench/admission.ts [admissions]`. An admission
 * is what the host does for a wish: what it demands, its hash, what others use, the verdict by every rule, and the entry in
 * the ledger. Rounds are interleaved and the median counts, so that a busy machine harms all rows alike.
 */
import { create } from "@bufbuild/protobuf";
import { type RemoteAppSpec, RemoteAppSpecSchema } from "../src/gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { peerPolicies } from "../src/kube/resources.ts";
import { admit } from "../src/policy/admission.ts";
import { demandOf } from "../src/policy/demand.ts";
import { effectivePolicy } from "../src/policy/effective.ts";
import { hashSpec } from "../src/policy/spec-hash.ts";
import { UsageLedger } from "../src/policy/usage.ts";

const rounds = 9;
const admissions = Number(process.argv[2] ?? 2_000);
const peers = Array.from({ length: 20 }, (_, index) => `peer-${index}`);

const spec = {
  workloads: {
    accept: true,
    approval: "NewImage",
    approvalAbove: { "limits.memory": "1Ti" },
    images: [
      ...Array.from({ length: 30 }, (_, index) => `registry-${index}.example.org/**`),
      "registry.example.org/shop/*",
    ],
    deniedImages: ["**/evil*", "docker.io/**"],
    quota: {
      pods: 1_000_000,
      "requests.cpu": "1M",
      "limits.cpu": "1M",
      "requests.memory": "1Ei",
      "limits.memory": "1Ei",
    },
    total: { pods: 10_000_000, "limits.memory": "7Ei" },
    maxApps: 10_000,
    maxReplicas: 10,
    pod: { max: { cpu: 4, memory: "8Gi" }, requireLimits: ["memory"], defaultRequests: { cpu: "100m" } },
  },
};
const policy = effectivePolicy([peerPolicies.parse({ metadata: { name: "bench" }, spec })], {
  name: "peer-0",
  labels: {},
});

function appNumber(index: number): RemoteAppSpec {
  return create(RemoteAppSpecSchema, {
    image: `registry.example.org/shop/web:${index % 50}`,
    replicas: (index % 5) + 1,
    env: Array.from({ length: 10 }, (_, at) => ({ name: `NAME_${at}`, value: `value ${index}` })),
    resources: {
      limits: {
        memory: { kind: { case: "stringValue", value: "256Mi" } },
        cpu: { kind: { case: "stringValue", value: "500m" } },
      },
    },
  });
}

interface Row {
  readonly running: number;
  readonly ledger: UsageLedger;
  readonly tookUs: number[];
}

const rows: Row[] = [0, 100, 1_000, 10_000].map((running) => {
  const ledger = new UsageLedger();
  for (let index = 0; index < running; index++) {
    const owner = { fingerprint: peers[index % peers.length] ?? "", key: `app-${index}` };
    ledger.set(owner, demandOf(appNumber(index), policy));
  }
  return { running, ledger, tookUs: [] };
});

const wishes = Array.from({ length: 250 }, (_, index) => appNumber(index));

function admitOne(ledger: UsageLedger, index: number): void {
  const app = wishes[index % wishes.length] ?? appNumber(index);
  const owner = { fingerprint: peers[index % peers.length] ?? "", key: "one more" };
  const demand = demandOf(app, policy);
  const verdict = admit(
    { app, demand },
    {
      peer: "peer-0",
      grants: ["apps"],
      policy,
      usage: ledger.of(owner.fingerprint, owner.key),
      totalUsage: ledger.total(owner),
      knownImages: ledger.images(owner.fingerprint, owner.key),
      hasImageDoor: true,
      hash: hashSpec(app),
      now: 0,
    },
  );
  if (verdict.decision === "deny") throw new Error(verdict.findings.map(({ message }) => message).join("; "));
  ledger.set(owner, demand);
  ledger.set(owner, undefined);
}

for (let round = 0; round <= rounds; round++) {
  for (const { ledger, tookUs } of rows) {
    const startedAt = performance.now();
    for (let index = 0; index < admissions; index++) admitOne(ledger, index);
    // The first round warms up.
    if (round > 0) tookUs.push(((performance.now() - startedAt) * 1_000) / admissions);
  }
}

const median = (times: number[]): number => times.toSorted((a, b) => a - b)[times.length >> 1] ?? Number.NaN;
const empty = median(rows[0]?.tookUs ?? []);
console.table(
  rows.map(({ running, tookUs }) => ({
    "apps that run": running,
    "µs for one admission": Number(median(tookUs).toFixed(1)),
    "of that with none": Number((median(tookUs) / empty).toFixed(2)),
  })),
);
