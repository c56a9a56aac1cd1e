import assert from "node:assert/strict";
import { test } from "node:test";
import { fromJson } from "@bufbuild/protobuf";
import { brokenRules } from "../../src/base/proto-rules.ts";
import { PeerPolicySpecSchema } from "../../src/gen/fairlead/resources/v1alpha1/peer_policy_pb.ts";

const broken = (json: Parameters<typeof fromJson>[1]) =>
  brokenRules(PeerPolicySpecSchema, fromJson(PeerPolicySpecSchema, json));

test("a message that keeps its rules breaks none, and each rule that it breaks is named with its place as in JSON", () => {
  assert.deepEqual(broken({ peers: { names: ["west"] } }), []);
  const egress = [{ cidr: "0.0.0.0/0" }, { cidr: "10.0.0.0/8", ports: [{ port: 1 }, { port: 70_000 }] }];
  const found = broken({ workloads: { maxReplicas: -1, network: { egress } } });
  assert.deepEqual(
    found.map(({ field }) => field),
    ["workloads.maxReplicas", "workloads.network.egress[1].ports[1].port"],
  );
  for (const { rule, message } of found) assert.ok(rule !== "" && message !== "");
});
