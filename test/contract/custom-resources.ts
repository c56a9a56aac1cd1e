import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { parse } from "yaml";
import { type Answer, applyPatch, eventually, type Json, mergePatch, strategicPatch } from "./api.ts";
import type { Context } from "./suite.ts";
import { widgetDefinition } from "./widget.ts";

const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

export function customResourceTests(t: Context): void {
  const group = `g${randomBytes(3).toString("hex")}.contract.test`;
  const version = `${group}/v1`;
  const path = (name?: string, sub?: string): string => t.group(version, "widgets", name, sub);
  const widget = (name: string, spec: object, extra: object = {}): object => ({
    apiVersion: version,
    kind: "Widget",
    metadata: { name },
    spec,
    ...extra,
  });
  const create = (name: string, spec: object, query: Record<string, string> = {}): Promise<Answer> =>
    t.api.ask("POST", path(), { query, body: widget(name, spec) });

  before(async () => {
    const { status, body } = await t.api.ask("POST", definitions, { body: widgetDefinition(group) });
    assert.equal(status, 201, JSON.stringify(body));
    const established = ({ body: now }: Answer): boolean =>
      now.status?.conditions?.some((c: Json) => c.type === "Established" && c.status === "True") ?? false;
    await eventually(() => t.api.ask("GET", `${definitions}/widgets.${group}`), established);
    await eventually(
      () => t.api.ask("GET", path()),
      ({ status: listed }) => listed === 200,
    );
  });
  after(() => t.api.ask("DELETE", `${definitions}/widgets.${group}`));

  test("a definition is served: discovery, lists, objects", async () => {
    const found = await eventually(
      () => t.api.ask("GET", `/apis/${version}`),
      ({ body }) => body.resources?.length >= 3,
    );
    const main = found.body.resources.find((resource: Json) => resource.name === "widgets");
    assert.deepEqual(
      [main.kind, main.singularName, main.shortNames, main.categories],
      ["Widget", "widget", ["wd"], ["contract"]],
    );
    const { status, body } = await create(t.name("w"), { size: 1 });
    assert.equal(status, 201, JSON.stringify(body));
    assert.equal(body.metadata.generation, 1);
    assert.equal((await t.api.ask("GET", path())).body.kind, "WidgetList");
  });

  test("defaults are filled in, and zero stays zero", async () => {
    const { body } = await create(t.name("w"), { size: 1 });
    assert.deepEqual(body.spec, { size: 1, replicas: 1, mode: "auto" });
    assert.equal((await create(t.name("w"), { size: 1, replicas: 0 })).body.spec.replicas, 0);
    assert.equal((await create(t.name("w"), { size: 1, replicas: null })).body.spec.replicas, 1);
  });

  test("each breach of the schema is 422 with its path", async () => {
    const { status, body } = await create(t.name("w"), {
      size: "big",
      mode: "odd",
      parts: [{ name: "a", weight: 200 }],
    });
    assert.equal(status, 422);
    assert.equal(body.reason, "Invalid");
    // The last cause says that the rules could not be judged any more.
    assert.deepEqual(body.details.causes.map((cause: Json) => cause.field).sort(), [
      "<nil>",
      "spec.mode",
      "spec.parts[0].weight",
      "spec.size",
    ]);
    assert.match(
      body.message,
      /spec\.size: Invalid value: "string": spec\.size in body must be of type integer: "string"/,
    );
    assert.match(body.message, /spec\.mode: Unsupported value: "odd": supported values: "auto", "manual"/);
    const missing = await create(t.name("w"), {});
    assert.equal(missing.status, 422);
    assert.deepEqual(
      [missing.body.details.causes[0].reason, missing.body.details.causes[0].field],
      ["FieldValueRequired", "spec.size"],
    );
  });

  test("an unknown field is refused strictly, told when warning, and pruned in any case", async () => {
    const spec = { size: 1, sise: 2, parts: [{ name: "a", colour: "red" }] };
    const strict = await create(t.name("w"), spec, { fieldValidation: "Strict" });
    assert.equal(strict.status, 400);
    assert.match(
      strict.body.message,
      /strict decoding error: unknown field "spec\.parts\[0\]\.colour", unknown field "spec\.sise"/,
    );
    const warned = await create(t.name("w"), spec, { fieldValidation: "Warn" });
    assert.equal(warned.status, 201);
    assert.match(String(warned.headers.warning), /unknown field \\"spec\.sise\\"/);
    assert.equal(warned.body.spec.sise, undefined);
    assert.equal(warned.body.spec.parts[0].colour, undefined);
  });

  test("free-form fields keep what is in them, and numbers or texts both do where both are allowed", async () => {
    const { status, body } = await create(t.name("w"), { size: 1, free: { any: { thing: [1] } }, amount: 1 });
    assert.equal(status, 201, JSON.stringify(body));
    assert.deepEqual(body.spec.free, { any: { thing: [1] } });
    assert.equal(body.spec.amount, 1);
    assert.equal((await create(t.name("w"), { size: 1, amount: "500m" })).body.spec.amount, "500m");
    assert.equal((await create(t.name("w"), { size: 1, amount: true })).status, 422);
  });

  test("a rule of the schema is kept", async () => {
    const { status, body } = await create(t.name("w"), { size: 1, either: "a", or: "b" });
    assert.equal(status, 422);
    assert.match(body.message, /name one of either and or/);
    assert.equal((await create(t.name("w"), { size: 1, either: "a" })).status, 201);
  });

  test("a rule counts the entries of a list and of a map", async () => {
    const both = await create(t.name("w"), { size: 1, names: ["a"], labels: { a: "b" } });
    assert.equal(both.status, 422);
    assert.match(both.body.message, /select by names or by labels/);
    for (const spec of [{}, { names: [], labels: { a: "b" } }, { names: ["a"], labels: {} }, { names: ["a"] }]) {
      assert.equal((await create(t.name("w"), { size: 1, ...spec })).status, 201, JSON.stringify(spec));
    }
  });

  test("status is written through its own door only, and does not count as a wish", async () => {
    const name = t.name("w");
    const made = await t.api.ask("POST", path(), { body: widget(name, { size: 1 }, { status: { phase: "Ready" } }) });
    assert.equal(made.body.status, undefined);
    const viaMain = await t.api.ask("PATCH", path(name), {
      type: mergePatch,
      body: { status: { phase: "Ready" }, spec: { size: 2 } },
    });
    assert.deepEqual(
      [viaMain.body.status, viaMain.body.spec.size, viaMain.body.metadata.generation],
      [undefined, 2, 2],
    );
    const viaStatus = await t.api.ask("PATCH", path(name, "status"), {
      type: mergePatch,
      body: { status: { phase: "Ready", replicas: 3 }, spec: { size: 9 } },
    });
    assert.deepEqual(
      [viaStatus.body.status.phase, viaStatus.body.spec.size, viaStatus.body.metadata.generation],
      ["Ready", 2, 2],
    );
    const labels = await t.api.ask("PATCH", path(name), {
      type: mergePatch,
      body: { metadata: { labels: { a: "b" } } },
    });
    assert.equal(labels.body.metadata.generation, 2);
    assert.equal(labels.body.status.phase, "Ready");
  });

  test("status is applied by its own owner, beside the spec's", async () => {
    const name = t.name("w");
    const apply = (sub: string | undefined, fieldManager: string, body: object): Promise<Answer> =>
      t.api.ask("PATCH", path(name, sub), { type: applyPatch, query: { fieldManager }, body });
    assert.equal((await apply(undefined, "user", widget(name, { size: 1 }))).status, 201);
    const condition = (type: string): object => ({
      type,
      status: "True",
      reason: "R",
      message: "m",
      lastTransitionTime: "2026-01-01T00:00:00Z",
    });
    const one = await apply("status", "one", {
      ...widget(name, {}),
      spec: undefined,
      status: { phase: "Ready", conditions: [condition("A")] },
    });
    assert.equal(one.status, 200, JSON.stringify(one.body));
    const two = await apply("status", "two", {
      ...widget(name, {}),
      spec: undefined,
      status: { conditions: [condition("B")] },
    });
    assert.deepEqual(
      two.body.status.conditions.map((c: Json) => c.type),
      ["A", "B"],
    );
    const again = await apply("status", "one", { ...widget(name, {}), spec: undefined, status: { phase: "Ready" } });
    assert.deepEqual(
      again.body.status.conditions.map((c: Json) => c.type),
      ["B"],
    );
    assert.equal(again.body.metadata.generation, 1);
    const entries = again.body.metadata.managedFields
      .map((e: Json) => `${e.manager} ${e.operation} ${e.subresource ?? ""}`)
      .sort();
    assert.deepEqual(entries, ["one Apply status", "two Apply status", "user Apply "]);
  });

  test("the scale subresource reads and writes the replicas", async () => {
    const name = t.name("w");
    await create(name, { size: 1, replicas: 2 });
    await t.api.ask("PATCH", path(name, "status"), {
      type: mergePatch,
      body: { status: { replicas: 2, selector: "app=x" } },
    });
    const { body: scale } = await t.api.ask("GET", path(name, "scale"));
    assert.deepEqual(
      [scale.kind, scale.apiVersion, scale.spec.replicas, scale.status],
      ["Scale", "autoscaling/v1", 2, { replicas: 2, selector: "app=x" }],
    );
    const put = await t.api.ask("PUT", path(name, "scale"), { body: { ...scale, spec: { replicas: 5 } } });
    assert.equal(put.status, 200, JSON.stringify(put.body));
    assert.equal(
      (await t.api.ask("PUT", path(name, "scale"), { body: { ...scale, spec: { replicas: 6 } } })).status,
      409,
    );
    const patched = await t.api.ask("PATCH", path(name, "scale"), {
      type: mergePatch,
      body: { spec: { replicas: 0 } },
    });
    assert.equal(patched.body.spec.replicas, undefined, "a Scale leaves zero out");
    const { body } = await t.api.ask("GET", path(name));
    assert.deepEqual([body.spec.replicas, body.metadata.generation], [0, 3]);
  });

  test("an update must name the version that it saw", async () => {
    const { body } = await create(t.name("w"), { size: 1 });
    const { resourceVersion: _, ...metadata } = body.metadata;
    const { status, body: refused } = await t.api.ask("PUT", path(body.metadata.name), { body: { ...body, metadata } });
    assert.equal(status, 422);
    assert.match(refused.message, /metadata\.resourceVersion: Invalid value: .*: must be specified for an update/);
  });

  test("strategic merge patches are for Kubernetes' own kinds only", async () => {
    const { body } = await create(t.name("w"), { size: 1 });
    assert.equal((await t.api.ask("PATCH", path(body.metadata.name), { type: strategicPatch, body: {} })).status, 415);
  });

  test("plain lists have one owner, lists with keys have one for each item", async () => {
    const name = t.name("w");
    const apply = (fieldManager: string, spec: object): Promise<Answer> =>
      t.api.ask("PATCH", path(name), { type: applyPatch, query: { fieldManager }, body: widget(name, spec) });
    await apply("one", { size: 1, tags: ["a"], parts: [{ name: "x", weight: 1 }] });
    assert.equal((await apply("two", { tags: ["b"] })).status, 409);
    const merged = await apply("two", { parts: [{ name: "y", weight: 2 }] });
    assert.deepEqual(
      merged.body.spec.parts.map((part: Json) => part.name),
      ["x", "y"],
    );
    assert.equal((await apply("two", { parts: [{ name: "x", weight: 3 }] })).status, 409);
  });

  test("a table shows the printer columns", async () => {
    const name = t.name("w");
    await create(name, { size: 7 });
    await t.api.ask("PATCH", path(name, "status"), {
      type: mergePatch,
      body: {
        status: {
          conditions: [
            { type: "Ready", status: "False", reason: "R", message: "m", lastTransitionTime: "2026-01-01T00:00:00Z" },
          ],
        },
      },
    });
    const accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
    const { body } = await t.api.ask("GET", path(), { accept, query: { fieldSelector: `metadata.name=${name}` } });
    assert.deepEqual(
      body.columnDefinitions.map((c: Json) => [c.name, c.priority]),
      [
        ["Name", 0],
        ["Size", 0],
        ["Ready", 0],
        ["Mode", 1],
        ["Age", 0],
      ],
    );
    assert.deepEqual(body.rows[0].cells.slice(0, 4), [name, 7, "False", "auto"]);
  });

  test("our own definitions are accepted and served", async () => {
    const folder = new URL("../../charts/fairlead/crds/", import.meta.url);
    const files = (await readdir(folder)).filter((file) => file.endsWith(".yaml"));
    assert.ok(files.length > 0);
    for (const file of files) {
      const definition: Json = parse(await readFile(new URL(file, folder), "utf8"));
      const { name } = definition.metadata;
      const { status, body } = await t.api.ask("PATCH", `${definitions}/${name}`, {
        type: applyPatch,
        query: { fieldManager: "contract", force: true, fieldValidation: "Strict" },
        body: definition,
      });
      assert.ok(status < 300, `${name}: ${JSON.stringify(body)}`);
      const { plural } = definition.spec.names;
      await eventually(
        () => t.api.ask("GET", `/apis/${definition.spec.group}/v1alpha1/${plural}`),
        (answer) => answer.status === 200,
      );
    }
  });

  test("a definition with an extension that Kubernetes keeps for itself is refused", async () => {
    const other = `u${group}`;
    const definition: Json = widgetDefinition(other);
    const { spec } = definition.spec.versions[0].schema.openAPIV3Schema.properties;
    spec["x-kubernetes-unions"] = [{ discriminator: "mode" }];
    const body = { apiVersion: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition", ...definition };
    const query = { fieldManager: "contract" };
    const { status, body: answer } = await t.api.ask("PATCH", `${definitions}/widgets.${other}`, {
      type: applyPatch,
      query,
      body,
    });
    assert.ok(status >= 400, `it is taken: ${status}`);
    assert.match(answer.message, /x-kubernetes-unions: .*field not declared in schema/);
  });

  test("a definition that is deleted takes its objects along", async () => {
    const other = `h${group}`;
    await t.api.ask("POST", definitions, { body: widgetDefinition(other) });
    const there = t.group(`${other}/v1`, "widgets");
    await eventually(
      () =>
        t.api.ask("POST", there, {
          body: { apiVersion: `${other}/v1`, kind: "Widget", metadata: { name: "w" }, spec: { size: 1 } },
        }),
      ({ status }) => status === 201 || status === 409,
    );
    await t.api.ask("DELETE", `${definitions}/widgets.${other}`);
    await eventually(
      () => t.api.ask("GET", there),
      ({ status }) => status === 404,
    );
  });
}
