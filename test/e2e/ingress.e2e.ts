/**
 * Links through what stands in front of agents, with the configurations of docs/ingress.md. The agents are real and the
 * clusters embedded, because what is tested is between the agents. Needs nginx, haproxy, tinyproxy and openssl.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { silentLog } from "../../src/base/log.ts";
import { buildTown, type Town } from "../../src/demo/town.ts";
import { peers } from "../../src/kube/resources.ts";
import { run } from "../cli/world.ts";
import { type Front, freePort, startFront } from "./fronts.ts";
import { until } from "./until.ts";

const app = {
  apiVersion: "fairlead.dev/v1alpha1",
  kind: "RemoteApp",
  metadata: { name: "echo", namespace: "default" },
  spec: { peer: "berlin", image: "fairlead.dev/echo:1", ports: [{ containerPort: 8080 }] },
};

/** "berlin" is reached at `url` only; "lisbon" dials it, joins, and runs an app there. */
async function pair(
  t: TestContext,
  o: { linkPort: number; url: string; lisbon?: Record<string, string> },
): Promise<Town> {
  const directory = await mkdtemp(join(tmpdir(), "fairlead-ingress-"));
  const common = { directory, firstPort: 0, version: "0.0.1", log: silentLog };
  const own = { "link.port": String(o.linkPort), "link.url": o.url };
  const berlin = await buildTown({ ...common, name: "berlin", settings: own }, t.signal);
  t.after(() => berlin.close());
  const trusting = { "link.insecure": "true", "link.url": "", ...o.lisbon };
  const lisbon = await buildTown({ ...common, name: "lisbon", settings: trusting }, t.signal);
  t.after(async () => {
    await lisbon.close();
    await rm(directory, { recursive: true, force: true });
  });
  const invited = await run(berlin, ["invite", "--grant", "apps"]);
  const joined = await run(lisbon, ["join", "-"], { input: invited.out });
  assert.equal(joined.code, 0, joined.err);
  const deployed = await run(lisbon, ["app", "deploy", "-f", "-", "--wait"], { input: JSON.stringify(app) });
  assert.equal(deployed.code, 0, deployed.err);
  return lisbon;
}

function get(town: Town, path: string): Promise<Response> {
  const headers = { authorization: `Bearer ${town.token}` };
  return fetch(`${town.consoleUrl}/apps/default/echo/8080${path}`, { headers });
}

/** Downloads so many MiB; `during` runs when the first bytes have come, while the rest is held back. */
async function download(town: Town, mebibytes: number, during: () => Promise<void> = async () => {}): Promise<void> {
  const answer = await get(town, `/bytes?n=${mebibytes << 20}`);
  const hash = createHash("sha256");
  let length = 0;
  for await (const chunk of answer.body ?? []) {
    if (length === 0) await during();
    hash.update(chunk);
    length += chunk.length;
  }
  assert.equal(length, mebibytes << 20);
  assert.equal(hash.digest("hex"), answer.headers.get("x-sha256"));
}

/** Since when the link stands, which no link that was made anew would say. */
async function since(town: Town): Promise<string | undefined> {
  const peer = await town.kube.client.get(
    peers,
    { namespace: "fairlead-system", name: "berlin" },
    AbortSignal.timeout(5_000),
  );
  return peer?.status?.link?.state === "Connected" ? peer.status.link.since : undefined;
}

async function staysThroughSilence(town: Town): Promise<void> {
  const before = await until("the link's state is written", () => since(town));
  await pause(70_000); // Longer than the 60 s that a connection may be quiet.
  assert.equal(await since(town), before, "the same link");
  await download(town, 1);
}

function startedFor(t: TestContext, front: Front): Front {
  t.after(() => front.close());
  return front;
}

test("nginx with its default time-outs ends TLS in front of a link", { timeout: 180_000 }, async (t) => {
  const [linkPort, port] = [await freePort(), await freePort()];
  const front = startedFor(t, await startFront({ kind: "nginx", agentPort: linkPort, port }));
  const lisbon = await pair(t, { linkPort, url: `wss://127.0.0.1:${port}/link` });
  await download(lisbon, 20);
  await download(lisbon, 64, async () => {
    front.process.kill("SIGHUP");
    // It says this when the new worker has taken over; the old one goes on with what it has.
    await until(
      "nginx has loaded again",
      async () => /gracefully shutting down|start worker process/.test(front.output()),
      {
        seconds: 10,
        seen: front.output,
      },
    );
  });
  await staysThroughSilence(lisbon);
});

test("haproxy ends TLS in front of a link", { timeout: 180_000 }, async (t) => {
  const [linkPort, port] = [await freePort(), await freePort()];
  startedFor(t, await startFront({ kind: "haproxy", agentPort: linkPort, port }));
  const lisbon = await pair(t, { linkPort, url: `wss://127.0.0.1:${port}/link` });
  await download(lisbon, 20);
  await staysThroughSilence(lisbon);
});

test("an HTTP proxy is asked by CONNECT on the way out, and a link through it lasts", {
  timeout: 180_000,
}, async (t) => {
  const [linkPort, ingressPort, proxyPort] = [await freePort(), await freePort(), await freePort()];
  startedFor(t, await startFront({ kind: "haproxy", agentPort: linkPort, port: ingressPort }));
  const proxy = startedFor(
    t,
    await startFront({ kind: "tinyproxy", agentPort: linkPort, port: proxyPort, connectPort: ingressPort }),
  );
  // Loopback is never asked for by way of a proxy.
  const address = Object.values(networkInterfaces())
    .flat()
    .find((each) => each?.family === "IPv4" && !each.internal)?.address;
  assert.ok(address, "this machine has an address beside loopback");
  const lisbon = await pair(t, {
    linkPort,
    url: `wss://${address}:${ingressPort}/link`,
    lisbon: { "link.httpsProxy": `http://127.0.0.1:${proxyPort}` },
  });
  await download(lisbon, 20);
  assert.match(proxy.output(), new RegExp(`CONNECT ${address}:${ingressPort}`));
  await staysThroughSilence(lisbon);
});
