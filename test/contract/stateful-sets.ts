import assert from "node:assert/strict";
import { test } from "node:test";
import { type Answer, applyPatch, eventually, type Json, mergePatch } from "./api.ts";
import type { Context } from "./suite.ts";

const startMs = 90_000;

export function statefulSetTests(t: Context): void {
  const apply = async (name: string, script: string, spec: object = {}, more: object = {}): Promise<string> => {
    const path = t.group("apps/v1", "statefulsets", name);
    const labels = { app: name };
    const main = {
      name: "main",
      image: t.setting.shell,
      command: ["sh", "-c", `${script}; sleep 600`],
      volumeMounts: [{ name: "data", mountPath: "/data" }],
      ...more,
    };
    const claim = { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Mi" } } };
    const body = {
      apiVersion: "apps/v1",
      kind: "StatefulSet",
      metadata: { name },
      spec: {
        serviceName: name,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { terminationGracePeriodSeconds: 0, containers: [main] } },
        volumeClaimTemplates: [{ metadata: { name: "data" }, spec: claim }],
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
  const settled = (path: string, replicas: number): Promise<Answer> =>
    eventually(
      () => t.api.ask("GET", path),
      ({ body: { status, metadata } }) =>
        status.observedGeneration === metadata.generation &&
        status.replicas === replicas &&
        (status.readyReplicas ?? 0) === replicas &&
        (status.updatedReplicas ?? 0) === replicas,
      startMs,
    );
  const pods = async (name: string): Promise<Json[]> =>
    (await t.api.ask("GET", t.path("pods"), { query: { labelSelector: `app=${name}` } })).body.items;
  const log = async (pod: string): Promise<string> => (await t.api.ask("GET", t.path("pods", pod, "log"))).body;
  const remove = (path: string): Promise<Answer> => t.api.ask("DELETE", path);

  test("its pods have numbers, names and claims of their own, which keep their data over an update", async () => {
    const name = t.name("set");
    const path = await apply(name, "echo $HOSTNAME >> /data/log; cat /data/log", { replicas: 2 });
    const { body } = await settled(path, 2);
    assert.equal(body.status.currentRevision, body.status.updateRevision);
    const before = await pods(name);
    assert.deepEqual(
      before.map(({ metadata, spec }) => [metadata.name, spec.hostname, spec.subdomain]),
      [0, 1].map((i) => [`${name}-${i}`, `${name}-${i}`, name]),
    );
    const labels = before[1].metadata.labels;
    assert.equal(labels["statefulset.kubernetes.io/pod-name"], `${name}-1`);
    assert.equal(labels["controller-revision-hash"], body.status.updateRevision);
    await apply(name, "echo again-$HOSTNAME >> /data/log; cat /data/log", { replicas: 2 });
    const { body: updated } = await settled(path, 2);
    assert.notEqual(updated.status.updateRevision, body.status.updateRevision);
    for (const i of [0, 1]) {
      const said = await eventually(
        () => log(`${name}-${i}`),
        (text) => text.includes("again"),
      );
      assert.equal(said, `${name}-${i}\nagain-${name}-${i}\n`);
    }
    const { body: revisions } = await t.api.ask("GET", t.group("apps/v1", "controllerrevisions"), {
      query: { labelSelector: `app=${name}` },
    });
    assert.deepEqual(revisions.items.map(({ revision }: Json) => revision).sort(), [1, 2]);
    await remove(path);
    await eventually(
      () => pods(name),
      (left) => left.length === 0,
      startMs,
    );
    const { status } = await t.api.ask("GET", t.path("persistentvolumeclaims", `data-${name}-0`));
    assert.equal(status, 200, "claims outlive the set");
    for (const i of [0, 1]) await t.api.ask("DELETE", t.path("persistentvolumeclaims", `data-${name}-${i}`));
  });

  test("a pod that does not become ready keeps the next one from being made", async () => {
    const name = t.name("set");
    const path = await apply(name, "true", { replicas: 2 });
    const readinessProbe = { exec: { command: ["false"] }, periodSeconds: 1 };
    const stuck = await apply(`${name}-stuck`, "true", { replicas: 2 }, { readinessProbe });
    await settled(path, 2);
    const left = await eventually(
      () => pods(`${name}-stuck`),
      ([first]) => first?.status?.containerStatuses?.[0]?.started === true,
      startMs,
    );
    assert.equal(left.length, 1);
    await Promise.all([path, stuck].map(remove));
  });

  test("it is scaled by its scale subresource, and claims go with their pods where it says so", async () => {
    const name = t.name("set");
    const path = await apply(name, "true", {
      replicas: 2,
      podManagementPolicy: "Parallel",
      persistentVolumeClaimRetentionPolicy: { whenScaled: "Delete", whenDeleted: "Delete" },
    });
    await settled(path, 2);
    await t.api.ask("PATCH", `${path}/scale`, { type: mergePatch, body: { spec: { replicas: 1 } } });
    await settled(path, 1);
    const claim = (i: number): Promise<Answer> =>
      t.api.ask("GET", t.path("persistentvolumeclaims", `data-${name}-${i}`));
    await eventually(
      () => claim(1),
      ({ status }) => status === 404,
      startMs,
    );
    assert.equal((await claim(0)).status, 200);
    await remove(path);
    await eventually(
      () => claim(0),
      ({ status }) => status === 404,
      startMs,
    );
  });

  test("what may not change of it is refused", async () => {
    const name = t.name("set");
    const path = await apply(name, "true", { replicas: 0 });
    const { status, body } = await t.api.ask("PATCH", path, {
      type: mergePatch,
      body: { spec: { serviceName: "other" } },
    });
    assert.equal(status, 422);
    assert.match(body.message, /updates to statefulset spec for fields other than 'replicas', .* are forbidden/);
    await remove(path);
  });
}
