/** What the agent relies on when it holds a namespace to a policy: how quotas, limits and NetworkPolicies are stored. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Answer, applyPatch, mergePatch } from "./api.ts";
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
    },
    {
      kind: "LimitRange",
      apiVersion: "v1",
      path: (name?: string) => t.path("limitranges", name),
      spec: { limits: [{ type: "PersistentVolumeClaim", max: { storage: "900Gi" } }] },
      addition: { limits: [{ type: "PersistentVolumeClaim", max: { storage: "1Gi" } }] },
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
    },
  ];

  for (const { kind, apiVersion, path, spec, addition } of kinds) {
    const apply = (name: string): Promise<Answer> =>
      t.api.ask("PATCH", path(name), {
        type: applyPatch,
        query: { fieldManager: "guard", force: true },
        body: { apiVersion, kind, metadata: { name }, spec },
      });

    test(`a ${kind} is as it was applied, and a second apply changes nothing`, async () => {
      const name = t.name("guard");
      const { status, body } = await apply(name);
      assert.equal(status, 201, JSON.stringify(body));
      assert.deepEqual(said(body.spec), said(spec));
      const again = await apply(name);
      assert.deepEqual([again.status, again.body.metadata.resourceVersion], [200, body.metadata.resourceVersion]);
      await t.api.ask("DELETE", path(name));
    });

    test(`a PUT takes away what somebody added to a ${kind}, and one that changes nothing leaves it as it is`, async () => {
      const name = t.name("guard");
      const { body: made } = await apply(name);
      const edited = await t.api.ask("PATCH", path(name), { type: mergePatch, body: { spec: addition } });
      assert.equal(edited.status, 200, JSON.stringify(edited.body));
      assert.notDeepEqual(edited.body.spec, made.spec);
      const put = async (resourceVersion: string): Promise<Answer> =>
        t.api.ask("PUT", path(name), { body: { apiVersion, kind, metadata: { name, resourceVersion }, spec } });
      const replaced = await put(edited.body.metadata.resourceVersion);
      assert.deepEqual([replaced.status, replaced.body.spec], [200, made.spec]);
      const { resourceVersion } = replaced.body.metadata;
      assert.equal((await put(resourceVersion)).body.metadata.resourceVersion, resourceVersion);
      assert.equal((await put(made.metadata.resourceVersion)).status, 409);
      await t.api.ask("DELETE", path(name));
    });
  }

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
