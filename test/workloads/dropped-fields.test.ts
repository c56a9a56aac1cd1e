/** An API server that does not keep all that it is given: old, or with features switched off. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { KubeClient } from "../../src/kube/client.ts";
import { type Draft, isJsonObject, type JsonObject, type JsonValue } from "../../src/kube/object.ts";
import { type Deployment, deployments as kind } from "../../src/kube/resources.ts";
import { lostOf } from "../../src/workloads/host/dropped-fields.ts";
import { kubeError } from "./cluster.ts";
import { app, applyApp, deployments, phaseOf, setPolicy, startTown, statusOf } from "./story.ts";

const preStop = { lifecycle: { preStop: { sleep: { seconds: 5 } } } };

/** Without a field of this name, wherever it stands. */
function without(value: JsonValue, field: string): JsonValue {
  if (Array.isArray(value)) return value.map((item) => without(item, field));
  if (!isJsonObject(value)) return value;
  const kept = Object.entries(value).filter(([name]) => name !== field);
  return Object.fromEntries(kept.map(([name, inner]) => [name, without(inner, field)]));
}

/** Everything that is sent loses the field while `isOld` says so. */
function forgetful(field: string, isOld: () => boolean): (client: KubeClient) => KubeClient {
  return (client) => {
    const forgotten = <T extends { metadata: object }>(format: (draft: T) => JsonObject, draft: T): T => {
      const json = format(draft);
      return isOld() && json.spec !== undefined
        ? JSON.parse(JSON.stringify({ ...json, spec: without(json.spec, field) }))
        : draft;
    };
    return {
      ...client,
      apply: (of, draft, o, signal) =>
        client.apply(of, of.kind === "Workload" ? draft : forgotten(of.format, draft), o, signal),
      create: (of, draft, signal) => client.create(of, forgotten(of.format, draft), signal),
    };
  };
}

function said(spec: object): Draft<Deployment> {
  return kind.parse(JSON.parse(JSON.stringify({ metadata: { name: "web" }, spec })));
}

function lost(spec: object, there: object): string[] {
  return lostOf(kind, said(spec), said(there));
}

test("what was said and is not there is named, in lists by what its items are called", () => {
  const own = { name: "app", image: "web:1", env: [{ name: "A", value: "b" }], ...preStop };
  const template = (...containers: object[]): object => ({ template: { spec: { containers } } });
  const { lifecycle: _gone, ...less } = own;
  assert.deepEqual(lost(template(own), template({ name: "spy" }, less)), [
    "spec.template.spec.containers[app].lifecycle",
  ]);
  assert.deepEqual(lost(template(own), template({ ...own, env: [{ name: "B" }] })), [
    "spec.template.spec.containers[app].env[A]",
  ]);
  assert.deepEqual(lost({ replicas: 2 }, {}), ["spec.replicas"]);
});

test("other values are no loss, and what is empty or zero says nothing", () => {
  assert.deepEqual(lost({ replicas: 2, paused: false, minReadySeconds: 0 }, { replicas: 5 }), []);
  const env = (more: object): object => ({
    template: { spec: { containers: [{ name: "a", env: [{ name: "A", ...more }] }] } },
  });
  assert.deepEqual(lost(env({ value: "" }), env({})), []);
});

test("nothing is made of an app of which the host's API server would drop a field, and its name is told", async (t) => {
  let isOld = true;
  const town = await startTown(
    t,
    forgetful("lifecycle", () => isOld),
  );
  applyApp(town, "web", preStop);
  await town.until("told", () => statusOf(town, "web").reason === "FieldDropped");
  assert.match(
    String(statusOf(town, "web").message),
    /Deployment spec\.template\.spec\.containers\[app\]\.lifecycle\. /,
  );
  assert.equal(phaseOf(town, "web"), "Degraded");
  assert.equal(deployments(town).length, 0);
  assert.equal(town.agent("osaka").workloads.host.oldestPendingMs(), 0);
  isOld = false;
  await town.until("Ready after an upgrade", () => phaseOf(town, "web") === "Ready");
});

test("what ran before runs on when a change would lose a field", async (t) => {
  const town = await startTown(
    t,
    forgetful("lifecycle", () => true),
  );
  applyApp(town, "web");
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  const [before] = deployments(town);
  applyApp(town, "web", { image: "web:2", ...preStop });
  await town.until("told", () => statusOf(town, "web").reason === "FieldDropped");
  assert.deepEqual(deployments(town)[0]?.spec, before?.spec);
  applyApp(town, "web", { image: "web:2" });
  await town.until("Ready again", () => phaseOf(town, "web") === "Ready");
  assert.match(JSON.stringify(deployments(town)[0]?.spec), /web:2/);
});

test("the same for a Job and for a claim, which are made and not applied", async (t) => {
  const town = await startTown(
    t,
    forgetful("lifecycle", () => true),
  );
  setPolicy(town, { storage: { classes: ["standard"] } });
  applyApp(town, "once", { kind: "Job", ports: [], ...preStop });
  await town.until("told", () => statusOf(town, "once").reason === "FieldDropped");
  assert.match(String(statusOf(town, "once").message), /Job spec\.template/);
  assert.deepEqual(town.agent("osaka").cluster.all("jobs"), []);

  const other = await startTown(
    t,
    forgetful("volumeMode", () => true),
  );
  setPolicy(other, { storage: { classes: ["standard"] } });
  const spec = { storageClassName: "standard", volumeMode: "Filesystem", resources: { requests: { storage: "1Gi" } } };
  applyApp(other, "web", { claims: [{ name: "data", spec }] });
  await other.until("told", () => statusOf(other, "web").reason === "FieldDropped");
  assert.deepEqual(other.agent("osaka").cluster.all("persistentvolumeclaims"), []);
  assert.equal(deployments(other).length, 0);
});

test("a field that is in no schema of the server is an answer too, and no ill health of the agent", async (t) => {
  const message =
    'failed to create typed patch object (a/b; apps/v1, Kind=Deployment): .spec.template.spec.containers[name="app"].lifecycle: field not declared in schema';
  const town = await startTown(t, (client) => ({
    ...client,
    apply: async (of, draft, o, signal) => {
      if (of.plural === "deployments") throw kubeError(500, "InternalError", message);
      return client.apply(of, draft, o, signal);
    },
  }));
  applyApp(town, "web", preStop);
  await town.until("told", () => statusOf(town, "web").reason === "FieldDropped");
  assert.match(String(statusOf(town, "web").message), /containers\[name="app"\]\.lifecycle/);
  assert.equal(app(town, "web").status?.phase, "Degraded");
});
