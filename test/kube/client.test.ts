import assert from "node:assert/strict";
import { test } from "node:test";
import { create, toJson } from "@bufbuild/protobuf";
import { RemoteAppSpecSchema } from "../../src/gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { isAlreadyExists, isConflict, KubeError } from "../../src/kube/errors.ts";
import { configMaps, remoteApps } from "../../src/kube/resources.ts";
import { configMap, failure, reply, startFakeServer } from "./fake-server.ts";

const never = new AbortController().signal;
const ref = { namespace: "default", name: "a" };

test("an object that is not there is undefined; a kind that is not there is an error", async (t) => {
  let said = failure(404, "NotFound", 'configmaps "a" not found');
  const { client } = await startFakeServer(t, (_, response) => reply(response, 404, said));
  assert.equal(await client.get(configMaps, ref, never), undefined);
  assert.equal(await client.delete(configMaps, ref, {}, never), false);
  said = failure(404, "NotFound", "the server could not find the requested resource");
  await assert.rejects(client.get(configMaps, ref, never), KubeError);
  await assert.rejects(client.delete(configMaps, ref, {}, never), KubeError);
});

test("an optimistic update that lost the race surfaces as a conflict, and a second create as another thing", async (t) => {
  const { client } = await startFakeServer(t, ({ method }, response) =>
    method === "PUT"
      ? reply(response, 409, failure(409, "Conflict", "the object has been modified"))
      : reply(response, 409, failure(409, "AlreadyExists", "it exists")),
  );
  const object = { metadata: { ...ref, resourceVersion: "1" } };
  await assert.rejects(client.update(configMaps, object, never), isConflict);
  await assert.rejects(client.create(configMaps, object, never), (e) => isAlreadyExists(e) && !isConflict(e));
});

test("apply states who manages, asks for strict validation, and sends nothing that the server keeps for itself", async (t) => {
  const { client, asked } = await startFakeServer(t, (_, response) => reply(response, 200, configMap("a", "2")));
  const metadata = { ...ref, uid: "u", creationTimestamp: "2026-01-01T00:00:00Z", generation: 3, managedFields: [] };
  await client.apply(configMaps, { metadata, data: { x: "1" } }, { force: true }, never);
  const [request] = asked;
  assert.equal(request?.method, "PATCH");
  assert.equal(request?.path, "/api/v1/namespaces/default/configmaps/a");
  assert.equal(request?.query.toString(), "fieldManager=fairlead&force=true&fieldValidation=Strict");
  assert.equal(request?.headers["content-type"], "application/apply-patch+yaml");
  assert.deepEqual(JSON.parse(request?.body ?? ""), {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { ...ref, uid: "u" },
    data: { x: "1" },
  });
});

test("a delete of one very object names its uid", async (t) => {
  const { client, asked } = await startFakeServer(t, (_, response) => reply(response, 200, {}));
  assert.equal(await client.delete(configMaps, ref, { uid: "u" }, never), true);
  const { preconditions, dryRun } = JSON.parse(asked[0]?.body ?? "");
  assert.deepEqual([preconditions, dryRun], [{ uid: "u" }, undefined]);
});

test("a delete that is only to be judged says so", async (t) => {
  const { client, asked } = await startFakeServer(t, (_, response) => reply(response, 200, {}));
  assert.equal(await client.delete(configMaps, ref, { dryRun: true }, never), true);
  assert.deepEqual(JSON.parse(asked[0]?.body ?? "").dryRun, ["All"]);
});

test("a RemoteApp's spec is read as a message and written as it was", async (t) => {
  const spec = { peer: "b", image: "nginx", replicas: 0, resources: { limits: { cpu: 1 }, requests: { cpu: "1" } } };
  const json = { metadata: { ...ref, uid: "u" }, spec };
  const { client } = await startFakeServer(t, (_, response) => reply(response, 200, json));
  const app = await client.get(remoteApps, ref, never);
  assert.equal(app?.spec.replicas, 0);
  assert.equal(app?.problems, undefined);
  assert.deepEqual(app && toJson(RemoteAppSpecSchema, app.spec), spec);
  assert.deepEqual(app && remoteApps.format(app).spec, spec);
});

test("a field that this version does not know is told with its path, and so is a value of the wrong type", () => {
  const unknown = remoteApps.parse({
    spec: { image: "x", hostNetwork: true, ports: [{ containerPort: 80, tls: true }] },
  });
  assert.deepEqual(unknown.problems, ["spec.hostNetwork: unknown field", "spec.ports[0].tls: unknown field"]);
  assert.equal(unknown.spec.image, "x");
  const wrong = remoteApps.parse({ spec: { image: "x", replicas: "many" } });
  assert.match(wrong.problems?.[0] ?? "", /^spec: .*replicas/);
});

test("a status that a newer version wrote is read as far as it is known", () => {
  const app = remoteApps.parse({ spec: {}, status: { phase: "Ready", mood: "good" } });
  assert.equal(app.status?.phase, "Ready");
  assert.equal(app.problems, undefined);
});

test("names cannot leave their place in the path", async (t) => {
  const { client, asked } = await startFakeServer(t, (_, response) => reply(response, 200, configMap("a", "1")));
  await client.get(configMaps, { namespace: "../x", name: "a/b?c" }, never);
  assert.equal(asked[0]?.path, "/api/v1/namespaces/..%2Fx/configmaps/a%2Fb%3Fc");
  await assert.rejects(client.get(configMaps, { name: "a" }, never), /namespace/);
});

test("a draft of parts sends these parts only", () => {
  const spec = create(RemoteAppSpecSchema, { image: "x" });
  assert.deepEqual(remoteApps.format({ metadata: { name: "a" }, spec }), {
    metadata: { name: "a" },
    spec: { image: "x" },
  });
});

test("an answer that is no list is not taken for an empty one, from which everything is missing", async (t) => {
  let said: unknown = {};
  const { client } = await startFakeServer(t, (_, response) => reply(response, 200, said));
  const nameless = [{}, { metadata: { name: "a" } }, { metadata: { name: "", namespace: "b" } }];
  for (said of [
    ...[{}, { items: null }, { items: "x" }, { items: [null] }, { kind: "Status", items: null }],
    ...nameless.map((item) => ({ items: [item] })),
  ]) {
    await assert.rejects(client.list(configMaps, {}, never), { reason: "Garbled" });
  }
  said = { kind: "ConfigMapList", items: null, metadata: { resourceVersion: "7" } };
  assert.deepEqual((await client.list(configMaps, {}, never)).items, []);
});
