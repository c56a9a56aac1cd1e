import assert from "node:assert/strict";
import { test } from "node:test";
import { type Json, jsonPatch, mergePatch, strategicPatch } from "./api.ts";
import type { Context } from "./suite.ts";

export function objectTests(t: Context): void {
  const create = async (name: string, extra: object = {}): Promise<Json> => {
    const { status, body } = await t.api.ask("POST", t.path("configmaps"), {
      body: { metadata: { name }, data: { a: "1" }, ...extra },
    });
    assert.equal(status, 201, JSON.stringify(body));
    return body;
  };

  test("a create answers 201 with uid, resourceVersion and time", async () => {
    const made = await create(t.name());
    assert.equal(made.kind, "ConfigMap");
    assert.match(made.metadata.uid, /^[0-9a-f-]{36}$/);
    assert.match(made.metadata.resourceVersion, /^\d+$/);
    assert.match(made.metadata.creationTimestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    assert.equal(made.metadata.namespace, t.namespace);
  });

  test("a second create of a name is 409 AlreadyExists", async () => {
    const name = t.name();
    await create(name);
    const { status, body } = await t.api.ask("POST", t.path("configmaps"), { body: { metadata: { name } } });
    assert.equal(status, 409);
    assert.equal(body.reason, "AlreadyExists");
    assert.equal(body.message, `configmaps "${name}" already exists`);
  });

  test("generateName makes a name of its own", async () => {
    const { body } = await t.api.ask("POST", t.path("configmaps"), { body: { metadata: { generateName: "gen-" } } });
    assert.match(body.metadata.name, /^gen-[a-z0-9]{5}$/);
  });

  test("what is not there is 404 with a Status that names it", async () => {
    for (const method of ["GET", "DELETE"]) {
      const { status, body } = await t.api.ask(method, t.path("configmaps", "missing"));
      assert.equal(status, 404);
      assert.deepEqual([body.kind, body.status, body.reason, body.code], ["Status", "Failure", "NotFound", 404]);
      assert.equal(body.message, 'configmaps "missing" not found');
      assert.deepEqual(body.details, { name: "missing", kind: "configmaps" });
    }
    assert.equal(
      (await t.api.ask("PATCH", t.path("configmaps", "missing"), { type: mergePatch, body: {} })).status,
      404,
    );
    assert.equal(
      (await t.api.ask("PUT", t.path("configmaps", "missing"), { body: { metadata: { name: "missing" } } })).status,
      404,
    );
  });

  test("a namespace that is not there is 404", async () => {
    const { status, body } = await t.api.ask("POST", "/api/v1/namespaces/no-such-namespace/configmaps", {
      body: { metadata: { name: "a" } },
    });
    assert.equal(status, 404);
    assert.equal(body.message, 'namespaces "no-such-namespace" not found');
  });

  test("a name that is no name is 422 with the field", async () => {
    const { status, body } = await t.api.ask("POST", t.path("configmaps"), {
      body: { metadata: { name: "Not_A_Name" } },
    });
    assert.equal(status, 422);
    assert.equal(body.reason, "Invalid");
    assert.equal(body.details.causes[0].field, "metadata.name");
  });

  test("an update that saw an older version is 409 Conflict and changes nothing", async () => {
    const made = await create(t.name());
    const path = t.path("configmaps", made.metadata.name);
    const first = await t.api.ask("PUT", path, { body: { ...made, data: { a: "2" } } });
    assert.equal(first.status, 200);
    const { status, body } = await t.api.ask("PUT", path, { body: { ...made, data: { a: "3" } } });
    assert.equal(status, 409);
    assert.equal(body.reason, "Conflict");
    assert.match(body.message, /the object has been modified; please apply your changes to the latest version/);
    assert.deepEqual((await t.api.ask("GET", path)).body.data, { a: "2" });
  });

  test("a write of what is so already keeps the resourceVersion", async () => {
    const made = await create(t.name());
    const path = t.path("configmaps", made.metadata.name);
    const { body } = await t.api.ask("PATCH", path, { type: mergePatch, body: { data: { a: "1" } } });
    assert.equal(body.metadata.resourceVersion, made.metadata.resourceVersion);
  });

  test("a merge patch sets, and null removes", async () => {
    const made = await create(t.name(), { data: { a: "1", b: "2" } });
    const { status, body } = await t.api.ask("PATCH", t.path("configmaps", made.metadata.name), {
      type: mergePatch,
      body: { data: { a: null, c: "3" } },
    });
    assert.equal(status, 200);
    assert.deepEqual(body.data, { b: "2", c: "3" });
    assert.ok(BigInt(body.metadata.resourceVersion) > BigInt(made.metadata.resourceVersion));
  });

  test("a patch that carries an older resourceVersion is 409", async () => {
    const made = await create(t.name());
    const path = t.path("configmaps", made.metadata.name);
    await t.api.ask("PATCH", path, { type: mergePatch, body: { data: { x: "1" } } });
    const stale = { metadata: { resourceVersion: made.metadata.resourceVersion }, data: { y: "1" } };
    assert.equal((await t.api.ask("PATCH", path, { type: mergePatch, body: stale })).status, 409);
  });

  test("a JSON patch tests and replaces, or does nothing at all", async () => {
    const made = await create(t.name());
    const path = t.path("configmaps", made.metadata.name);
    const good = [
      { op: "test", path: "/data/a", value: "1" },
      { op: "replace", path: "/data/a", value: "2" },
      { op: "add", path: "/data/b", value: "x" },
    ];
    assert.deepEqual((await t.api.ask("PATCH", path, { type: jsonPatch, body: good })).body.data, { a: "2", b: "x" });
    const bad = [
      { op: "replace", path: "/data/a", value: "3" },
      { op: "test", path: "/data/b", value: "y" },
    ];
    assert.equal((await t.api.ask("PATCH", path, { type: jsonPatch, body: bad })).status, 422);
    assert.deepEqual((await t.api.ask("GET", path)).body.data, { a: "2", b: "x" });
  });

  test("a strategic merge patch merges lists by their key", async () => {
    const service = {
      metadata: { name: t.name("s") },
      spec: {
        ports: [
          { name: "a", port: 1 },
          { name: "b", port: 2 },
        ],
      },
    };
    await t.api.ask("POST", t.path("services"), { body: service });
    const patch = { spec: { ports: [{ port: 2, name: "c" }] } };
    const { status, body } = await t.api.ask("PATCH", t.path("services", service.metadata.name), {
      type: strategicPatch,
      body: patch,
    });
    assert.equal(status, 200, JSON.stringify(body));
    assert.deepEqual(body.spec.ports.map(({ name, port }: Json) => `${name}:${port}`).sort(), ["a:1", "c:2"]);
  });

  test("a name or uid that is another's is refused", async () => {
    const made = await create(t.name());
    const path = t.path("configmaps", made.metadata.name);
    assert.equal((await t.api.ask("PUT", path, { body: { metadata: { name: "other" } } })).status, 400);
    const { status } = await t.api.ask("PUT", path, {
      body: { metadata: { name: made.metadata.name, uid: "00000000-0000-0000-0000-000000000000" } },
    });
    assert.equal(status, 409);
  });

  test("a dry run answers as if and stores nothing", async () => {
    const name = t.name();
    const { status } = await t.api.ask("POST", t.path("configmaps"), {
      query: { dryRun: "All" },
      body: { metadata: { name } },
    });
    assert.equal(status, 201);
    assert.equal((await t.api.ask("GET", t.path("configmaps", name))).status, 404);
  });

  test("lists select by labels and by name", async () => {
    const mark = t.name("mark");
    for (const [name, labels] of Object.entries({ x: { mark, tier: "a" }, y: { mark, tier: "b" }, z: { mark } }))
      await create(`${mark}-${name}`, { metadata: { name: `${mark}-${name}`, labels } });
    const names = async (query: Record<string, string>): Promise<string[]> => {
      const { body } = await t.api.ask("GET", t.path("configmaps"), { query });
      assert.equal(body.kind, "ConfigMapList");
      assert.match(body.metadata.resourceVersion, /^\d+$/);
      return body.items.map((item: Json) => item.metadata.name.slice(mark.length + 1));
    };
    assert.deepEqual(await names({ labelSelector: `mark=${mark}` }), ["x", "y", "z"]);
    assert.deepEqual(await names({ labelSelector: `mark=${mark},tier=a` }), ["x"]);
    assert.deepEqual(await names({ labelSelector: `mark=${mark},tier!=a` }), ["y", "z"]);
    assert.deepEqual(await names({ labelSelector: `mark=${mark},tier in (a,b)` }), ["x", "y"]);
    assert.deepEqual(await names({ labelSelector: `mark=${mark},tier notin (a)` }), ["y", "z"]);
    assert.deepEqual(await names({ labelSelector: `mark=${mark},tier` }), ["x", "y"]);
    assert.deepEqual(await names({ labelSelector: `mark=${mark},!tier` }), ["z"]);
    assert.deepEqual(await names({ fieldSelector: `metadata.name=${mark}-y` }), ["y"]);
    assert.equal((await t.api.ask("GET", t.path("configmaps"), { query: { fieldSelector: "data.a=1" } })).status, 400);
    assert.equal((await t.api.ask("GET", t.path("configmaps"), { query: { labelSelector: "a b c" } })).status, 400);
  });

  test("a list comes in pages that are one moment", async () => {
    const mark = t.name("page");
    for (const i of [1, 2, 3, 4, 5])
      await create(`${mark}-${i}`, { metadata: { name: `${mark}-${i}`, labels: { mark } } });
    const query = { labelSelector: `mark=${mark}`, limit: 2 };
    const first = (await t.api.ask("GET", t.path("configmaps"), { query })).body;
    assert.equal(first.items.length, 2);
    assert.ok(first.metadata.continue);
    await t.api.ask("DELETE", t.path("configmaps", `${mark}-4`));
    const second = (
      await t.api.ask("GET", t.path("configmaps"), { query: { ...query, continue: first.metadata.continue } })
    ).body;
    assert.deepEqual(
      second.items.map((item: Json) => item.metadata.name),
      [`${mark}-3`, `${mark}-4`],
    );
    assert.equal(second.metadata.resourceVersion, first.metadata.resourceVersion);
    const third = (
      await t.api.ask("GET", t.path("configmaps"), { query: { ...query, continue: second.metadata.continue } })
    ).body;
    assert.deepEqual(
      third.items.map((item: Json) => item.metadata.name),
      [`${mark}-5`],
    );
    assert.equal(third.metadata.continue, undefined);
  });

  test("stringData of a Secret becomes data", async () => {
    const { body } = await t.api.ask("POST", t.path("secrets"), {
      body: { metadata: { name: t.name() }, stringData: { k: "v" } },
    });
    assert.deepEqual(body.data, { k: "dg==" });
    assert.equal(body.stringData, undefined);
    assert.equal(body.type, "Opaque");
  });

  test("unknown fields are refused when asked strictly, and dropped with a warning when not", async () => {
    const body = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: t.name() }, dat: { a: "1" } };
    const strict = await t.api.ask("POST", t.path("configmaps"), { query: { fieldValidation: "Strict" }, body });
    assert.equal(strict.status, 400);
    assert.match(strict.body.message, /strict decoding error: unknown field "dat"/);
    const warned = await t.api.ask("POST", t.path("configmaps"), { query: { fieldValidation: "Warn" }, body });
    assert.equal(warned.status, 201);
    assert.match(String(warned.headers.warning), /unknown field \\"dat\\"/);
    assert.equal(warned.body.dat, undefined);
  });

  test("a field of the wrong type is 400", async () => {
    const body = { metadata: { name: t.name() }, spec: { ports: [{ port: "eighty" }] } };
    assert.equal((await t.api.ask("POST", t.path("services"), { body })).status, 400);
  });

  test("YAML is as good as JSON", async () => {
    const name = t.name();
    const { status } = await t.api.ask("POST", t.path("configmaps"), {
      type: "application/yaml",
      body: `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ${name}\ndata: {a: "1"}\n`,
    });
    assert.equal(status, 201);
  });

  test("a Lease is taken by whoever holds the newest version", async () => {
    const path = t.group("coordination.k8s.io/v1", "leases");
    const lease = {
      metadata: { name: t.name() },
      spec: { holderIdentity: "a", leaseDurationSeconds: 15, renewTime: "2026-01-01T00:00:00.000000Z" },
    };
    const made = await t.api.ask("POST", path, { body: lease });
    assert.equal(made.status, 201);
    const take = (holderIdentity: string): Promise<{ status: number }> =>
      t.api.ask("PUT", `${path}/${lease.metadata.name}`, {
        body: { ...made.body, spec: { ...made.body.spec, holderIdentity } },
      });
    const statuses = (await Promise.all([take("b"), take("c")])).map(({ status }) => status);
    assert.deepEqual(statuses.sort(), [200, 409]);
  });

  test("an Event can be written in its newer words and read in both", async () => {
    const name = t.name("event");
    const event = {
      metadata: { name, namespace: t.namespace },
      eventTime: "2026-01-01T00:00:00.000000Z",
      reportingController: "fairlead.dev/agent",
      reportingInstance: "agent-0",
      action: "Deploy",
      reason: "Deployed",
      type: "Normal",
      note: "it runs",
      regarding: { apiVersion: "v1", kind: "ConfigMap", name: "x", namespace: t.namespace },
    };
    const made = await t.api.ask("POST", t.group("events.k8s.io/v1", "events"), { body: event });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    assert.equal(made.body.note, "it runs");
    const old = (await t.api.ask("GET", t.path("events", name))).body;
    assert.equal(old.message, "it runs");
    assert.equal(old.involvedObject.name, "x");
    const series = { series: { count: 2, lastObservedTime: "2026-01-01T00:01:00.000000Z" } };
    const patched = await t.api.ask("PATCH", t.group("events.k8s.io/v1", "events", name), {
      type: mergePatch,
      body: series,
    });
    assert.equal(patched.body.series.count, 2, JSON.stringify(patched.body));
    const { body } = await t.api.ask("GET", t.group("events.k8s.io/v1", "events"));
    const listed = body.items.find((item: Json) => item.metadata.name === name);
    assert.equal(listed.regarding.name, "x");
  });
}
