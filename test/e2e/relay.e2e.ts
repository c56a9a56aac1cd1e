/**
 * Two agents in real clusters that cannot reach each other meet at a third one, which runs on this machine and which both
 * reach: HOST_IP is this machine's address as pods see it, NETWORK_CUT and NETWORK_HEAL drop packets between the clusters and
 * no others. Without these three it is left out.
 */

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { type AgentProcess, startAgent } from "./agent.ts";
import { type Cluster, openCluster, openNetwork, refreshDefinitions } from "./clusters.ts";
import { freePort } from "./free-port.ts";
import { clean, type InstalledAgent, openAgent } from "./installed.ts";
import { until } from "./until.ts";

const image = process.env.E2E_IMAGE ?? "example.test/echo:1";
const namespace = `relay-${randomBytes(3).toString("hex")}`;
const agents = "fairlead-relay";
const hubNamespace = "fairlead-relay-hub";
const ours = /^(relay-[0-9a-f]{6}|fairlead-relay|fairlead-relay-hub|fairlead-peer-relay-[ab])$/;

const address = process.env.HOST_IP;
const network = openNetwork();
const isPossible = address !== undefined && network !== undefined;
const skip = isPossible ? false : "HOST_IP, NETWORK_CUT and NETWORK_HEAL are not set; this is left out";

let a: Cluster;
let b: Cluster;
let origin: InstalledAgent;
let host: InstalledAgent;
let hub: AgentProcess;

before(
  async () => {
    if (!isPossible) return;
    a = openCluster("a");
    b = openCluster("b");
    await network.heal();
    await Promise.all([clean(a, ours), clean(b, ours)]);
    await Promise.all([refreshDefinitions(a), refreshDefinitions(b)]);
    [origin, host] = await Promise.all([openAgent(a, "relay-a", agents), openAgent(b, "relay-b", agents)]);
    await Promise.all([origin.install(), host.install(), a.kubectl(["create", "namespace", namespace])]);
    const ports = { console: await freePort(), link: await freePort(), telemetry: await freePort() };
    hub = await startAgent(a, ports, { name: "hub", namespace: hubNamespace, address });
  },
  { timeout: 240_000 },
);

after(
  async () => {
    if (!isPossible) return;
    await network.heal();
    await hub?.stop();
    await Promise.all([a, b].filter(Boolean).map((cluster) => clean(cluster, ours)));
  },
  { timeout: 180_000 },
);

interface LinkOf {
  status?: { link?: { state?: string; path?: string; message?: string } };
}

/** Waits until the link goes this way, at both ends or at one. */
async function goes(path: RegExp, seconds: number, ends = [origin, host]): Promise<void> {
  for (const agent of ends) {
    const peer = agent === origin ? "relay-b" : "relay-a";
    let last: LinkOf["status"];
    await until(
      `${agent.name} is connected with ${peer}, ${path.source}`,
      async () => {
        last = (await agent.cluster.get<LinkOf>(["peers", "-n", agents, peer])).status;
        return last?.link?.state === "Connected" && path.test(last.link.path ?? "");
      },
      { seconds, seen: () => last?.link },
    );
  }
}

/** Starts to download so much of the app's, and resolves with what that comes to: the hash as received and as sent. */
async function startDownload(url: string, headers: { authorization: string }, mebibytes: number) {
  const path = `/apps/${namespace}/echo/8080/bytes?n=${mebibytes << 20}`;
  const answer = await fetch(url + path, { headers });
  assert.equal(answer.status, 200);
  const hash = createHash("sha256");
  const reader = answer.body?.getReader();
  const read = async (pieces: number): Promise<boolean> => {
    for (let piece = 0; piece < pieces; piece += 1) {
      const next = await reader?.read();
      if (!next || next.done) return true;
      hash.update(next.value);
    }
    return false;
  };
  await read(20);
  return {
    /** Goes on to the end. */
    async whole(): Promise<void> {
      while (!(await read(100)));
      assert.equal(hash.digest("hex"), answer.headers.get("x-sha256"));
    },
  };
}

test("two agents that cannot reach each other pair through a third, once that may carry", {
  skip,
  timeout: 400_000,
}, async () => {
  for (const agent of [origin, host]) {
    const invite = (await hub.cli(["invite"])).trim();
    await agent.cli(["join", "-", "--grant", "relay"], invite);
  }
  await network?.cut();
  const invite = (await host.cli(["invite", "--relay", "hub", "--grant", "apps"])).trim();
  const early = await origin.tryCli(["join", "-"], invite);
  assert.match(early.stderr, /relay\.allow: true \(rule: relay\/allow\)/);
  const policy = {
    apiVersion: "fairlead.dev/v1alpha1",
    kind: "PeerPolicy",
    metadata: { name: "carried", namespace: hubNamespace },
    spec: { peers: { names: ["relay-a", "relay-b"] }, relay: { allow: true } },
  };
  await a.kubectl(["create", "-f", "-"], JSON.stringify(policy));
  await until(
    "the invite is taken",
    async () => (await origin.tryCli(["join", "-"], invite)).stdout.includes("Paired with relay-b"),
    { seconds: 120 },
  );
  await goes(/^through hub$/, 60);
});

test("an app runs across it, and its bytes come whole", { skip, timeout: 180_000 }, async () => {
  const spec = { peer: "relay-b", image, ports: [{ containerPort: 8080 }] };
  const app = { apiVersion: "fairlead.dev/v1alpha1", kind: "RemoteApp", metadata: { name: "echo", namespace }, spec };
  await a.kubectl(["apply", "-f", "-"], JSON.stringify(app));
  await until(
    "the app is Ready",
    async () =>
      (await a.get<{ status?: { phase?: string } }>(["remoteapp", "-n", namespace, "echo"])).status?.phase === "Ready",
    { seconds: 90 },
  );
  await origin.withConsole(async (url, headers) => {
    await (await startDownload(url, headers, 20)).whole();
  });
});

test("a direct way that opens is taken, one that is cut is left for the relay, and a download goes on all the while", {
  skip,
  timeout: 400_000,
}, async () => {
  await origin.withConsole(async (url, headers) => {
    const download = await startDownload(url, headers, 64);
    await network?.heal();
    await origin.cli(["peer", "reconnect", "relay-b"]);
    await goes(/^(dialled|accepted)$/, 90);
    // A way of its own, for kubectl carries what is not read and what is by one connection.
    await origin.withConsole(async (secondUrl) => {
      const second = await startDownload(secondUrl, headers, 64);
      await network?.cut();
      const both = Promise.all([download.whole(), second.whole()]);
      await goes(/^through hub$/, 120);
      await both;
    });
  });
  await network?.heal();
  await goes(/^(dialled|accepted)$/, 360);
});

test("what the relay carried is counted and written down there", { skip, timeout: 60_000 }, async () => {
  const audit = await hub.cli(["audit", "list", "--action", "relay", "-o", "json"]);
  assert.match(audit, /"rule": "relay\/allow"/);
  assert.match(audit, /"verdict": "allowed"/);
  assert.match(await host.cli(["audit", "list", "--action", "relay", "-o", "json"]), /"relay\.bring"/);
  // With its agents alive, or nobody takes its finalizer off.
  await origin.cli(["app", "delete", "echo", "-n", namespace, "--wait"]);
});
