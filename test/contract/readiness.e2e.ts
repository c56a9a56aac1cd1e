/** What is told of pods, rollouts and Jobs, held to what a real cluster's kubelet and controllers say of them. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { after, before, suite, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import type { AppContainer } from "../../src/gen/fairlead/resources/v1alpha1/app_pod_pb.ts";
import { events } from "../../src/kube/resources.ts";
import { appEvents, happeningOf } from "../../src/workloads/host/app-events.ts";
import { podState } from "../../src/workloads/host/pod-state.ts";
import { type Readiness, readiness } from "../../src/workloads/host/readiness.ts";
import { type Api, connectApi, type Json } from "./api.ts";

const kubeconfig = process.env.KUBECONFIG_A;
if (!kubeconfig) throw new Error("KUBECONFIG_A must name the kubeconfig of a cluster to test against");
const image = "docker.io/library/busybox:1.36";

/** Kubelets take their time on a busy machine. */
const longestMs = 120_000;
const name = "web-0123456789";
const namespace = `contract-${randomBytes(4).toString("hex")}`;
const core = `/api/v1/namespaces/${namespace}`;
const shell = (called: string, script: string): Json => ({ name: called, image, command: ["sh", "-c", script] });
const template = (spec: Json): Json => ({
  metadata: { labels: { app: name }, annotations: { "fairlead.dev/template": "now" } },
  spec: { terminationGracePeriodSeconds: 0, ...spec },
});

let api: Api;

before(async () => {
  api = connectApi(await readFile(kubeconfig, "utf8"));
  await api.ask("POST", "/api/v1/namespaces", { body: { metadata: { name: namespace } } });
});
after(async () => {
  await api.ask("DELETE", `/api/v1/namespaces/${namespace}`);
  api.close();
});

async function until<T>(what: string, look: () => Promise<T>, isRight: (seen: T) => boolean): Promise<T> {
  const deadline = Date.now() + longestMs;
  for (;;) {
    const seen = await look();
    if (isRight(seen)) return seen;
    if (Date.now() > deadline) throw new Error(`${what}: ${JSON.stringify(seen)}`);
    await setTimeout(250);
  }
}

async function make(path: string, body: Json): Promise<void> {
  const { status, body: answer } = await api.ask("POST", path, { body });
  assert.equal(status, 201, answer.message);
}

const brief = ({ name: called, state, exitCode, reason, init }: AppContainer): string =>
  [called, init ? "init" : "", state, exitCode, reason].filter((word) => word !== "" && word !== undefined).join(" ");

async function look(kind: "Deployment" | "StatefulSet" | "Job", path: string): Promise<Readiness> {
  const [{ body: object }, { body: pods }] = await Promise.all([
    api.ask("GET", path),
    api.ask("GET", `${core}/pods`, { query: { labelSelector: `app=${name}` } }),
  ]);
  return readiness({
    desired: object.spec.replicas ?? object.spec.parallelism ?? 1,
    controller: { kind, object },
    pods: pods.items,
    template: "now",
    lastLines: () => undefined,
    progressDeadlineSeconds: 600,
    now: Date.now(),
  });
}

