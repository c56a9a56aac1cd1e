/**
 * A machine without a cluster and a real cluster, as peers: the agent of cluster A beside it, that of the machine a process of this one.
 * Each reaches what the other has, by people's ports and by Services; and what the machine's agent leaves behind when it is killed.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { startDatagramEcho } from "../standalone/datagram-echo.ts";
import { createMachine, type Machine, startEcho } from "../standalone/machine.ts";
import { type AgentProcess, startAgent } from "./agent.ts";
import { applyDefinitions, type Cluster, openCluster } from "./clusters.ts";
import { converse, endingOf, open, startForward } from "./forwards.ts";
import { freePort } from "./free-port.ts";
import { until } from "./until.ts";

const image = process.env.E2E_IMAGE ?? "example.test/echo:1";
const agentNamespace = "fairlead-e2e-standalone";
const namespace = `standalone-${randomBytes(3).toString("hex")}`;
const ours = /^(fairlead-e2e-standalone|standalone-[0-9a-f]{6}|fairlead-peer-vm)$/;
const podsReach = process.env.HOST_IP;

let a: Cluster;
let agent: AgentProcess;
let vm: Machine;
let database: Awaited<ReturnType<typeof startEcho>>;
let dns: Awaited<ReturnType<typeof startDatagramEcho>>;
const page = createHttpServer((req, res) => res.end(`page ${req.url}`));
let pagePort = 0;

before(
  async () => {
    a = openCluster("a");
    await clean();
    await applyDefinitions(a);
    await a.kubectl(["create", "namespace", namespace]);
    await a.kubectl(["apply", "-f", "-"], echo());
    [database, dns] = [await startEcho("database"), await startDatagramEcho()];
    await once(page.listen(0, "127.0.0.1"), "listening");
    const at = page.address();
    pagePort = typeof at === "object" && at !== null ? at.port : 0;
    vm = await createMachine("vm", targets());
    const ports = { console: await freePort(), link: await freePort(), telemetry: await freePort() };
    const flags = podsReach === undefined ? {} : { "forwards-address": podsReach };
    [agent] = await Promise.all([
      startAgent(a, ports, { name: "cluster-a", namespace: agentNamespace, flags }),
      vm.start(),
    ]);
    await a.kubectl(["apply", "-f", "-"], policy());
    const invite = await agent.cli(["invite", "--name", "vm", "--grant", "tunnels"]);
    assert.match(await vm.cli("join", invite.trim(), "--grant", "tunnels"), /Paired with cluster-a/);
    await a.kubectl(["-n", namespace, "rollout", "status", "deployment/echo", "--timeout=100s"]);
  },
  { timeout: 300_000 },
);

after(
  async () => {
    await Promise.all([agent?.stop(), vm?.[Symbol.asyncDispose]()]);
    page.close();
    database?.close();
    dns?.close();
    if (a) await clean();
  },
  { timeout: 180_000 },
);

async function clean(): Promise<void> {
  const names = (await a.kubectl(["get", "namespaces", "-o", "name"])).split("\n").map((name) => name.slice(10));
  const left = names.filter((name) => ours.test(name));
  if (left.length > 0) await a.kubectl(["delete", "namespace", "--wait=true", ...left]);
}

function targets(peers: readonly string[] = ["cluster-a"]): object[] {
  return [
    { name: "db", port: database.port, peers },
    { name: "dns", port: dns.port, protocol: "UDP", peers },
    { name: "erp", port: pagePort, protocol: "HTTP", peers },
  ];
}

function echo(): string {
  const labels = { app: "echo" };
  const containers = [{ name: "echo", image }];
  const template = { metadata: { labels }, spec: { containers, terminationGracePeriodSeconds: 0 } };
  const metadata = { name: "echo", namespace };
  const spec = { selector: labels, ports: [{ name: "http", port: 80, targetPort: 8080 }] };
  const items = [
    { apiVersion: "apps/v1", kind: "Deployment", metadata, spec: { selector: { matchLabels: labels }, template } },
    { apiVersion: "v1", kind: "Service", metadata, spec },
  ];
  return JSON.stringify({ apiVersion: "v1", kind: "List", items });
}

function policy(): string {
  const metadata = { name: "vm", namespace: agentNamespace };
  const tunnels = { services: [{ namespace, name: "echo" }] };
  return JSON.stringify({
    apiVersion: "fairlead.dev/v1alpha1",
    kind: "PeerPolicy",
    metadata,
    spec: { peers: { names: ["vm"] }, tunnels },
  });
}

async function ask(port: number): Promise<string> {
  return String(await converse(port, Buffer.from("rows")));
}

test("the machine reaches a Service of the cluster, and both know what they may", { timeout: 180_000 }, async () => {
  const service = `service/${namespace}/echo:80`;
  let seen = "";
  const isListed = async (): Promise<boolean> => {
    const { out, err } = await vm.tryCli("target", "list", "cluster-a");
    seen = out + err;
    return seen.includes(service);
  };
  await until("the Service is listed", isListed, { seen: () => seen });
  const forward = vm.startCli("forward", "cluster-a", service, ":0");
  try {
    await forward.until((out) => out.includes(" is "));
    const port = Number(/^127\.0\.0\.1:(\d+) /.exec(forward.out())?.[1]);
    const answer = await fetch(`http://127.0.0.1:${port}/hello`);
    assert.match(await answer.text(), /"path": ?"\/hello"/);
  } finally {
    forward.interrupt();
    await forward.ended;
  }
  const listed = await agent.cli(["target", "list", "vm"]);
  assert.match(listed, new RegExp(`address/db:${database.port} .*TCP`));
  assert.match(listed, new RegExp(`address/dns:${dns.port}/udp .*UDP`));
  assert.match(listed, new RegExp(`address/erp:${pagePort} .*TCP/http`));
  assert.match(await agent.cli(["peer", "get", "vm", "-o", "yaml"]), /place: standalone/);
});

test("from the cluster's side the machine's ports are reached: bytes, datagrams and a web page", {
  timeout: 180_000,
}, async () => {
  const names = [`address/db:${database.port}`, `address/erp:${pagePort}`, `address/dns:${dns.port}/udp`];
  const forward = await startForward(agent, "vm", names);
  try {
    const [db = 0, erp = 0, udp = 0] = forward.ports;
    assert.equal(await ask(db), "database\nrows");
    assert.equal(await (await fetch(`http://127.0.0.1:${erp}/orders`)).text(), "page /orders");
    assert.equal(await dns.ask(udp, "who"), "who there");
  } finally {
    await forward.end();
  }
  const answer = await fetch(`${agent.consoleUrl}/peers/vm/addresses/erp/${pagePort}/orders?of=today`, {
    headers: { authorization: `Bearer ${await agent.token()}` },
  });
  assert.equal(await answer.text(), "page /orders?of=today");
});

test("a pod reaches the machine's port by a Service, and a web page of it", { timeout: 180_000 }, async (t) => {
  if (podsReach === undefined) return t.diagnostic("HOST_IP is not set: no pod reaches an agent on this machine");
  for (const [name, target, port] of [
    ["db", "address/db", database.port],
    ["erp", "address/erp", pagePort],
  ] as const) {
    const ports = [{ name: "it", port: 8080, targetPort: String(port) }];
    const metadata = { name, namespace };
    const spec = { peer: "vm", target, ports };
    const forward = { apiVersion: "fairlead.dev/v1alpha1", kind: "Forward", metadata, spec };
    await a.kubectl(["apply", "-f", "-"], JSON.stringify(forward));
  }
  const fromPod = (...command: string[]): Promise<string> =>
    a.kubectl(["exec", "-n", namespace, "deploy/echo", "--", ...command]).catch(String);
  let seen = "";
  const sees = (wanted: string, ...command: string[]): Promise<unknown> =>
    until(
      wanted,
      async () => {
        seen = await fromPod(...command);
        return seen.includes(wanted);
      },
      { seconds: 90, seen: () => seen },
    );
  await sees("page /pods", "timeout", "10", "wget", "-q", "-O", "-", "http://erp:8080/pods");
  await sees("database", "timeout", "10", "echo-server", "dial", "tcp", "db:8080");
});

test("killed with open forwards it resets them, and through the same ones it is reached again when it is back", {
  timeout: 240_000,
}, async () => {
  const forward = await startForward(agent, "vm", [`address/db:${database.port}`]);
  try {
    const [port = 0] = forward.ports;
    const waiting = open(port);
    const [greeting] = await once(waiting, "data");
    assert.equal(String(greeting), "database\n");
    const ending = endingOf(waiting);
    await vm.kill();
    await vm.start();
    assert.equal(await ending, "reset");
    const isBack = async (): Promise<boolean> => (await ask(port)) === "database\nrows";
    await until("the machine's database answers again", isBack, { seconds: 90, seen: forward.told });
  } finally {
    await forward.end();
  }
});

test("what is taken back by its configuration ends at once, and is told of no more", { timeout: 180_000 }, async () => {
  const forward = await startForward(agent, "vm", [`address/db:${database.port}`]);
  try {
    const [port = 0] = forward.ports;
    const waiting = open(port);
    await once(waiting, "data");
    const ending = endingOf(waiting);
    assert.match(await vm.offer(targets(["somebody-else"])), /"configuration read again"/);
    assert.equal(await ending, "reset");
    await assert.rejects(text(open(port)));
    assert.doesNotMatch(await agent.cli(["target", "list", "vm"]), /address\//);
    await vm.offer(targets());
    const isBack = async (): Promise<boolean> => (await ask(port)) === "database\nrows";
    await until("it is reached again", isBack, { seen: forward.told });
  } finally {
    await forward.end();
  }
});
