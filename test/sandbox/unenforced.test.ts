/** What the sandbox stores without having it mean anything, it says of so. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLog } from "../../src/base/log.ts";
import { createSandbox } from "../../src/sandbox/sandbox.ts";
import { applyPatch, connectApi } from "../contract/api.ts";

const core = "/api/v1/namespaces/default";
const written: { path: string; apiVersion: string; kind: string; spec: object }[] = [
  { path: `${core}/resourcequotas`, apiVersion: "v1", kind: "ResourceQuota", spec: { hard: { pods: "0" } } },
  { path: `${core}/limitranges`, apiVersion: "v1", kind: "LimitRange", spec: { limits: [] } },
  {
    path: "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies",
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    spec: { podSelector: {} },
  },
];

test("quotas, limits and NetworkPolicies are stored and not enforced, and whoever writes one is told", async (t) => {
  const sandbox = await createSandbox({ log: silentLog, processes: false });
  const api = connectApi(sandbox.kubeconfig());
  t.after(async () => {
    api.close();
    await sandbox.close();
  });
  for (const { path, ...object } of written) {
    const query = { fieldManager: "test" };
    const body = { ...object, metadata: { name: "bound" } };
    const { status, headers } = await api.ask("PATCH", `${path}/bound`, { type: applyPatch, query, body });
    assert.equal(status, 201);
    assert.match(String(headers.warning), /the sandbox stores \w+ and does not enforce them/);
    assert.equal((await api.ask("GET", `${path}/bound`)).headers.warning, undefined, "reading warns of nothing");
  }
  const pod = { metadata: { name: "more" }, spec: { containers: [{ name: "app", image: "web:1" }] } };
  assert.equal((await api.ask("POST", `${core}/pods`, { body: pod })).status, 201, "in spite of the quota");
});
