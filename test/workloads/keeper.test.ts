import assert from "node:assert/strict";
import { test } from "node:test";
import type { KubeClient } from "../../src/kube/client.ts";
import { isJsonObject, type JsonObject } from "../../src/kube/object.ts";
import { type ResourceQuota, resourceQuotas } from "../../src/kube/resources.ts";
import { differences } from "../../src/workloads/host/drift.ts";
import { choreOf } from "../../src/workloads/host/keeper.ts";
import { kubeError } from "./cluster.ts";
import { listeningLog } from "./guarded.ts";
import { never } from "./story.ts";

const metadata = { namespace: "fairlead-peer-tokyo", name: "fairlead" };
const spec = { hard: { "requests.cpu": "1000m" } };
const manifest: ResourceQuota = { metadata, spec };

/** An API server that answers an apply with `applied`, and updates with conflicts and then `updated`; it writes down what it was sent. */
function start(applied: JsonObject, updated: JsonObject, conflicts = 0) {
  const sent: JsonObject[] = [];
  const answer = (json: JsonObject): JsonObject => ({ ...json, metadata: { ...metadata, ...meta(json), uid: "q" } });
  const client: Pick<KubeClient, "apply" | "update" | "delete"> = {
    apply: async (kind) => kind.parse(answer(applied)),
    async update(kind, object) {
      sent.push(kind.format(object));
      if (sent.length <= conflicts) throw kubeError(409, "Conflict", "the object has been modified");
      return kind.parse(answer(updated));
    },
    delete: async () => true,
  };
  const { log, warnings } = listeningLog();
  const latest = { get: () => undefined, put: () => undefined, isSynced: true };
  const o = { kind: resourceQuotas, manifest, latest, applied: undefined, additions: differences };
  return { chore: choreOf({ client, log }, o), sent, warnings };
}

function meta({ metadata: given }: JsonObject): JsonObject {
  return isJsonObject(given) ? given : {};
}

test("another spelling of the API server's is no addition of somebody's", async () => {
  const stored = { metadata: { resourceVersion: "7" }, spec: { hard: { "requests.cpu": "1" } } };
  const { chore, sent, warnings } = start(stored, stored);
  await chore.do(never);
  assert.equal(sent.length, 1, "the replacement tells the one from the other");
  assert.deepEqual(warnings, []);
});

test("who is overtaken by the count of a quota looks again, and not for ever", async () => {
  const stored = { metadata: { resourceVersion: "7" }, spec: { hard: { pods: "9" } } };
  const overtaken = start(stored, { metadata: { resourceVersion: "9" }, spec }, 2);
  await overtaken.chore.do(never);
  assert.equal(overtaken.sent.length, 3);
  await assert.rejects(start(stored, stored, 9).chore.do(never), /has been modified/);
});

test("what somebody added is taken away by name, with its labels, and other people's annotations stay", async () => {
  const found = {
    metadata: { resourceVersion: "7", labels: { of: "somebody" }, annotations: { note: "theirs" } },
    spec: { hard: { "requests.cpu": "1000m" }, scopes: ["BestEffort"] },
  };
  const { chore, sent, warnings } = start(found, { metadata: { resourceVersion: "8" }, spec: {} });
  await chore.do(never);
  assert.deepEqual(sent, [
    {
      metadata: { ...metadata, resourceVersion: "7", uid: "q", annotations: { note: "theirs" } },
      spec: { hard: { "requests.cpu": "1000m" } },
    },
  ]);
  const [warning] = warnings;
  assert.deepEqual(warning?.fields, {
    kind: "ResourceQuota",
    object: "fairlead-peer-tokyo/fairlead",
    extra: ["scopes"],
  });
});
