import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Turn } from "../../src/policy/containers.ts";
import { demandOf } from "../../src/policy/demand.ts";
import { podAmounts } from "../../src/policy/pod-amounts.ts";
import { type Amounts, formatQuantity, wholeQuantity } from "../../src/policy/quantity.ts";
import { appOf, policyOf } from "./given.ts";

const turns = fc.constantFrom<Turn>("together", "before", "beside");
const container = fc.record({
  turn: turns,
  amounts: fc
    .dictionary(fc.constantFrom("cpu", "memory", "example.org/device"), fc.nat(9).map(wholeQuantity))
    .map((record): Amounts => new Map(Object.entries(record))),
});
const containers = fc.array(container, { maxLength: 8 });

type Container = typeof container extends fc.Arbitrary<infer T> ? T : never;

/**
 * The reference: what a node really has to hold at each moment of a pod's life. Init containers go one after the other in their
 * order; each that runs beside stays from its turn on; then all others run.
 */
function mostAtOnce(list: readonly Container[], name: string): bigint {
  const of = ({ amounts }: Container): bigint => amounts.get(name) ?? 0n;
  const moments: bigint[] = [];
  let standing = 0n;
  for (const each of list) {
    if (each.turn === "together") continue;
    moments.push(standing + of(each));
    if (each.turn === "beside") standing += of(each);
  }
  moments.push(list.filter(({ turn }) => turn === "together").reduce((sum, each) => sum + of(each), standing));
  return moments.reduce((a, b) => (a > b ? a : b), 0n);
}

test("a pod counts as the most that it takes of its node at any moment of its life", () => {
  fc.assert(
    fc.property(containers, (list) => {
      const counted = podAmounts(list);
      for (const name of ["cpu", "memory", "example.org/device"])
        assert.equal(counted.get(name) ?? 0n, mostAtOnce(list, name), name);
    }),
    { numRuns: 500 },
  );
});

test("one container more never makes a pod count as less", () => {
  fc.assert(
    fc.property(containers, container, fc.nat(8), (list, one, at) => {
      const more = podAmounts(list.toSpliced(at, 0, one));
      for (const [name, quantity] of podAmounts(list)) assert.ok((more.get(name) ?? 0n) >= quantity, name);
    }),
  );
});

function shown(amounts: Amounts): Record<string, string> {
  return Object.fromEntries([...amounts].map(([name, quantity]) => [name, formatQuantity(quantity, name)]));
}

test("the app's own container, those beside it, those before it and sidecars come to one demand", () => {
  const app = appOf({
    replicas: 2,
    image: "web:1",
    resources: { requests: { cpu: "100m", memory: "64Mi" } },
    containers: [{ name: "log", image: "log:1", resources: { requests: { cpu: "200m" }, limits: { memory: "32Mi" } } }],
    initContainers: [
      { name: "proxy", image: "proxy:1", restartPolicy: "Always", resources: { requests: { cpu: "50m" } } },
      { name: "migrate", image: "web:1", resources: { requests: { cpu: 1, memory: "16Mi" } } },
    ],
  });
  const { pod, total, images, containers } = demandOf(app, policyOf());
  // Of CPU the migration with the proxy beside it, of memory the two that run together.
  assert.deepEqual(shown(pod.requests), { cpu: "1050m", memory: "96Mi" });
  assert.deepEqual(shown(pod.limits), { memory: "32Mi" });
  assert.equal(formatQuantity(total.get("requests.cpu") ?? 0n, "cpu"), "2100m");
  assert.deepEqual([...images].sort(), ["log:1", "proxy:1", "web:1"]);
  assert.deepEqual(
    containers.map(({ path, image }) => `${path}${image}`),
    ["initContainers[0].proxy:1", "initContainers[1].web:1", "web:1", "containers[0].log:1"],
  );
});

test("a StatefulSet claims for each of its pods, everything else once", () => {
  const claims = [{ name: "data", spec: { storageClassName: "fast", resources: { requests: { storage: "2Gi" } } } }];
  const claimed = (kind: string) => {
    const { total } = demandOf(appOf({ kind, replicas: 3, claims }), policyOf());
    return [total.get("persistentvolumeclaims"), total.get("requests.storage")];
  };
  const gibi = wholeQuantity(2 ** 30);
  assert.deepEqual(claimed("StatefulSet"), [wholeQuantity(3), 6n * gibi]);
  for (const kind of ["Deployment", "Job", "CronJob"]) assert.deepEqual(claimed(kind), [wholeQuantity(1), 2n * gibi]);
});

test("a Job has as many pods as run at a time, and a CronJob those of one Job unless they may overlap", () => {
  const pods = (kind: string, job: object, cronJob: object = {}) => {
    const demand = demandOf(appOf({ kind, replicas: 9, job: { ...job }, cronJob: { ...cronJob } }), policyOf());
    return demand.isEndless ? `${demand.pods}…` : String(demand.pods);
  };
  assert.equal(pods("Job", {}), "1");
  assert.equal(pods("Job", { parallelism: 4 }), "4", "without completions all of them run");
  assert.equal(pods("Job", { parallelism: 4, completions: 3 }), "3");
  assert.equal(pods("Job", { parallelism: 2, completions: 100 }), "2");
  assert.equal(pods("Job", { completions: 5 }), "1");
  assert.equal(pods("Job", { parallelism: 4, suspend: true }), "0");
  assert.equal(pods("CronJob", { parallelism: 4 }, { concurrencyPolicy: "Forbid" }), "4");
  assert.equal(pods("CronJob", { parallelism: 4 }, { concurrencyPolicy: "Replace" }), "4");
  assert.equal(pods("CronJob", { parallelism: 4 }, { concurrencyPolicy: "Allow" }), "4…");
  assert.equal(pods("CronJob", {}), "1…", "Allow is what Kubernetes means when nothing is said");
});
