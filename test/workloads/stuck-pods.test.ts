import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../../src/kube/object.ts";
import type { Pod, StatefulSet } from "../../src/kube/resources.ts";
import { stuckPod } from "../../src/workloads/host/stuck-pods.ts";
import { pod } from "./objects.ts";

const noon = Date.UTC(2026, 0, 1, 12);
const backOff = { waiting: { reason: "ImagePullBackOff", message: "no such image" } };
const works = { running: { startedAt: "2026-01-01T11:00:00Z" } };

function setWith(spec: JsonObject = {}, status: JsonObject = {}): StatefulSet {
  return JSON.parse(
    JSON.stringify({
      metadata: { name: "db", uid: "set", generation: 3 },
      spec: { replicas: 3, updateStrategy: { type: "RollingUpdate", rollingUpdate: { partition: 0 } }, ...spec },
      status: { observedGeneration: 3, updateRevision: "new", ...status },
    }),
  );
}

function one(ordinal: number, revision: string, state: JsonObject, more: JsonObject = {}): Pod {
  const made = pod(`db-${ordinal}`, { ready: state === works, state });
  const metadata = {
    ...made.metadata,
    creationTimestamp: "2026-01-01T11:59:00Z",
    labels: { "controller-revision-hash": revision },
    ownerReferences: [{ apiVersion: "apps/v1", kind: "StatefulSet", name: "db", uid: "set" }],
    ...more,
  };
  return { ...made, metadata };
}

function stuck(pods: Pod[], set = setWith(), now = noon): { name?: string | undefined; againMs?: number } {
  const { pod: found, againMs } = stuckPod({ set, pods, progressDeadlineSeconds: 600, now });
  return { ...(found ? { name: found.metadata.name } : {}), ...(againMs === undefined ? {} : { againMs }) };
}

test("a pod of an earlier template that is in trouble is in the way, the first of several", () => {
  assert.deepEqual(stuck([one(0, "old", works), one(1, "new", works), one(2, "bad", backOff)]), { name: "db-2" });
  assert.deepEqual(stuck([one(2, "bad", backOff), one(1, "bad", backOff), one(0, "old", works)]), { name: "db-1" });
  const many = Array.from({ length: 12 }, (_, ordinal) => one(ordinal, "old", ordinal < 2 ? works : backOff));
  assert.deepEqual(stuck(many), { name: "db-2" });
});

test("a pod of the present template is not, nor one that works, nor one of something else", () => {
  assert.deepEqual(stuck([one(0, "new", backOff), one(1, "old", works)]), {});
  assert.deepEqual(stuck([one(0, "old", backOff, { ownerReferences: [] })]), {});
});

test("nothing goes while another is going", () => {
  const going = { deletionTimestamp: "2026-01-01T12:00:00Z" };
  assert.deepEqual(stuck([one(0, "bad", backOff), one(1, "bad", backOff, going)]), {});
});

test("nothing goes before Kubernetes has looked at what is to come instead", () => {
  const pods = [one(0, "bad", backOff)];
  assert.deepEqual(stuck(pods, setWith({}, { observedGeneration: 2 })), {});
  assert.deepEqual(stuck(pods, setWith({}, { updateRevision: null })), {});
});

test("where no pod waits for another, or people change them by hand, all stay", () => {
  const pods = [one(0, "bad", backOff)];
  assert.deepEqual(stuck(pods, setWith({ podManagementPolicy: "Parallel" })), {});
  assert.deepEqual(stuck(pods, setWith({ updateStrategy: { type: "OnDelete" } })), {});
});

test("those below a partition stay, which would come back by the same template", () => {
  const set = setWith({ updateStrategy: { type: "RollingUpdate", rollingUpdate: { partition: 2 } } });
  assert.deepEqual(stuck([one(1, "bad", backOff), one(2, "old", works)], set), {});
  assert.deepEqual(stuck([one(1, "bad", backOff), one(2, "bad", backOff)], set), { name: "db-2" });
});

test("one that only never gets ready is left so long as the app's deadline says", () => {
  const slow = pod("db-0", { state: { running: { startedAt: "2026-01-01T11:59:00Z" } } });
  const pods = [{ ...slow, metadata: one(0, "bad", backOff).metadata }];
  assert.deepEqual(stuck(pods), { againMs: 540_000 });
  assert.deepEqual(stuck(pods, setWith(), noon + 540_000), { name: "db-0" });
});
