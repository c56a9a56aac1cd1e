import assert from "node:assert/strict";
import { test } from "node:test";
import type { AppRollout } from "../../src/gen/fairlead/resources/v1alpha1/app_pod_pb.ts";
import type { JsonObject } from "../../src/kube/object.ts";
import type { Deployment, Pod, StatefulSet } from "../../src/kube/resources.ts";
import { type Readiness, readiness } from "../../src/workloads/host/readiness.ts";
import { pod } from "./objects.ts";

const noon = Date.UTC(2026, 0, 1, 12);
const longAgo = { startedAt: "2026-01-01T11:00:00Z" };
const ready = (name: string, template = "now"): Pod =>
  pod(name, { ready: true, template, state: { running: longAgo } });
const starting = (name: string): Pod => pod(name, { state: { waiting: { reason: "ContainerCreating" } } });

interface Given {
  readonly status: JsonObject;
  readonly spec?: JsonObject;
  readonly pods?: Pod[];
  readonly desired?: number;
  readonly now?: number;
  readonly rollout?: AppRollout | undefined;
}

function look(
  kind: "Deployment" | "StatefulSet",
  { status, spec = {}, pods = [], desired = 3, ...o }: Given,
): Readiness {
  const object: Deployment & StatefulSet = JSON.parse(
    JSON.stringify({
      metadata: { name: "web", generation: 1 },
      spec: { progressDeadlineSeconds: 60, ...spec },
      status: { observedGeneration: 1, ...status },
    }),
  );
  return readiness({
    desired,
    controller: { kind, object },
    pods,
    template: "now",
    lastLines: () => undefined,
    progressDeadlineSeconds: 60,
    now: noon,
    ...o,
  });
}

function plain(rollout: AppRollout | undefined): JsonObject | undefined {
  return rollout && JSON.parse(JSON.stringify({ ...rollout, $typeName: undefined }));
}

const progressing = (reason: string, status = "True", at = "2026-01-01T11:59:30Z") => ({
  conditions: [{ type: "Progressing", status, reason, lastUpdateTime: at }],
});

test("a Deployment's rollout tells how far it is, since when, and until when it has to move", () => {
  const status = { replicas: 4, updatedReplicas: 2, readyReplicas: 3, ...progressing("ReplicaSetUpdated") };
  const pods = [ready("a"), starting("b"), ready("c", "old"), ready("d", "old")];
  const first = look("Deployment", { status, pods });
  assert.deepEqual(plain(first.rollout), {
    startedAt: "2026-01-01T12:00:00Z",
    deadlineAt: "2026-01-01T12:00:30Z",
    updated: 2,
    updatedReady: 1,
    old: 2,
    total: 3,
    paused: false,
  });
  const later = look("Deployment", { status, pods, now: noon + 20_000, rollout: first.rollout });
  assert.equal(later.rollout?.startedAt, "2026-01-01T12:00:00Z", "it began when it began");
});

test("a rollout is over when all pods were there, and a pod that crashes later begins none", () => {
  const status = { replicas: 3, updatedReplicas: 3, readyReplicas: 3, availableReplicas: 3 };
  const over = { ...status, ...progressing("NewReplicaSetAvailable") };
  assert.equal(
    look("Deployment", { status: over, pods: ["a", "b", "c"].map((name) => ready(name)) }).rollout,
    undefined,
  );
  const pods = [ready("a"), ready("b"), starting("c")];
  assert.equal(look("Deployment", { status: { ...over, readyReplicas: 2 }, pods }).rollout, undefined);
  const new_ = { ...status, readyReplicas: 2, ...progressing("ReplicaSetUpdated") };
  assert.equal(look("Deployment", { status: new_, pods }).rollout?.updatedReady, 2);
});

test("a rollout that stands still is late when Kubernetes says so, and says until when it should have moved", () => {
  const status = {
    replicas: 4,
    updatedReplicas: 1,
    readyReplicas: 3,
    ...progressing("ProgressDeadlineExceeded", "False"),
  };
  const seen = look("Deployment", { status, pods: [starting("a"), ready("b", "old")] });
  assert.deepEqual([seen.phase, seen.reason], ["Degraded", "DeadlineExceeded"]);
  assert.equal(seen.rollout?.old, 3);
});