suite("what is told of an app on a real cluster", { timeout: 4 * longestMs }, () => {
  test("a pod whose init container fails, and one of whose containers ends, names the one that is to blame", async () => {
    const spec = {
      terminationGracePeriodSeconds: 0,
      containers: [shell("app", "sleep 600"), shell("log", "exit 4")],
    };
    await make(`${core}/pods`, { metadata: { name: "beside" }, spec });
    await make(`${core}/pods`, {
      metadata: { name: "before" },
      spec: { ...spec, initContainers: [shell("ready", "true"), shell("migrate", "exit 3")] },
    });
    const state = async (called: string) =>
      podState((await api.ask("GET", `${core}/pods/${called}`)).body, () => "its lines", Date.now());
    const beside = await until(
      "a container that ends",
      () => state("beside"),
      ({ crash }) => crash !== undefined,
    );
    assert.equal(beside.pod.message, "Container log keeps ending, with exit code 4");
    assert.deepEqual([beside.trouble, beside.crash?.container, beside.pod.lastLines], [true, "log", "its lines"]);
    assert.equal(beside.pod.containers[0]?.name, "app", "the app's own first, whatever the kubelet's order");
    const first = await until(
      "an init container that fails",
      () => state("before"),
      ({ crash }) => crash !== undefined,
    );
    assert.equal(first.pod.message, "Init container migrate keeps ending, with exit code 3");
    assert.equal(brief(first.pod.containers[2] ?? assert.fail()), "ready init Terminated 0 Completed");
  });

  test("a Deployment's rollout is told while it is under way, and no longer when its pods are there", async () => {
    const path = `/apis/apps/v1/namespaces/${namespace}/deployments`;
    const pod = template({
      containers: [{ ...shell("app", "sleep 600"), readinessProbe: { exec: { command: ["true"] } } }],
    });
    await make(path, {
      metadata: { name },
      spec: { replicas: 1, progressDeadlineSeconds: 300, selector: { matchLabels: { app: name } }, template: pod },
    });
    const under = await until(
      "a rollout",
      () => look("Deployment", `${path}/${name}`),
      ({ rollout }) => rollout?.deadlineAt !== undefined,
    );
    assert.equal(under.rollout?.total, 1);
    const over = await until(
      "its end",
      () => look("Deployment", `${path}/${name}`),
      ({ phase }) => phase === "Ready",
    );
    assert.equal(over.rollout, undefined);
    const [container] = over.pods[0]?.containers ?? [];
    assert.match(container?.imageDigest ?? "", /^sha256:[0-9a-f]{64}$/);
    const { body } = await api.ask("GET", `/apis/events.k8s.io/v1/namespaces/${namespace}/events`);
    const about = body.items.map((one: Json) => happeningOf(events.parse(one)));
    const told = appEvents(about.filter(({ workloads }: { workloads: string[] }) => workloads.includes(name)));
    const reasons = told.map(({ reason }) => reason);
    for (const reason of ["ScalingReplicaSet", "SuccessfulCreate", "Scheduled", "Started"])
      assert.ok(reasons.includes(reason), `${reason} among ${reasons}`);
    assert.ok(told.every(({ lastAt }) => Date.parse(lastAt ?? "") > Date.now() - 10 * longestMs));
    await api.ask("DELETE", `${path}/${name}`, { query: { propagationPolicy: "Foreground" } });
    await until(
      "no pods",
      () => look("Deployment", `${path}/${name}`).catch(() => undefined),
      (seen) => (seen?.pods.length ?? 0) === 0,
    );
  });

  test("a Job tells how far it is, that it has completed, and why it failed", async () => {
    const path = `/apis/batch/v1/namespaces/${namespace}/jobs`;
    const job = (called: string, script: string): Json => ({
      metadata: { name: called },
      spec: {
        completions: 2,
        backoffLimit: 0,
        template: template({ restartPolicy: "Never", containers: [shell("app", script)] }),
      },
    });
    await make(path, job(name, "true"));
    const done = await until(
      "a Job's end",
      () => look("Job", `${path}/${name}`),
      ({ reason }) => reason === "Completed",
    );
    assert.deepEqual([done.phase, done.job?.succeeded, done.job?.active], ["Ready", 2, 0]);
    assert.ok(done.pods.every(({ reason }) => reason === "Completed"));
    await make(path, job("fails", "exit 5"));
    const failed = await until(
      "its failure",
      () => look("Job", `${path}/fails`),
      ({ phase }) => phase === "Degraded",
    );
    assert.equal(failed.reason, "BackoffLimitExceeded");
    assert.ok(failed.crashes.length > 0);
  });
});
