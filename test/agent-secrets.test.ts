/** Two whole agents on embedded clusters: a Secret reaches the pods at the other, follows its changes, and is told by nothing that either of them says. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import type { Log } from "../src/base/log.ts";
import { deployments, events, secrets, workloads } from "../src/kube/resources.ts";
import { applyPolicies, pair, run, startWorld } from "./cli/world.ts";
import { until } from "./patience.ts";

const mark = "Marimba-51c9";
const hidden = [mark, Buffer.from(mark).toString("base64").slice(0, 16), Buffer.from(mark).toString("hex")];
const home = "fairlead-peer-lisbon";

const always = `
apiVersion: fairlead.dev/v1alpha1
kind: PeerPolicy
metadata: { name: accept-all }
spec: { workloads: { accept: true, approval: Always } }
`;

const manifest = `
apiVersion: fairlead.dev/v1alpha1
kind: RemoteApp
metadata: { name: web, namespace: default }
spec:
  peer: berlin
  image: fairlead.dev/demo-web:1
  secrets: [{ name: db }]
  configMaps: [{ name: site, data: { motto: here } }]
  envFrom: [{ configMapRef: { name: site } }]
  env:
    - name: PASSWORD
      valueFrom: { secretKeyRef: { name: db, key: password } }
`;

test("a Secret reaches the pods of an app at a peer, follows its changes, and is told by nothing that the agents or their commands say", {
  timeout: 240_000,
}, async () => {
  const lines: string[] = [];
  const write = (fields: object, text: string): void => void lines.push(`${text} ${inspect(fields, { depth: 12 })}`);
  const log: Log = { debug: write, info: write, warn: write, error: write, child: () => log };
  await using world = await startWorld({ log });
  const { lisbon, berlin } = world;
  const signal = AbortSignal.timeout(200_000);
  await pair(world, "apps");
  await applyPolicies(berlin, always);
  const share = async (value: string): Promise<void> => {
    const metadata = { namespace: "default", name: "db", labels: { "fairlead.dev/shared": "true" } };
    const data = { password: Buffer.from(value).toString("base64") };
    await lisbon.kube.client.apply(secrets, { metadata, type: "Opaque", data }, { force: true }, signal);
  };
  const said: string[] = [];
  const fairlead = async (town: typeof lisbon, ...args: string[]): Promise<string> => {
    const { code, out, err } = await run(town, args, { files: { "web.yaml": manifest } });
    assert.equal(code, 0, `${args.join(" ")}: ${err}`);
    said.push(out, err);
    return out;
  };
  const brought = async () => {
    const { items } = await berlin.kube.client.list(
      secrets,
      { namespace: home, labelSelector: "fairlead.dev/content" },
      signal,
    );
    return items.map(({ data, immutable }) => [Buffer.from(data?.password ?? "", "base64").toString(), immutable]);
  };

  await fairlead(lisbon, "app", "deploy", "-f", "web.yaml");
  await until("it says that the Secret is missing", async () =>
    /kubectl -n default label secret db/.test(await fairlead(lisbon, "app", "get", "web", "-o", "yaml")),
  );
  await share(`${mark} one`);
  await until("it is held", async () => /lisbon\//.test(await fairlead(berlin, "inbox", "list", "-o", "name")));
  const item = (await fairlead(berlin, "inbox", "list", "-o", "name")).trim().split("\n")[0] ?? "";
  const name = item.replace(/^[^/]*inbox[^/]*\//, "");
  assert.match(await fairlead(berlin, "inbox", "get", name), /hash/, "what is approved shows a hash of the content");
  await fairlead(berlin, "inbox", "approve", name, "-y");
  await until(
    "it is Ready",
    async () =>
      /Ready/.test(await fairlead(lisbon, "app", "get", "web", "-o", "yaml")) && (await brought()).length === 1,
  );
  assert.deepEqual(await brought(), [[`${mark} one`, true]]);

  await share(`${mark} two`);
  await until("the change is held", async () => (await brought()).length === 2);
  await until("the inbox shows it", async () => /Held/.test(await fairlead(berlin, "inbox", "list")));
  await fairlead(berlin, "inbox", "get", name);
  await fairlead(berlin, "inbox", "approve", name, "-y");
  await until(
    "only the new one is left",
    async () => JSON.stringify(await brought()) === JSON.stringify([[`${mark} two`, true]]),
  );

  for (const town of [lisbon, berlin]) {
    for (const args of [
      ["app", "list", "-o", "json"],
      ["audit", "list", "-o", "json"],
      ["inbox", "list", "-o", "json"],
      ["orphan", "list"],
      ["peer", "list", "-o", "json"],
      ["config", "show"],
      ["status"],
    ]) {
      await fairlead(town, ...args);
    }
    const { client } = town.kube;
    const lists = [
      client.list(workloads, {}, signal),
      client.list(deployments, {}, signal),
      client.list(events, {}, signal),
    ];
    for (const list of lists) said.push(JSON.stringify(await list));
  }
  const all = [...said, ...lines].join("\n");
  assert.ok(all.length > 20_000);
  for (const form of hidden)
    assert.ok(!all.includes(form), all.slice(Math.max(0, all.indexOf(form) - 400), all.indexOf(form) + 50));

  await fairlead(lisbon, "app", "delete", "web", "--wait");
  await until("nothing of it is left", async () => (await brought()).length === 0);
});
