/**
 * Proves that the sandbox's copy of Kubernetes' own schema is what a real API server of that version publishes. With
 * `UPDATE=1` it writes the copy anew.
 */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { after, test } from "node:test";
import { connectApi, type Json } from "../contract/api.ts";

const kubeconfig = process.env.KUBECONFIG_A;
if (!kubeconfig) throw new Error("KUBECONFIG_A must name the kubeconfig of a cluster to test against");
const api = connectApi(await readFile(kubeconfig, "utf8"));
after(() => api.close());

const file = new URL("../../src/sandbox/schema/kubernetes-1.34.json", import.meta.url);
const groups = [
  "api/v1",
  "apis/apps/v1",
  "apis/batch/v1",
  "apis/coordination.k8s.io/v1",
  "apis/discovery.k8s.io/v1",
  "apis/networking.k8s.io/v1",
  "apis/rbac.authorization.k8s.io/v1",
];
const roots = [
  ...[
    "Namespace",
    "Secret",
    "ConfigMap",
    "Service",
    "Pod",
    "Event",
    "Endpoints",
    "ServiceAccount",
    "ResourceQuota",
    "LimitRange",
    "Node",
    "PersistentVolumeClaim",
  ].map((kind) => `core.v1.${kind}`),
  ...[
    "apps.v1.ControllerRevision",
    "apps.v1.Deployment",
    "apps.v1.ReplicaSet",
    "apps.v1.StatefulSet",
    "apps.v1.ControllerRevision",
    "batch.v1.Job",
    "batch.v1.CronJob",
    "coordination.v1.Lease",
    "networking.v1.NetworkPolicy",
    "rbac.v1.Role",
    "rbac.v1.RoleBinding",
    "discovery.v1.EndpointSlice",
  ],
];

test("the sandbox knows Kubernetes' kinds as a real API server publishes them", async () => {
  const { minor } = (await api.ask("GET", "/version")).body;
  if (Number.parseInt(minor, 10) !== 34) return; // Another version publishes another schema; the copy names its own.
  const published: Json = {};
  for (const group of groups) {
    const { body } = await api.ask("GET", `/openapi/v3/${group}`);
    for (const [name, schema] of Object.entries(body.components.schemas)) published[shortName(name)] = schema;
  }
  const wanted = extract(published);
  if (process.env.UPDATE) await writeFile(file, `${JSON.stringify(wanted, null, 2)}\n`);
  assert.deepEqual(JSON.parse(await readFile(file, "utf8")), wanted);
});

function shortName(name: string): string {
  return (name.split("/").at(-1) ?? "").replace("io.k8s.api.", "").replace("io.k8s.apimachinery.pkg.", "");
}

/** The kinds that the sandbox serves and all that they are made of, without prose. */
function extract(published: Json): Json {
  const found = new Map<string, Json>();
  const visit = (name: string): void => {
    if (found.has(name)) return;
    found.set(name, undefined);
    found.set(name, strip(published[name], visit));
  };
  for (const root of roots) visit(root);
  return Object.fromEntries([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function strip(node: Json, visit: (name: string) => void): Json {
  if (Array.isArray(node)) return node.map((item) => strip(item, visit));
  if (typeof node !== "object" || node === null) return node;
  const kept: Json = {};
  for (const [key, value] of Object.entries<Json>(node)) {
    const isProse =
      ["description", "example", "x-kubernetes-group-version-kind"].includes(key) &&
      (typeof value !== "object" || Array.isArray(value));
    const isNoDefault = key === "default" && JSON.stringify(value) === "{}";
    const reference: string | undefined =
      key === "$ref" ? value : key === "allOf" && value.length === 1 ? value[0].$ref : undefined;
    if (reference) {
      kept.$ref = shortName(reference);
      visit(kept.$ref);
    } else if (!isProse && !isNoDefault) {
      kept[key] =
        key === "properties"
          ? Object.fromEntries(Object.entries<Json>(value).map(([name, schema]) => [name, strip(schema, visit)]))
          : strip(value, visit);
    }
  }
  return kept;
}
