import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { RemoteAppSpecSchema } from "../../src/gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { JsonObject } from "../../src/kube/object.ts";
import { type PeerPolicy, peerPolicies } from "../../src/kube/resources.ts";
import { foreseeEffects, foreseeVerdict } from "../../src/policy/foresee.ts";

function policy(name: string, spec: JsonObject): PeerPolicy {
  return peerPolicies.parse({ metadata: { name, creationTimestamp: "2026-11-01T00:00:00Z" }, spec });
}

const west = { name: "west", labels: { tier: "gold" }, grants: ["apps"] };
const east = { name: "east", labels: {}, grants: ["apps"] };
const all = policy("all", { workloads: { accept: true } });

suite("what a policy would change", () => {
  test("is told value by value, of those peers alone for which something changes", () => {
    const gold = policy("gold", { peers: { matchLabels: { tier: "gold" } }, workloads: { quota: { pods: 3 } } });
    const [effect, ...others] = foreseeEffects([all], [all, gold], [west, east]);
    assert.deepEqual(others, []);
    assert.equal(effect?.peer, "west");
    assert.deepEqual(effect?.values, [{ path: "workloads.quota[pods]", before: "", after: "3" }]);
    assert.deepEqual(foreseeEffects([all, gold], [gold, all], [west, east]), []);
  });

  test("and why nothing would run any more when it cannot be understood", () => {
    const wrong = policy("wrong", { peers: { names: ["east"] }, workloads: { nonsense: 1 } });
    const effects = foreseeEffects([all], [all, wrong], [west, east]);
    assert.deepEqual(
      effects.map(({ peer }) => peer),
      ["east"],
    );
    assert.match(effects[0]?.problems[0] ?? "", /PeerPolicy wrong cannot be understood/);
  });
});

suite("what would be said to an app", () => {
  const app = create(RemoteAppSpecSchema, { image: "nginx:1.27", replicas: 1 });
  const now = { now: 0, hasImageDoor: false };

  test("follows the policies that are given, and nothing that runs", () => {
    const { decision, policies } = foreseeVerdict(app, west, [all], now);
    assert.deepEqual([decision, policies], ["admit", ["all"]]);
    const { decision: without, findings } = foreseeVerdict(app, west, [], now);
    assert.equal(without, "deny");
    assert.ok(findings.length > 0);
    assert.equal(foreseeVerdict(app, { ...west, grants: [] }, [all], now).decision, "deny");
    const asking = policy("asking", { peers: { names: ["west"] }, workloads: { approval: "Always" } });
    assert.equal(foreseeVerdict(app, west, [all, asking], now).decision, "hold");
    assert.equal(foreseeVerdict(app, east, [all, asking], now).decision, "admit");
  });
});
