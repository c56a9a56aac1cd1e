import assert from "node:assert/strict";
import { test } from "node:test";
import type { Deployment, Pod } from "../../src/kube/resources.ts";
import { type Readiness, readiness } from "../../src/workloads/host/readiness.ts";
import { deployment, pod } from "./objects.ts";

const now = Date.UTC(2026, 0, 1, 12);
const longAgo = { startedAt: "2026-01-01T11:00:00Z" };
const allReady = { replicas: 2, updatedReplicas: 2, readyReplicas: 2, availableReplicas: 2 };

function look(o: { desired?: number; deployment?: Deployment | undefined; pods?: Pod[]; lines?: string }): Readiness {
  const { desired = 2, pods = [], lines } = o;
  const found = "deployment" in o ? o.deployment : deployment(allReady);
  return readiness({
    desired,
    controller: found && { kind: "Deployment", object: found },
    pods,
    template: "now",
    lastLines: () => lines,
    progressDeadlineSeconds: 600,
    now,
  });
}

const word = ({ phase, reason }: Readiness): string => `${phase} ${reason}`;
const running = (name: string): Pod => pod(name, { ready: true, state: { running: longAgo } });

test("an app is Pending before there is a Deployment, and Progressing until its controller has looked", () => {
  assert.equal(word(look({ deployment: undefined })), "Pending NotCreated");
  const unseen = deployment({ ...allReady, observedGeneration: 1 }, 2);
  assert.equal(word(look({ deployment: unseen, pods: [running("a"), running("b")] })), "Progressing RollingOut");
});

test("an app is Ready when all its pods are of the present spec and ready, and no older ones are left", () => {
  const pods = [running("a"), running("b")];
  assert.equal(word(look({ pods })), "Ready AllReady");
  const oldOnes = deployment({ replicas: 3, updatedReplicas: 2, readyReplicas: 3 });
  assert.equal(word(look({ deployment: oldOnes, pods: [...pods, running("c")] })), "Progressing RollingOut");
});

test("an app with no replicas is Ready with 0 of 0", () => {
  const none = look({ desired: 0, deployment: deployment({}) });
  assert.equal(word(none), "Ready ScaledToZero");
  assert.equal(none.readyReplicas, 0);
});

test("a pod that cannot pull its image degrades the app, with one word for both of the kubelet's", () => {
  for (const reason of ["ErrImagePull", "ImagePullBackOff"]) {
    const bad = pod("a", { state: { waiting: { reason, message: "no such image" } } });
    const seen = look({
      deployment: deployment({ replicas: 2, updatedReplicas: 2, readyReplicas: 1 }),
      pods: [bad, running("b")],
    });
    assert.equal(word(seen), "Degraded ImagePullBackOff");
    assert.equal(seen.message, "1 of 2 pods are ready. Pod a: no such image");
  }
});

test("a pod that only starts is no trouble", () => {
  const starting = pod("a", { state: { waiting: { reason: "ContainerCreating" } } });
  const notReady = pod("b", { state: { running: longAgo } });
  const seen = look({ deployment: deployment({ replicas: 2, updatedReplicas: 2 }), pods: [starting, notReady] });
  assert.equal(word(seen), "Progressing RollingOut");
});

test("trouble of pods of an older spec is over soon, and says nothing about the app", () => {
  const old = pod("old", { template: "before", state: { waiting: { reason: "CrashLoopBackOff" } } });
  const fresh = pod("new", { state: { waiting: { reason: "ContainerCreating" } } });
  const seen = look({ desired: 1, deployment: deployment({ replicas: 2, updatedReplicas: 1 }), pods: [old, fresh] });
  assert.equal(word(seen), "Progressing RollingOut");
  assert.deepEqual(
    seen.pods.map(({ name }) => name),
    ["new", "old"],
  );
});

