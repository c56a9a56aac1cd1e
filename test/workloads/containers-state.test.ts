import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../../src/kube/object.ts";
import type { Pod } from "../../src/kube/resources.ts";
import { podState } from "../../src/workloads/host/pod-state.ts";

const now = Date.UTC(2026, 0, 1, 12);
const longAgo = { startedAt: "2026-01-01T11:00:00Z" };
const digest = `sha256:${"ab".repeat(32)}`;
const failed = { exitCode: 3, reason: "Error", finishedAt: "2026-01-01T11:59:58Z" };

interface Given {
  readonly restartPolicy?: string;
  readonly phase?: string;
  readonly ready?: boolean;
  readonly containers: { [name: string]: JsonObject };
  readonly init?: { [name: string]: JsonObject };
  readonly sidecars?: readonly string[];
}

/** A pod as a kubelet tells of it, which sorts containers by their names. */
function podOf({
  restartPolicy = "Always",
  phase = "Running",
  ready = false,
  containers,
  init = {},
  ...o
}: Given): Pod {
  const statuses = (of: { [name: string]: JsonObject }): JsonObject[] =>
    Object.entries(of)
      .map(([name, status]) => ({ name, ready: false, restartCount: 0, imageID: "", ...status }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  const initContainers = Object.keys(init).map((name) => {
    return { name, ...(o.sidecars?.includes(name) ? { restartPolicy: "Always" } : {}) };
  });
  return JSON.parse(
    JSON.stringify({
      metadata: { name: "web-1", uid: "u" },
      spec: { restartPolicy, containers: Object.keys(containers).map((name) => ({ name })), initContainers },
      status: {
        phase,
        conditions: [{ type: "Ready", status: ready ? "True" : "False" }],
        containerStatuses: statuses(containers),
        initContainerStatuses: statuses(init),
      },
    }),
  );
}

const look = (given: Given, lines: (pod: string, container: string) => string | undefined = () => undefined) =>
  podState(podOf(given), lines, now);

const up: JsonObject = { ready: true, state: { running: longAgo } };
const done: JsonObject = { state: { terminated: { exitCode: 0, reason: "Completed" } } };
const waits: JsonObject = { state: { waiting: { reason: "PodInitializing" } } };

test("containers are told the app's own first, then those beside it in their order, then those before it", () => {
  const { pod } = look({
    ready: true,
    containers: { app: up, zebra: up, ant: up },
    init: { second: done, first: done },
  });
  assert.deepEqual(
    pod.containers.map(({ name, init }) => `${name}${init ? " init" : ""}`),
    ["app", "zebra", "ant", "second init", "first init"],
  );
  assert.deepEqual([pod.ready, pod.reason], [true, undefined]);
});

test("a container tells its state, its restarts, its last end and the digest of the image that it runs", () => {
  const { pod } = look({
    ready: true,
    containers: {
      app: {
        ...up,
        restartCount: 2,
        imageID: `registry.example:5000/shop/web@${digest}`,
        lastState: { terminated: { ...failed, finishedAt: "2026-01-01T10:00:00Z" } },
      },
      log: { ...up, imageID: digest },
      odd: { ...up, imageID: "sandbox://web:1" },
    },
  });
  const [app, log, odd] = pod.containers;
  assert.deepEqual(JSON.parse(JSON.stringify({ ...app, $typeName: undefined })), {
    name: "app",
    ready: true,
    state: "Running",
    restarts: 2,
    exitCode: 3,
    finishedAt: "2026-01-01T10:00:00Z",
    imageDigest: digest,
  });
  assert.deepEqual([log?.imageDigest, odd?.imageDigest], [digest, undefined]);
  assert.equal(pod.restarts, 2);
});

test("of several containers the one in trouble is named, with its end and its own last lines", () => {
  const { pod, trouble, crash } = look(
    {
      containers: {
        app: up,
        log: { restartCount: 4, state: { waiting: { reason: "CrashLoopBackOff" } }, lastState: { terminated: failed } },
      },
    },
    (name, container) => `${name} ${container} said this`,
  );
  assert.ok(trouble);
  assert.deepEqual([pod.reason, pod.exitCode, pod.restarts], ["CrashLoopBackOff", 3, 4]);
  assert.equal(pod.message, "Container log keeps ending, with exit code 3");
  assert.equal(pod.lastLines, "web-1 log said this");
  assert.deepEqual([crash?.container, crash?.previous], ["log", true]);
});

test("an init container that fails is the trouble, and not that the others wait for it", () => {
  const { pod, crash } = look({
    phase: "Pending",
    containers: { app: waits, log: waits },
    init: { prepare: done, migrate: { restartCount: 1, state: { terminated: failed } } },
  });
  assert.deepEqual([pod.reason, pod.exitCode], ["CrashLoopBackOff", 3]);
  assert.equal(pod.message, "Init container migrate keeps ending, with exit code 3");
  assert.deepEqual([crash?.container, crash?.previous], ["migrate", false]);
});

test("an init container that cannot pull its image is the trouble too", () => {
  const waiting = { reason: "ErrImagePull", message: "no such image: tools:9" };
  const { pod, trouble } = look({
    phase: "Pending",
    containers: { app: waits },
    init: { tools: { state: { waiting } } },
  });
  assert.ok(trouble);
  assert.deepEqual([pod.reason, pod.message], ["ImagePullBackOff", "no such image: tools:9"]);
});

test("while an init container does its work, the pod says so and has no trouble", () => {
  const { pod, trouble } = look({
    phase: "Pending",
    containers: { app: waits },
    init: { migrate: { state: { running: longAgo } } },
  });
  assert.equal(trouble, false);
  assert.deepEqual(
    [pod.reason, pod.message],
    ["Initializing", "Init container migrate runs; the others come after it."],
  );
});

test("a sidecar that ends is in trouble, and one that runs is none that the others wait for", () => {
  const given = { containers: { app: up }, sidecars: ["proxy"] };
  const well = look({ ...given, ready: true, init: { proxy: up } });
  assert.deepEqual([well.trouble, well.pod.ready, well.pod.containers[1]?.state], [false, true, "Running"]);
  const ended = look({ ...given, init: { proxy: { restartCount: 1, ...done } } });
  assert.equal(ended.pod.message, "Sidecar proxy keeps ending, with exit code 0");
});

test("a container that runs beside others and is not ready yet is named", () => {
  const { pod, trouble } = look({ containers: { app: up, log: { state: { running: longAgo } } } });
  assert.equal(trouble, false);
  assert.deepEqual([pod.reason, pod.message], ["NotReady", "Container log runs and is not ready yet."]);
});

test("a pod of a Job that ended well is no trouble, and one that failed says how", () => {
  const well = look({ restartPolicy: "Never", phase: "Succeeded", containers: { app: done } });
  assert.deepEqual([well.trouble, well.pod.reason, well.crash], [false, "Completed", undefined]);
  const failure = look({
    restartPolicy: "Never",
    phase: "Failed",
    containers: { app: { state: { terminated: failed } } },
  });
  assert.deepEqual([failure.pod.reason, failure.pod.exitCode], ["Error", 3]);
  assert.equal(failure.pod.message, "The container ended with exit code 3");
  assert.equal(failure.crash?.previous, false);
  const ending = look({ restartPolicy: "Never", containers: { app: { state: { terminated: failed } } } });
  assert.deepEqual([ending.pod.reason, ending.isOver], ["Error", true], "the pod itself says so some moments later");
  const retried = look({
    restartPolicy: "OnFailure",
    containers: {
      app: { restartCount: 1, state: { waiting: { reason: "CrashLoopBackOff" } }, lastState: { terminated: failed } },
    },
  });
  assert.equal(retried.pod.reason, "CrashLoopBackOff");
});

test("what a runtime writes is cut", () => {
  const long = "x".repeat(100_000);
  const { pod } = look({ containers: { app: { state: { waiting: { reason: long, message: long } } } } });
  assert.ok((pod.message ?? "").length <= 512 && (pod.reason ?? "").length <= 128);
  assert.ok((pod.containers[0]?.reason ?? "").length <= 128);
  const end = look({ containers: { app: { state: { terminated: { ...failed, message: long } } } } });
  assert.ok((end.pod.message ?? "").length <= 512);
});

test("of very many containers as many are told as a status has room for, and the one in trouble is among them", () => {
  const many = Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`c${index}`, up]));
  const bad = { state: { waiting: { reason: "ImagePullBackOff" } } };
  const { pod } = look({ containers: { app: up, ...many, zzz: bad } });
  assert.equal(pod.containers.length, 16);
  assert.deepEqual([pod.containers[0]?.name, pod.containers[15]?.name], ["app", "zzz"]);
});
