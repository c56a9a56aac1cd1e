import assert from "node:assert/strict";
import { test } from "node:test";
import { type Answer, applyPatch, type Json, mergePatch } from "./api.ts";
import type { Context } from "./suite.ts";

export function applyTests(t: Context): void {
  const applyTo = (path: string, fieldManager: string, body: object, query: object = {}): Promise<Answer> =>
    t.api.ask("PATCH", path, { type: applyPatch, query: { fieldManager, ...query }, body });
  const configMap = (name: string, data: object | undefined, metadata: object = {}): object => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, ...metadata },
    data,
  });
  const apply = (name: string, manager: string, data: object, query: object = {}): Promise<Answer> =>
    applyTo(t.path("configmaps", name), manager, configMap(name, data), query);
  const owners = (object: Json): string[] =>
    (object.metadata.managedFields ?? [])
      .map((entry: Json) => `${entry.manager} ${entry.operation}${entry.subresource ? ` ${entry.subresource}` : ""}`)
      .sort();

  test("apply creates with 201, and applying the same again changes nothing", async () => {
    const name = t.name();
    const first = await apply(name, "one", { a: "1" });
    assert.equal(first.status, 201);
    const second = await apply(name, "one", { a: "1" });
    assert.equal(second.status, 200);
    assert.equal(second.body.metadata.resourceVersion, first.body.metadata.resourceVersion);
    assert.deepEqual(
      first.body.metadata.managedFields.map(({ time: _, ...entry }: Json) => entry),
      [
        {
          manager: "one",
          operation: "Apply",
          apiVersion: "v1",
          fieldsType: "FieldsV1",
          fieldsV1: { "f:data": { "f:a": {} } },
        },
      ],
    );
  });

  test("a field that another applied otherwise is 409, named with its owner, until it is forced", async () => {
    const name = t.name();
    await apply(name, "one", { a: "1", b: "1" });
    const { status, body } = await apply(name, "two", { a: "2" });
    assert.equal(status, 409);
    assert.equal(body.reason, "Conflict");
    assert.equal(body.message, 'Apply failed with 1 conflict: conflict with "one": .data.a');
    assert.deepEqual(body.details.causes, [
      { reason: "FieldManagerConflict", message: 'conflict with "one"', field: ".data.a" },
    ]);
    const forced = await apply(name, "two", { a: "2" }, { force: true });
    assert.deepEqual(forced.body.data, { a: "2", b: "1" });
    assert.deepEqual((await apply(name, "one", { b: "1" })).body.data, { a: "2", b: "1" });
  });

  test("what a manager applies no more is removed, unless another owns it too", async () => {
    const name = t.name();
    await apply(name, "one", { mine: "1", shared: "1" });
    assert.equal((await apply(name, "two", { shared: "1" })).status, 200);
    const { body } = await apply(name, "one", {});
    assert.deepEqual(body.data, { shared: "1" });
    assert.equal((await apply(name, "two", {})).body.data, undefined);
  });

  test("what an ordinary write changed belongs to its writer", async () => {
    const name = t.name();
    await apply(name, "one", { a: "1", b: "1" });
    const patched = await t.api.ask("PATCH", t.path("configmaps", name), {
      type: mergePatch,
      query: { fieldManager: "editor" },
      body: { data: { a: "2" } },
    });
    assert.deepEqual(owners(patched.body), ["editor Update", "one Apply"]);
    const { status, body } = await apply(name, "one", { a: "1", b: "1" });
    assert.equal(status, 409);
    assert.equal(body.message, 'Apply failed with 1 conflict: conflict with "editor" using v1: .data.a');
    const forced = await apply(name, "one", { a: "1", b: "1" }, { force: true });
    assert.deepEqual(owners(forced.body), ["one Apply"]);
  });

  test("several conflicts are all told", async () => {
    const name = t.name();
    await apply(name, "one", { a: "1", b: "1" });
    const { body } = await apply(name, "two", { a: "2", b: "2" });
    assert.equal(body.message, 'Apply failed with 2 conflicts: conflicts with "one":\n- .data.a\n- .data.b');
    assert.equal(body.details.causes.length, 2);
  });

  test("labels and annotations of two managers stand side by side", async () => {
    const name = t.name();
    const path = t.path("configmaps", name);
    await applyTo(path, "one", configMap(name, undefined, { labels: { a: "1" }, annotations: { x: "1" } }));
    await applyTo(path, "two", configMap(name, undefined, { labels: { b: "2" } }));
    const { body } = await applyTo(path, "one", configMap(name, undefined, { labels: { a: "3" } }));
    assert.deepEqual(body.metadata.labels, { a: "3", b: "2" });
    assert.equal(body.metadata.annotations, undefined);
  });

  const deployment = (name: string, spec: object, container: object): object => ({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name },
    spec: {
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: { containers: [{ name: "app", image: "none.example/none:1", ...container }] },
      },
      ...spec,
    },
  });

  test("lists merge by their keys: containers by name, ports by number and protocol, env by name", async () => {
    const name = t.name("d");
    const path = t.group("apps/v1", "deployments", name);
    const made = await applyTo(
      path,
      "one",
      deployment(
        name,
        { replicas: 0 },
        { ports: [{ containerPort: 80, name: "http" }], env: [{ name: "A", value: "1" }] },
      ),
    );
    assert.equal(made.status, 201, JSON.stringify(made.body));
    const other = {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name },
      spec: {
        template: {
          spec: {
            containers: [
              { name: "app", ports: [{ containerPort: 81 }], env: [{ name: "B", value: "2" }] },
              { name: "side", image: "none.example/side:1" },
            ],
          },
        },
      },
    };
    const second = await applyTo(path, "two", other);
    assert.equal(second.status, 200, JSON.stringify(second.body));
    const third = await applyTo(
      path,
      "one",
      deployment(name, { replicas: 0 }, { ports: [{ containerPort: 82, name: "http" }], env: [] }),
    );
    const { containers } = third.body.spec.template.spec;
    assert.deepEqual(
      containers.map((c: Json) => c.name),
      ["app", "side"],
    );
    assert.deepEqual(containers[0].ports.map((p: Json) => p.containerPort).sort(), [81, 82]);
    assert.deepEqual(containers[0].env, [{ name: "B", value: "2" }]);
  });

  test("an item that its only owner applies no more is removed, with what the server filled in", async () => {
    const name = t.name("d");
    const path = t.group("apps/v1", "deployments", name);
    const body: Json = deployment(name, { replicas: 0 }, {});
    body.spec.template.spec.containers.push({ name: "side", image: "none.example/side:1" });
    await applyTo(path, "one", body);
    const { body: after } = await applyTo(path, "one", deployment(name, { replicas: 0 }, {}));
    assert.deepEqual(
      after.spec.template.spec.containers.map((c: Json) => c.name),
      ["app"],
    );
  });

  test("scaling takes the replicas from the one who applied them", async () => {
    const name = t.name("d");
    const path = t.group("apps/v1", "deployments", name);
    await applyTo(path, "one", deployment(name, { replicas: 0 }, {}));
    const scaled = await t.api.ask("PATCH", `${path}/scale`, {
      type: mergePatch,
      query: { fieldManager: "scaler" },
      body: { spec: { replicas: 1 } },
    });
    assert.equal(scaled.status, 200);
    const { status, body } = await applyTo(path, "one", deployment(name, { replicas: 0 }, {}));
    assert.equal(status, 409);
    assert.match(body.message, /conflict with "scaler" with subresource "scale" using apps\/v1: \.spec\.replicas/);
    const without = await applyTo(path, "one", deployment(name, {}, {}));
    assert.equal(without.body.spec.replicas, 1, "who no longer speaks of replicas leaves them to the scaler");
    await applyTo(path, "one", deployment(name, { replicas: 0 }, {}), { force: true });
  });

  test("a field that nobody applies any more gets its default back", async () => {
    const name = t.name("d");
    const path = t.group("apps/v1", "deployments", name);
    await applyTo(
      path,
      "one",
      deployment(name, { replicas: 0, progressDeadlineSeconds: 30, strategy: { type: "Recreate" } }, {}),
    );
    const { body } = await applyTo(path, "one", deployment(name, { replicas: 0 }, {}));
    assert.equal(body.spec.progressDeadlineSeconds, 600);
    assert.equal(body.spec.strategy.type, "RollingUpdate");
  });

  test("a Service, a ResourceQuota, a LimitRange, a RoleBinding, a NetworkPolicy and a Namespace are applied", async () => {
    const name = t.name("s");
    const rbac = "rbac.authorization.k8s.io";
    const all: [string, object][] = [
      [
        t.path("services", name),
        {
          apiVersion: "v1",
          kind: "Service",
          metadata: { name },
          spec: { selector: { app: name }, ports: [{ name: "http", port: 80, targetPort: 8080 }] },
        },
      ],
      [
        t.path("resourcequotas", name),
        { apiVersion: "v1", kind: "ResourceQuota", metadata: { name }, spec: { hard: { "count/configmaps": "1000" } } },
      ],
      [
        t.path("limitranges", name),
        {
          apiVersion: "v1",
          kind: "LimitRange",
          metadata: { name },
          spec: { limits: [{ type: "PersistentVolumeClaim", max: { storage: "1Gi" } }] },
        },
      ],
      [
        t.group(`${rbac}/v1`, "rolebindings", name),
        {
          apiVersion: `${rbac}/v1`,
          kind: "RoleBinding",
          metadata: { name },
          roleRef: { apiGroup: rbac, kind: "ClusterRole", name: "view" },
          subjects: [{ kind: "User", apiGroup: rbac, name: "x" }],
        },
      ],
      [
        t.group("networking.k8s.io/v1", "networkpolicies", name),
        {
          apiVersion: "networking.k8s.io/v1",
          kind: "NetworkPolicy",
          metadata: { name },
          spec: { podSelector: { matchLabels: { app: name } }, policyTypes: ["Ingress"] },
        },
      ],
      [
        `/api/v1/namespaces/${t.namespace}`,
        {
          apiVersion: "v1",
          kind: "Namespace",
          metadata: { name: t.namespace, labels: { "pod-security.kubernetes.io/enforce": "baseline" } },
        },
      ],
    ];
    for (const [path, body] of all) {
      const first = await applyTo(path, "one", body);
      assert.ok(first.status < 300, `${path}: ${JSON.stringify(first.body)}`);
      const second = await applyTo(path, "one", body);
      assert.equal(second.status, 200);
    }
    const service = (await t.api.ask("GET", t.path("services", name))).body;
    assert.equal(service.spec.type, "ClusterIP");
    assert.match(service.spec.clusterIP, /^\d+\.\d+\.\d+\.\d+$/);
    assert.equal(service.spec.ports[0].protocol, "TCP");
  });

  test("apply wants a manager, and no managedFields", async () => {
    const name = t.name();
    const anonymous = await t.api.ask("PATCH", t.path("configmaps", name), {
      type: applyPatch,
      body: configMap(name, {}),
    });
    assert.equal(anonymous.status, 422);
    await apply(name, "one", {});
    const { status, body } = await applyTo(
      t.path("configmaps", name),
      "one",
      configMap(
        name,
        {},
        {
          managedFields: [{ manager: "x", operation: "Apply", apiVersion: "v1", fieldsType: "FieldsV1", fieldsV1: {} }],
        },
      ),
    );
    assert.equal(status, 400);
    assert.match(body.message, /metadata\.managedFields must be nil/);
  });

  test("apply with a uid does not create, and holds to a resourceVersion", async () => {
    const name = t.name();
    const path = t.path("configmaps", name);
    const absent = await applyTo(path, "one", configMap(name, {}, { uid: "00000000-0000-0000-0000-000000000000" }));
    assert.equal(absent.status, 409);
    const made = (await apply(name, "one", { a: "1" })).body;
    await apply(name, "one", { a: "2" });
    const stale = await applyTo(
      path,
      "one",
      configMap(name, { a: "3" }, { resourceVersion: made.metadata.resourceVersion }),
    );
    assert.equal(stale.status, 409);
  });
}
