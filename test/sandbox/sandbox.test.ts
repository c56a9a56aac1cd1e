import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";
import { silentLog } from "../../src/base/log.ts";
import { createSandbox, type SandboxOptions } from "../../src/sandbox/sandbox.ts";
import { type Api, applyPatch, connectApi, eventually } from "../contract/api.ts";

async function withSandbox(
  o: Partial<SandboxOptions>,
  use: (api: Api, kubeconfig: string) => Promise<void>,
): Promise<void> {
  const sandbox = await createSandbox({ log: silentLog, ...o });
  const api = connectApi(sandbox.kubeconfig());
  try {
    await use(api, sandbox.kubeconfig());
  } finally {
    api.close();
    await sandbox.close();
  }
}

function deployment(name: string, replicas: number, image: string): object {
  const labels = { app: name };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: "app", image }] } },
    },
  };
}

const deployments = "/apis/apps/v1/namespaces/default/deployments";

/** The processes of this machine whose command line has this text. */
async function processesWith(text: string): Promise<string[]> {
  const ids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(ids.map((id) => readFile(`/proc/${id}/environ`, "utf8").catch(() => "")));
  return ids.filter((_, i) => lines[i]?.includes(text));
}

test("without processes hundreds of pods are ready at once, whatever their image", async () => {
  await withSandbox({ processes: false }, async (api) => {
    await api.ask("POST", deployments, { body: deployment("many", 300, "any.example/image:7") });
    const { body } = await eventually(
      () => api.ask("GET", `${deployments}/many`),
      ({ body: now }) => now.status?.availableReplicas === 300,
    );
    assert.equal(body.status.readyReplicas, 300);
    await api.ask("DELETE", `${deployments}/many`);
    await eventually(
      () => api.ask("GET", "/api/v1/namespaces/default/pods"),
      ({ body: now }) => now.items.length === 0,
    );
  });
});

test("closing ends every process", async () => {
  let pod = "";
  await withSandbox({}, async (api) => {
    await api.ask("POST", deployments, { body: deployment("web", 1, "fairlead.dev/demo-web:1") });
    await eventually(
      () => api.ask("GET", `${deployments}/web`),
      ({ body }) => body.status?.readyReplicas === 1,
    );
    pod = (await api.ask("GET", "/api/v1/namespaces/default/pods")).body.items[0].metadata.name;
    assert.equal((await processesWith(`POD_NAME=${pod}`)).length, 1);
  });
  await eventually(
    () => processesWith(`POD_NAME=${pod}`),
    (left) => left.length === 0,
  );
});

test("a sandbox that is killed leaves no process behind", async () => {
  const script = `
    import { createSandbox } from ${JSON.stringify(new URL("../../src/sandbox/sandbox.ts", import.meta.url).href)};
    import { silentLog } from ${JSON.stringify(new URL("../../src/base/log.ts", import.meta.url).href)};
    const sandbox = await createSandbox({ log: silentLog });
    console.log(JSON.stringify(sandbox.kubeconfig()));
  `;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const kubeconfig = await new Promise<string>((resolve) =>
    child.stdout.once("data", (line: Buffer) => resolve(JSON.parse(line.toString()))),
  );
  const api = connectApi(kubeconfig);
  await api.ask("POST", deployments, { body: deployment("web", 1, "fairlead.dev/echo:1") });
  await eventually(
    () => api.ask("GET", `${deployments}/web`),
    ({ body }) => body.status?.readyReplicas === 1,
  );
  const pod: string = (await api.ask("GET", "/api/v1/namespaces/default/pods")).body.items[0].metadata.name;
  child.kill("SIGKILL");
  api.close();
  await eventually(
    () => processesWith(`POD_NAME=${pod}`),
    (left) => left.length === 0,
  );
});

test("users have the verbs that they were given, and no impersonation", async () => {
  const verbs = ["get", "list", "watch"];
  const users = [
    { name: "viewer", token: "view", verbs },
    { name: "viewer", token: "for-others", verbs, audiences: ["fairlead.dev"] },
  ];
  await withSandbox({ users }, async (api) => {
    const token = "view";
    assert.equal((await api.ask("GET", "/api/v1/namespaces", { token })).status, 200);
    const refused = await api.ask("POST", "/api/v1/namespaces", { token, body: { metadata: { name: "x" } } });
    assert.equal(refused.status, 403);
    assert.match(
      refused.body.message,
      /User "viewer" cannot create resource "namespaces" in API group "" at the cluster scope/,
    );
    assert.equal((await api.ask("GET", "/api/v1/namespaces", { token: "for-others" })).status, 401);
    const review = { spec: { token: "for-others", audiences: ["fairlead.dev"] } };
    const { body } = await api.ask("POST", "/apis/authentication.k8s.io/v1/tokenreviews", { body: review });
    assert.deepEqual([body.status.authenticated, body.status.user.username], [true, "viewer"]);
    const posing = await api.open("GET", "/api/v1/namespaces", { headers: { "Impersonate-User": "someone" } });
    assert.equal(posing.resume().statusCode, 403);
  });
});

test("history is bounded: a watch from before it is 410 and a list page from before it too", async () => {
  await withSandbox({ history: 10 }, async (api) => {
    const path = "/api/v1/namespaces/default/configmaps";
    for (const i of [1, 2, 3]) await api.ask("POST", path, { body: { metadata: { name: `c${i}` } } });
    const first = (await api.ask("GET", path, { query: { limit: 1 } })).body;
    for (let i = 0; i < 30; i++) {
      await api.ask("PATCH", `${path}/c1`, {
        type: applyPatch,
        query: { fieldManager: "t" },
        body: { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "c1" }, data: { i: String(i) } },
      });
    }
    const watch = await api.watch(path, { resourceVersion: first.metadata.resourceVersion });
    assert.equal((await watch.next()).object.code, 410);
    const page = await api.ask("GET", path, { query: { limit: 1, continue: first.metadata.continue } });
    assert.deepEqual([page.status, page.body.reason], [410, "Expired"]);
  });
});

test("a quiet watch gets bookmarks", async () => {
  await withSandbox({ bookmarkMs: 20 }, async (api) => {
    const { body } = await api.ask("GET", "/api/v1/configmaps");
    const watch = await api.watch("/api/v1/configmaps", {
      resourceVersion: body.metadata.resourceVersion,
      allowWatchBookmarks: true,
      labelSelector: "a=b",
    });
    const { type, object } = await watch.next();
    assert.equal(type, "BOOKMARK");
    assert.ok(BigInt(object.metadata.resourceVersion) >= BigInt(body.metadata.resourceVersion));
    watch.close();
  });
});

test("the port speaks plain HTTP too", async () => {
  const sandbox = await createSandbox({ log: silentLog });
  try {
    const response = await fetch(`${sandbox.url}/api/v1/namespaces`, {
      headers: { Authorization: `Bearer ${sandbox.token}` },
    });
    assert.equal(response.status, 200);
    assert.equal((await fetch(`${sandbox.url}/api/v1/namespaces`)).status, 401);
  } finally {
    await sandbox.close();
  }
});
