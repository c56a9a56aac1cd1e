import assert from "node:assert/strict";
import { test } from "node:test";
import { type Answer, applyPatch, eventually, type Json, mergePatch } from "./api.ts";
import type { Context } from "./suite.ts";

const startMs = 60_000;

export function workloadTests(t: Context): void {
  const deploy = async (name: string, replicas: number, container: object, spec: object = {}): Promise<string> => {
    const path = t.group("apps/v1", "deployments", name);
    const labels = { app: name };
    const body = {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name },
      spec: {
        replicas,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { terminationGracePeriodSeconds: 1, containers: [container] } },
        ...spec,
      },
    };
    const { status, body: answer } = await t.api.ask("PATCH", path, {
      type: applyPatch,
      query: { fieldManager: "contract", force: true },
      body,
    });
    assert.ok(status < 300, JSON.stringify(answer));
    return path;
  };
  const pods = async (name: string): Promise<Json[]> =>
    (await t.api.ask("GET", t.path("pods"), { query: { labelSelector: `app=${name}` } })).body.items;
  const condition = (object: Json, type: string): Json => object.status?.conditions?.find((c: Json) => c.type === type);
  const isReady =
    (replicas: number) =>
    ({ body }: Answer): boolean =>
      body.status.observedGeneration === body.metadata.generation &&
      (body.status.readyReplicas ?? 0) === replicas &&
      (body.status.updatedReplicas ?? 0) === replicas &&
      (body.status.replicas ?? 0) === replicas;

  test("a Deployment becomes pods that are Ready, and says so", async () => {
    const name = t.name("d");
    const path = await deploy(name, 2, t.setting.echo);
    const { body } = await eventually(() => t.api.ask("GET", path), isReady(2), startMs);
    assert.equal(body.status.availableReplicas, 2);
    assert.equal(condition(body, "Available").status, "True");
    await eventually(
      () => t.api.ask("GET", path),
      (answer) => condition(answer.body, "Progressing")?.reason === "NewReplicaSetAvailable",
    );
    const [pod] = await pods(name);
    assert.equal(pod.status.phase, "Running");
    assert.equal(condition(pod, "Ready").status, "True");
    assert.equal(condition(pod, "PodScheduled").status, "True");
    assert.ok(pod.status.podIP);
    assert.ok(pod.spec.nodeName);
    const [status] = pod.status.containerStatuses;
    assert.deepEqual([status.ready, status.restartCount, status.started], [true, 0, true]);
    assert.ok(status.state.running.startedAt);
    const [owner] = pod.metadata.ownerReferences;
    assert.equal(owner.kind, "ReplicaSet");
    const set = (await t.api.ask("GET", t.group("apps/v1", "replicasets", owner.name))).body;
    assert.equal(set.metadata.ownerReferences[0].uid, body.metadata.uid);
    await t.api.ask("DELETE", path);
    await eventually(
      () => pods(name),
      (left) => left.length === 0,
      startMs,
    );
  });

  test("a Deployment is scaled up, down and to nothing", async () => {
    const name = t.name("d");
    const path = await deploy(name, 1, t.setting.echo);
    await eventually(() => t.api.ask("GET", path), isReady(1), startMs);
    for (const replicas of [3, 1, 0]) {
      await t.api.ask("PATCH", `${path}/scale`, { type: mergePatch, body: { spec: { replicas } } });
      await eventually(() => t.api.ask("GET", path), isReady(replicas), startMs);
      await eventually(
        () => pods(name),
        (left) => left.length === replicas,
        startMs,
      );
    }
    await t.api.ask("DELETE", path);
  });

  test("a new template replaces every pod", async () => {
    const name = t.name("d");
    const path = await deploy(name, 2, t.setting.echo);
    await eventually(() => t.api.ask("GET", path), isReady(2), startMs);
    const before = (await pods(name)).map((pod) => pod.metadata.uid);
    await deploy(name, 2, { ...t.setting.echo, env: [{ name: "EDITED", value: "yes" }] });
    await eventually(() => t.api.ask("GET", path), isReady(2), startMs);
    const after = await eventually(
      () => pods(name),
      (left) => left.length === 2,
      startMs,
    );
    assert.ok(
      after.every((pod) => !before.includes(pod.metadata.uid) && pod.spec.containers[0].env[0].value === "yes"),
    );
    await t.api.ask("DELETE", path);
  });

  test("an image that is nowhere shows as ErrImagePull or ImagePullBackOff with a message", async () => {
    const name = t.name("d");
    const path = await deploy(name, 1, { name: "app", image: "none.invalid/none:1" }, { progressDeadlineSeconds: 2 });
    const [pod] = await eventually(
      () => pods(name),
      ([first]) => first?.status?.containerStatuses?.[0]?.state?.waiting?.reason === "ImagePullBackOff",
      startMs,
    );
    assert.equal(pod.status.phase, "Pending");
    assert.match(pod.status.containerStatuses[0].state.waiting.message, /none\.invalid\/none:1/);
    assert.equal(condition(pod, "Ready").reason, "ContainersNotReady");
    const late = await eventually(
      () => t.api.ask("GET", path),
      ({ body }) => condition(body, "Progressing")?.reason === "ProgressDeadlineExceeded",
      startMs,
    );
    assert.equal(condition(late.body, "Progressing").status, "False");
    assert.equal(condition(late.body, "Available").status, "False");
    await t.api.ask("DELETE", path);
  });

  test("a container that crashes is restarted, with its exit code and what it printed before", async () => {
    const name = t.name("d");
    const path = await deploy(name, 1, t.setting.crash);
    const isCrashing = ([pod]: Json[]): boolean => {
      const status = pod?.status?.containerStatuses?.[0];
      return status?.state?.waiting?.reason === "CrashLoopBackOff" && status.restartCount >= 1;
    };
    const [pod] = await eventually(() => pods(name), isCrashing, startMs);
    const [status] = pod.status.containerStatuses;
    assert.equal(status.lastState.terminated.exitCode, 3);
    assert.equal(status.lastState.terminated.reason, "Error");
    assert.match(status.state.waiting.message, /back-off .* restarting failed container=crash pod=/);
    const log = await t.api.ask("GET", t.path("pods", pod.metadata.name, "log"), { query: { previous: true } });
    assert.equal(log.status, 200, JSON.stringify(log.body));
    assert.match(log.body, /^starting/);
    await t.api.ask("DELETE", path);
  });

  test("a pod that asks for more than there is stays unscheduled and says why", async () => {
    const name = t.name("d");
    const path = await deploy(name, 1, { ...t.setting.echo, resources: { requests: { cpu: "100000" } } });
    const [pod] = await eventually(
      () => pods(name),
      ([first]) => condition(first ?? {}, "PodScheduled")?.status === "False",
      startMs,
    );
    assert.equal(condition(pod, "PodScheduled").reason, "Unschedulable");
    assert.match(condition(pod, "PodScheduled").message, /0\/1 nodes are available: 1 Insufficient cpu/);
    assert.equal(pod.status.phase, "Pending");
    await t.api.ask("DELETE", path);
  });

  test("the ready pods behind a Service are in its EndpointSlices", async () => {
    const name = t.name("d");
    const path = await deploy(name, 2, t.setting.echo);
    const service = {
      metadata: { name },
      spec: { selector: { app: name }, ports: [{ name: "http", port: 80, targetPort: 8080 }] },
    };
    assert.equal((await t.api.ask("POST", t.path("services"), { body: service })).status, 201);
    const slices = (): Promise<Answer> =>
      t.api.ask("GET", t.group("discovery.k8s.io/v1", "endpointslices"), {
        query: { labelSelector: `kubernetes.io/service-name=${name}` },
      });
    const ready = ({ body }: Answer): Json[] =>
      body.items.flatMap((slice: Json) => slice.endpoints ?? []).filter((endpoint: Json) => endpoint.conditions.ready);
    const found = await eventually(slices, (answer) => ready(answer).length === 2, startMs);
    assert.equal(found.body.items[0].ports[0].name, "http");
    assert.equal(ready(found)[0].targetRef.kind, "Pod");
    await t.api.ask("DELETE", path);
    await eventually(slices, (answer) => ready(answer).length === 0, startMs);
  });

  test("a pod that is to run once is done when it is", async () => {
    const name = t.name("p");
    const body = { metadata: { name }, spec: { restartPolicy: "Never", containers: [t.setting.crash] } };
    assert.equal((await t.api.ask("POST", t.path("pods"), { body })).status, 201);
    const failed = await eventually(
      () => t.api.ask("GET", t.path("pods", name)),
      ({ body: pod }) => pod.status.phase === "Failed",
      startMs,
    );
    assert.equal(failed.body.status.containerStatuses[0].state.terminated.exitCode, 3);
    await t.api.ask("DELETE", t.path("pods", name));
    await eventually(
      () => t.api.ask("GET", t.path("pods", name)),
      ({ status }) => status === 404,
      startMs,
    );
  });
}