test("a crashing container shows its exit code and its last lines, also while it happens to run", () => {
  const end = { exitCode: 3, reason: "Error", finishedAt: "2026-01-01T11:59:58Z" };
  const states = [
    { state: { waiting: { reason: "CrashLoopBackOff" } }, lastState: { terminated: end } },
    { state: { terminated: end } },
    { state: { running: { startedAt: "2026-01-01T11:59:59Z" } }, lastState: { terminated: end }, ready: true },
  ];
  for (const state of states) {
    const crashing = pod("a", { restartCount: 2, ...state });
    const seen = look({
      desired: 1,
      deployment: deployment({ ...allReady, replicas: 1 }),
      pods: [crashing],
      lines: "boom",
    });
    assert.equal(word(seen), "Degraded CrashLoopBackOff");
    assert.equal(seen.pods[0]?.exitCode, 3);
    assert.equal(seen.pods[0]?.lastLines, "boom");
    assert.equal(seen.readyReplicas, 0, "what has just crashed is not ready");
    assert.equal(seen.crashes.length, 1);
  }
});

test("a container that ran for ten seconds after a crash is steady, and is looked at again when that time is up", () => {
  const lastState = { terminated: { exitCode: 1, finishedAt: "2026-01-01T11:59:00Z" } };
  const recent = pod("a", {
    ready: true,
    restartCount: 1,
    state: { running: { startedAt: "2026-01-01T11:59:53Z" } },
    lastState,
  });
  const one = deployment({ replicas: 1, updatedReplicas: 1, readyReplicas: 1, availableReplicas: 1 });
  const seen = look({ desired: 1, deployment: one, pods: [recent] });
  assert.equal(word(seen), "Degraded CrashLoopBackOff");
  assert.equal(seen.againMs, 3000);
  const steady = pod("a", {
    ready: true,
    restartCount: 1,
    state: { running: { startedAt: "2026-01-01T11:59:50Z" } },
    lastState,
  });
  assert.equal(word(look({ desired: 1, deployment: one, pods: [steady] })), "Ready AllReady");
});

test("a container that was killed for its memory says so, with the exit code", () => {
  const lastState = { terminated: { exitCode: 137, reason: "OOMKilled", finishedAt: "2026-01-01T11:59:58Z" } };
  const killed = pod("a", { restartCount: 1, state: { waiting: { reason: "CrashLoopBackOff" } }, lastState });
  const seen = look({ desired: 1, pods: [killed] });
  assert.equal(word(seen), "Degraded OOMKilled");
  assert.match(seen.message, /memory.*exit code 137/);
});

test("a pod that no node has room for says why in the scheduler's words", () => {
  const message = "0/3 nodes are available: 3 Insufficient cpu.";
  const conditions = [{ type: "PodScheduled", status: "False", reason: "Unschedulable", message }];
  const seen = look({
    desired: 1,
    deployment: deployment({ replicas: 1, updatedReplicas: 1 }),
    pods: [pod("a", { conditions })],
  });
  assert.equal(word(seen), "Degraded Unschedulable");
  assert.ok(seen.message.includes(message));
});

test("pods that the cluster refuses to make, and a deadline that passed, degrade the app", () => {
  const refusal = { type: "ReplicaFailure", status: "True", reason: "FailedCreate", message: "exceeded quota" };
  const refused = deployment({ replicas: 0, conditions: [refusal] });
  assert.equal(word(look({ deployment: refused })), "Degraded FailedCreate");
  assert.match(look({ deployment: refused }).message, /exceeded quota/);
  const late = { type: "Progressing", status: "False", reason: "ProgressDeadlineExceeded" };
  const stuck = deployment({ replicas: 2, updatedReplicas: 2, readyReplicas: 1, conditions: [late] });
  assert.equal(word(look({ deployment: stuck, pods: [running("a")] })), "Degraded DeadlineExceeded");
});

test("at most a hundred pods are told, those in trouble first, in the same order each time", () => {
  const pods = Array.from({ length: 150 }, (_, index) => running(`p${String(index).padStart(3, "0")}`));
  const bad = pod("zzz", { state: { waiting: { reason: "ErrImagePull" } } });
  const seen = look({ desired: 151, deployment: deployment({ replicas: 151 }), pods: [...pods, bad] });
  assert.equal(seen.pods.length, 100);
  assert.equal(seen.pods[0]?.name, "zzz");
  assert.deepEqual(look({ desired: 151, pods: [bad, ...pods.reverse()] }).pods, seen.pods);
});
