import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { connectKube } from "../../src/kube/connect.ts";
import { checkDefinitions } from "../../src/kube/definitions.ts";
import { namespaces } from "../../src/kube/resources.ts";
import { readServiceAccount } from "../../src/kube/service-account.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { reply, startFakeServer } from "./fake-server.ts";

const never = new AbortController().signal;

function kubeconfig(t: TestContext, server: string): string {
  const folder = mkdtempSync(join(tmpdir(), "fairlead-kube-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "config");
  const config = {
    "current-context": "one",
    clusters: [{ name: "c", cluster: { server } }],
    users: [{ name: "u", user: { token: "secret-token" } }],
    contexts: [
      { name: "one", context: { cluster: "c", user: "u", namespace: "team" } },
      { name: "two", context: { cluster: "c", user: "u" } },
    ],
  };
  writeFileSync(path, JSON.stringify(config));
  return path;
}

test("a kubeconfig gives the server, the namespace of its context and the credentials", async (t) => {
  const { url, asked } = await startFakeServer(t, (_, response) => reply(response, 200, { items: [], metadata: {} }));
  const kube = await connectKube({ kubeconfig: kubeconfig(t, url), clock: systemClock });
  t.after(() => kube.close());
  assert.equal(kube.namespace, "team");

  assert.equal(kube.inCluster, false);
  assert.equal(kube.server, url);
  await kube.client.list(namespaces, {}, never);
  assert.equal(asked[0]?.headers.authorization, "Bearer secret-token");
});

test("another context may be chosen; one that is not there is told, with those that are", async (t) => {
  const path = kubeconfig(t, "https://127.0.0.1:1");
  assert.equal((await connectKube({ kubeconfig: path, context: "two", clock: systemClock })).namespace, "default");
  await assert.rejects(connectKube({ kubeconfig: path, context: "three", clock: systemClock }), /"three".*one, two/);
  await assert.rejects(connectKube({ kubeconfig: "/nowhere", clock: systemClock }), /\/nowhere cannot be read/);
});

test("credentials never go to another machine in clear text", async (t) => {
  const kube = await connectKube({ kubeconfig: kubeconfig(t, "http://192.0.2.1:80"), clock: systemClock });
  await assert.rejects(kube.client.list(namespaces, {}, never), /no credentials \(HTTP protocol is not allowed/);
});

test("in a pod the service account is used, and its token read again when it is a minute old", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "fairlead-account-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const clock = createFakeClock();
  const env = { KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "443" };
  assert.equal(readServiceAccount({ clock, env, folder }), undefined);
  for (const [name, text] of [
    ["token", "one\n"],
    ["ca.crt", "PEM"],
    ["namespace", "fairlead"],
  ] as const) {
    writeFileSync(join(folder, name), text);
  }
  assert.equal(readServiceAccount({ clock, env: {}, folder }), undefined);
  const account = readServiceAccount({ clock, env, folder });
  assert.equal(account?.namespace, "fairlead");
  assert.equal(account?.endpoint.server.href, "https://[fd00::1]/");
  const bearer = async () => (await account?.endpoint.options())?.headers;
  assert.deepEqual(await bearer(), { authorization: "Bearer one" });
  writeFileSync(join(folder, "token"), "two");
  assert.deepEqual(await bearer(), { authorization: "Bearer one" });
  await clock.advance(61_000);
  assert.deepEqual(await bearer(), { authorization: "Bearer two" });
});

test("a cluster without our resources is told from one with them, and how to install them is said", async (t) => {
  let resources = [{ name: "peers" }, { name: "peerpolicies" }, { name: "remoteapps" }, { name: "forwards" }];
  const { requests } = await startFakeServer(t, (_, response) => reply(response, 200, { resources }));
  await assert.rejects(checkDefinitions(requests, never), /does not know the resources Workload\. .*kubectl apply/);
  resources = [...resources, { name: "workloads" }];
  await checkDefinitions(requests, never);
  const empty = await startFakeServer(t, (_, response) => reply(response, 404, "404 page not found"));
  await assert.rejects(checkDefinitions(empty.requests, never), /Peer, PeerPolicy, RemoteApp, Workload, Forward/);
});
