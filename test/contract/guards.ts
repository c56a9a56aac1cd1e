/** What the agent relies on when it holds a namespace to a policy: how quotas, limits and NetworkPolicies are stored. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Answer, applyPatch, eventually, mergePatch } from "./api.ts";
import type { Context } from "./suite.ts";

const networking = "networking.k8s.io/v1";

/** Lists that are empty may be left out. */
function said(spec: object): object {
  return Object.fromEntries(Object.entries(spec).filter(([, value]) => !Array.isArray(value) || value.length > 0));
}

export function guardTests(t: Context): void {
  const kinds = [
    {
      kind: "ResourceQuota",
      apiVersion: "v1",
      path: (name?: string) => t.path("resourcequotas", name),
      // Large enough to hinder no other test.
      spec: { hard: { pods: "1k", "requests.cpu": "900" } },
      addition: { hard: { "count/secrets": "900" } },
      isWhole: false,
    },
    {
      kind: "LimitRange",
      apiVersion: "v1",
      path: (name?: string) => t.path("limitranges", name),
      spec: { limits: [{ type: "PersistentVolumeClaim", max: { storage: "900Gi" } }] },
      addition: {
        limits: [
          { type: "PersistentVolumeClaim", max: { storage: "1Gi" } },
          { type: "Pod", max: { cpu: 900 } },
        ],
      },
      isWhole: true,
    },
    {
      kind: "NetworkPolicy",
      apiVersion: networking,
      path: (name?: string) => t.group(networking, "networkpolicies", name),
      // Of pods that no test has.
      spec: {
        podSelector: { matchLabels: { no: "such" } },
        policyTypes: ["Ingress", "Egress"],
        ingress: [],
        egress: [],
      },
      addition: { ingress: [{}], egress: [{ ports: [{ protocol: "TCP", port: 53, endPort: 55 }] }] },
      isWhole: true,
    },
  ];

  for (const { kind, apiVersion, path, spec, addition, isWhole } of kinds) {
    const apply = (name: string): Promise<Answer> =>
      t.api.ask("PATCH", path(name), {
        type: applyPatch,
        query: { fieldManager: "guard", force: true },
        body: { apiVersion, kind, metadata: { name }, spec },
      });

    test(`a ${kind} is as it was applied, and stays so`, async () => {
      const name = t.name("guard");
      const { status, body } = await apply(name);
      assert.equal(status, 201, JSON.stringify(body));
      assert.deepEqual(said(body.spec), said(spec));
      assert.deepEqual((await apply(name)).body.spec, body.spec);
      await t.api.ask("DELETE", path(name));
    });

    test(`an apply makes a ${kind} right again, ${isWhole ? "with all" : "but for amounts"} that somebody added`, async () => {
      const name = t.name("guard");
      const { body: made } = await apply(name);
      const edited = await t.api.ask("PATCH", path(name), { type: mergePatch, body: { spec: addition } });
      assert.equal(edited.status, 200, JSON.stringify(edited.body));
      assert.notDeepEqual(edited.body.spec, made.spec);
      const { body: right } = await apply(name);
      if (isWhole) assert.deepEqual(right.spec, made.spec);
      else assert.notDeepEqual(right.spec, made.spec);
      await t.api.ask("DELETE", path(name));
    });
  }

  test("a PUT takes away what somebody added to a quota", async () => {
    const name = t.name("guard");
    const spec = { hard: { pods: "900" } };
    const { body: made } = await t.api.ask("POST", t.path("resourcequotas"), { body: { metadata: { name }, spec } });
    const more = { spec: { hard: { "count/secrets": "900" } } };
    const { body: edited } = await t.api.ask("PATCH", t.path("resourcequotas", name), { type: mergePatch, body: more });
    assert.notDeepEqual(edited.spec, made.spec);
    // Who counts for the quota writes its status in between.
    const replaced = await eventually(
      async () => {
        const { resourceVersion } = (await t.api.ask("GET", t.path("resourcequotas", name))).body.metadata;
        return t.api.ask("PUT", t.path("resourcequotas", name), {
          body: { metadata: { name, resourceVersion }, spec },
        });
      },
      ({ status }) => status === 200,
    );
    assert.deepEqual(replaced.body.spec, made.spec);
    await t.api.ask("DELETE", t.path("resourcequotas", name));
  });

  test("the scopes of a quota cannot be changed", async () => {
    const name = t.name("guard");
    const body = { metadata: { name }, spec: { hard: { pods: "900" } } };
    assert.equal((await t.api.ask("POST", t.path("resourcequotas"), { body })).status, 201);
    const scoped = { spec: { scopes: ["BestEffort"] } };
    const { status, body: said } = await t.api.ask("PATCH", t.path("resourcequotas", name), {
      type: mergePatch,
      body: scoped,
    });
    assert.equal(status, 422);
    assert.match(said.message, /spec\.scopes: Invalid value: .*: field is immutable/);
    await t.api.ask("DELETE", t.path("resourcequotas", name));
  });
}