test("a paused rollout waits without a deadline", () => {
  const status = { replicas: 3, updatedReplicas: 0, readyReplicas: 3, ...progressing("DeploymentPaused", "Unknown") };
  const pods = ["a", "b", "c"].map((name) => ready(name, "old"));
  const seen = look("Deployment", { status, spec: { paused: true }, pods });
  assert.deepEqual([seen.phase, seen.reason], ["Progressing", "Paused"]);
  assert.deepEqual([seen.rollout?.paused, seen.rollout?.deadlineAt], [true, undefined]);
});

test("a StatefulSet is Ready when all its pods are of the present spec and ready", () => {
  const revisions = { currentRevision: "r1", updateRevision: "r1" };
  const status = { replicas: 3, updatedReplicas: 3, readyReplicas: 3, availableReplicas: 3, ...revisions };
  const pods = ["a", "b", "c"].map((name) => ready(name));
  const seen = look("StatefulSet", { status, pods });
  assert.deepEqual([seen.phase, seen.reason, seen.rollout], ["Ready", "AllReady", undefined]);
  const moving = { ...status, updatedReplicas: 1, updateRevision: "r2" };
  const under = look("StatefulSet", { status: moving, pods });
  assert.deepEqual([under.phase, under.reason, under.rollout?.updated], ["Progressing", "RollingOut", 1]);
});

test("a StatefulSet that changes only some of its pods is Ready when those have changed", () => {
  const status = { replicas: 3, updatedReplicas: 1, readyReplicas: 3, currentRevision: "r1", updateRevision: "r2" };
  const pods = [ready("a", "old"), ready("b", "old"), ready("c")];
  const partition = { updateStrategy: { type: "RollingUpdate", rollingUpdate: { partition: 2 } } };
  assert.equal(look("StatefulSet", { status, pods, spec: partition }).phase, "Ready");
  assert.equal(look("StatefulSet", { status, pods, spec: { updateStrategy: { type: "OnDelete" } } }).phase, "Ready");
  assert.equal(look("StatefulSet", { status, pods }).phase, "Progressing");
});

test("a StatefulSet, whose lateness nobody tells, has its deadline from the last time on that anything moved", () => {
  const status = { replicas: 2, updatedReplicas: 1, readyReplicas: 1, currentRevision: "r1", updateRevision: "r2" };
  const pods = [starting("a"), ready("b", "old")];
  const first = look("StatefulSet", { status, pods });
  assert.equal(first.rollout?.deadlineAt, "2026-01-01T12:01:00Z");
  assert.equal(first.againMs, 60_000, "somebody has to look when it is up");
  const still = look("StatefulSet", { status, pods, now: noon + 50_000, rollout: first.rollout });
  assert.deepEqual([still.rollout?.deadlineAt, still.againMs], ["2026-01-01T12:01:00Z", 10_000]);
  const late = look("StatefulSet", { status, pods, now: noon + 60_000, rollout: first.rollout });
  assert.deepEqual([late.phase, late.reason, late.againMs], ["Degraded", "DeadlineExceeded", undefined]);
  const moved = look("StatefulSet", {
    status: { ...status, updatedReplicas: 2 },
    pods,
    now: noon + 70_000,
    rollout: late.rollout,
  });
  assert.deepEqual([moved.phase, moved.rollout?.deadlineAt], ["Progressing", "2026-01-01T12:02:10Z"]);
});

test("a StatefulSet keeps to its order, so a pod of an earlier spec that is in trouble is its trouble", () => {
  const bad = pod("web-0", { template: "old", state: { waiting: { reason: "ImagePullBackOff", message: "gone" } } });
  const status = { replicas: 1, updatedReplicas: 0, readyReplicas: 0, currentRevision: "r1", updateRevision: "r2" };
  assert.equal(look("StatefulSet", { status, pods: [bad], desired: 1 }).reason, "ImagePullBackOff");
  const deployment = { replicas: 2, updatedReplicas: 1, readyReplicas: 0 };
  assert.equal(look("Deployment", { status: deployment, pods: [bad, starting("b")], desired: 1 }).reason, "RollingOut");
});
