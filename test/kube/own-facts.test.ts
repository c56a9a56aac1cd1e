/** What an agent says of its cluster. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLog } from "../../src/base/log.ts";
import type { JsonObject } from "../../src/kube/object.ts";
import { createOwnFacts, summarizeNodes } from "../../src/kube/own-facts.ts";
import { createFakeClock } from "../base/fake-clock.ts";

function node(arch: string, o: { cpu?: string; memory?: string; spec?: JsonObject } = {}): JsonObject {
  return {
    metadata: { name: `n-${arch}`, labels: { "kubernetes.io/arch": arch, "topology.kubernetes.io/region": "eu-1" } },
    spec: { providerID: "aws:///eu-1a/i-0123", ...o.spec },
    status: { allocatable: { cpu: o.cpu ?? "7910m", memory: o.memory ?? "16Gi" } },
  };
}

test("what nodes have is added, what differs among them is each once, and those that take no pods do not count", () => {
  const nodes = [node("arm64"), node("amd64", { cpu: "4" }), node("s390x", { spec: { unschedulable: true } })];
  assert.deepEqual(summarizeNodes(nodes), {
    nodes: "2",
    architecture: "amd64,arm64",
    region: "eu-1",
    provider: "aws",
    cpu: "11.9",
    memory: "32768Mi",
  });
});

test("nodes that say nonsense add nothing", () => {
  const odd: JsonObject[] = [{}, { metadata: 7, spec: [], status: "x" }, node("a b", { cpu: "lots", memory: "1Zi" })];
  assert.deepEqual(summarizeNodes(odd), { nodes: "3", region: "eu-1", provider: "aws" });
  assert.deepEqual(summarizeNodes([]), {});
});

const about = { kubernetes: "v1.36.0", features: ["leases", "images"] };

test("nodes are read in pages and again after a while, and an agent that may not read them says less", async () => {
  const clock = createFakeClock();
  const asked: string[] = [];
  let isForbidden = false;
  const json = async ({ path }: { path: string }): Promise<JsonObject> => {
    asked.push(path);
    if (isForbidden) throw new Error("forbidden");
    return path.includes("continue=")
      ? { items: [node("arm64")] }
      : { items: [node("amd64")], metadata: { continue: "x" } };
  };
  const facts = createOwnFacts({ requests: { json }, ...about, clock, log: silentLog });
  await clock.advance(0);
  assert.equal(facts.get().architecture, "amd64,arm64");
  assert.deepEqual([facts.get().kubernetes, facts.get().nodes], ["v1.36.0", "2"]);
  isForbidden = true;
  await clock.advance(600_000);
  assert.equal(facts.get().nodes, "2", "what was read stays");
  assert.equal(asked.length, 3);
  facts.close();
  assert.equal(clock.timers, 0);

  const less = createOwnFacts({ requests: { json }, ...about, clock, log: silentLog });
  await clock.advance(0);
  assert.deepEqual(Object.keys(less.get()), ["architecture", "kubernetes", "features"]);
  assert.equal(less.get().features, "leases,images");
  less.close();
});
