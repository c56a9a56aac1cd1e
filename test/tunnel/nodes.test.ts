/** What a kubelet tells, for a peer whom the policy lets: which nodes, which paths, and nothing that a kubelet does. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { TargetSchema } from "../../src/gen/fairlead/wire/v1/target_pb.ts";
import { KubeError } from "../../src/kube/errors.ts";
import { nodeOffers } from "../../src/tunnel/node-offers.ts";
import { TunnelError } from "../../src/tunnel/tunnel-error.ts";
import { patience, until } from "../patience.ts";
import { policyOf } from "../policy/given.ts";
import { all, ask, dial, nodesThere, place, startKubelet, startNodes } from "./node-world.ts";

const readable = [
  "/metrics",
  "/metrics/cadvisor",
  "/metrics/resource",
  "/metrics/probes",
  "/stats/summary",
  "/healthz",
];

test("what a kubelet tells is read by a peer whom the policy lets, and goes there with nothing else that it wrote", async () => {
  const kubelet = await startKubelet();
  await using agents = await startNodes(all, kubelet.kubelets);
  const headers = { accept: "text/plain", authorization: "Bearer mine", "impersonate-user": "root", cookie: "a=b" };
  for (const path of [...readable, "/stats/summary?only_cpu_and_memory=true"]) {
    const read = await ask(agents, path, "GET", headers);
    assert.deepEqual([read.status, read.text], [200, "up 1\n"], path);
    assert.equal(read.headers["content-type"], "text/plain; version=0.0.4");
    assert.equal(read.headers["set-cookie"], undefined);
  }
  assert.deepEqual(
    kubelet.seen,
    [...readable, "/stats/summary?only_cpu_and_memory=true"].map(
      (path) => `GET ${path} {"accept":"text/plain","user-agent":"fairlead"}`,
    ),
  );
  assert.ok(
    agents.audited.host.some(
      ({ action, target, verdict }) => action === "tunnel.open" && target === "node/worker-1" && verdict === "allowed",
    ),
  );
});

test("a peer that asks a kubelet for more than it tells gets no further: no pods, no programs, no logs, whatever the path looks like", async () => {
  const kubelet = await startKubelet();
  await using agents = await startNodes(all, kubelet.kubelets);
  for (const path of [
    "/",
    "/pods",
    "/runningpods/",
    "/run/shop/web/web?cmd=id",
    "/exec/shop/web/web?command=id&output=1",
    "/attach/shop/web/web",
    "/portForward/shop/web",
    "/containerLogs/shop/web/web",
    "/logs/",
    "/logs/kubelet.log",
    "/configz",
    "/checkpoint/shop/web/web",
    "/debug/pprof/heap",
    "/debug/flags/v",
    "/metrics/",
    "/metrics/../pods",
    "/metrics/..%2fpods",
    "/metrics%2fcadvisor",
    "/metrics/cadvisor/..",
    "//metrics",
    "/./metrics",
    "/METRICS",
    "/metrics;x",
    "/metrics#/pods",
    "/stats/summary/",
    "/stats/",
    "http://10.0.0.1:10250/metrics",
    "http://169.254.169.254/metrics",
    "*",
  ]) {
    assert.equal((await ask(agents, path)).status, 404, path);
  }
  for (const path of [
    "/metrics?cmd=id",
    "/metrics?",
    "/stats/summary?only_cpu_and_memory=true&x",
    "/healthz?verbose",
  ]) {
    assert.equal((await ask(agents, path)).status, 400, path);
  }
  for (const method of ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]) {
    assert.equal((await ask(agents, "/metrics", method)).status, 405, method);
  }
  assert.deepEqual(kubelet.seen, []);
  const upgraded = await ask(agents, "/metrics", "GET", { connection: "Upgrade", upgrade: "websocket" });
  assert.equal(upgraded.status, 200, "as if nobody had asked for an upgrade");
  assert.deepEqual(kubelet.seen, ['GET /metrics {"accept":"*/*","user-agent":"fairlead"}']);
});

test("a request that is smuggled behind another is judged as any, and CONNECT is none", async () => {
  const kubelet = await startKubelet();
  await using agents = await startNodes(all, kubelet.kubelets);
  const raw = async (text: string): Promise<string> => {
    const stream = await dial(agents);
    stream.write(text);
    return Buffer.concat(await stream.toArray()).toString();
  };
  const inner = "GET /pods HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
  const outer = `GET /metrics HTTP/1.1\r\nhost: x\r\ncontent-length: ${inner.length}\r\n\r\n`;
  const last = "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
  assert.doesNotMatch(await raw(outer + inner + last), /404/, "it is the body of the first");
  assert.match(await raw(`GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n${inner}`), /200 OK[\s\S]*404 Not Found/);
  const both = outer.replace("\r\n\r\n", "\r\ntransfer-encoding: chunked\r\n\r\n");
  await assert.rejects(raw(`${both}0\r\n\r\n${inner}`), /HPE_INVALID_TRANSFER_ENCODING/);
  await assert.rejects(raw("CONNECT 10.0.0.1:10250 HTTP/1.1\r\nhost: x\r\n\r\n"), /destroyed before its end/);
  assert.ok(kubelet.seen.every((line) => /^GET \/(metrics|healthz) /.test(line)));
});

function denied(pattern: RegExp) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof TunnelError, String(error));
    assert.match(error.message, pattern);
    assert.doesNotMatch(error.message, /10\.0\.0/);
    return true;
  };
}

test("a node that the policy does not name is refused before it is looked up, and one without the labels is as none", async () => {
  const kubelet = await startKubelet();
  await using agents = await startNodes(
    { nodes: [{ names: ["worker-*", "lost", "locked", "none"], labels: { pool: "guests" } }] },
    kubelet.kubelets,
  );
  await assert.rejects(dial(agents, "master"), denied(/tunnels\.nodes \(rule: tunnels\/nodes\)/));
  assert.deepEqual(agents.asked, []);
  const none = denied(/There is no node here called/);
  await assert.rejects(dial(agents, "none"), none);
  await assert.rejects(dial(agents, "worker-2"), none);
  await assert.rejects(dial(agents, "lost"), denied(/does not say where its kubelet answers/));
  await assert.rejects(dial(agents, "locked"), denied(/lacks the right to get nodes/));
  assert.equal((await ask(agents, "/healthz")).status, 200);
  agents.caller = { ...agents.caller, grants: ["apps", "kubectl"] };
  await assert.rejects(dial(agents), denied(/fairlead peer grant here tunnels/));
});

test("names that are no node's are refused as they come off the wire", async () => {
  const kubelet = await startKubelet();
  await using agents = await startNodes({ nodes: [{ names: ["*"] }] }, kubelet.kubelets);
  for (const name of ["", "..", "a/b", "a%2fb", "A", "a?b", "a b", "a\u0000", "x".repeat(254), "[::1]", "a:10250"]) {
    const target = create(TargetSchema, { kind: { case: "node", value: { name } } });
    await assert.rejects(agents.originSession.dial(target), /cannot be that of a node/, JSON.stringify(name));
  }
  assert.deepEqual(agents.asked, []);
});

test("what is open is judged with each request, and ends when the policy is taken back", async () => {
  const kubelet = await startKubelet();
  await using agents = await startNodes(
    { nodes: [{ names: ["worker-1"], labels: { pool: "guests" } }] },
    kubelet.kubelets,
  );
  const stream = await dial(agents);
  const get = async (): Promise<string> => {
    stream.write("GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n");
    let text = "";
    await until("there is an answer", () => {
      text += stream.read() ?? "";
      return /\r\n\r\n[\s\S]*\n(0\r\n\r\n)?$/.test(text);
    });
    return text;
  };
  assert.match(await get(), /^HTTP\/1.1 200 /);
  agents.state.nodes = [{ name: "worker-1", labels: { pool: "own" }, ready: true, kubelet: place }];
  assert.match(await get(), /^HTTP\/1.1 502 [\s\S]*There is no node here called worker-1/);
  agents.state.nodes = nodesThere;
  assert.match(await get(), /^HTTP\/1.1 200 /);
  const ended = once(stream, "error", { signal: patience() });
  agents.state.tunnels = { nodes: [{ names: ["worker-1"], labels: { pool: "own" } }] };
  agents.host.exit.review(() => agents.caller);
  assert.match(String(await ended), /\(rule: tunnels\/nodes\)/);
});

test("a peer is told of the nodes that its rules name, and why one could not be read now", async () => {
  const state = { fails: false, isCut: false };
  const source = nodeOffers({
    async list() {
      if (state.fails) throw new KubeError({ status: 403, reason: "Forbidden", message: "10.0.0.1 says no" });
      return { nodes: nodesThere, isCut: state.isCut };
    },
  });
  const rulesOf = (nodes: object[]) => policyOf({ tunnels: { nodes: JSON.parse(JSON.stringify(nodes)) } }).tunnels;
  const caller = { fingerprint: "f", guest: false, peer: "tokyo", grants: ["tunnels"] };
  const list = async (...rules: object[]) => {
    const { offers, problems } = await source.list(caller, rulesOf(rules), patience());
    return [
      ...offers.map(({ target, notReady = "" }) => `${target.kind === "node" && target.name} ${notReady}`.trim()),
      ...problems,
    ];
  };
  assert.deepEqual(await list({ names: ["worker-*", "lost"] }), [
    "worker-1",
    "worker-2 The node is not ready.",
    "lost It does not say where its kubelet answers.",
  ]);
  assert.deepEqual(await list({ names: ["*"], labels: { pool: "own" } }, { names: ["master"] }), [
    "worker-2 The node is not ready.",
    "master",
  ]);
  state.isCut = true;
  assert.match((await list({ names: ["master"] })).join(), /^master,The cluster has more nodes than are looked at/);
  state.fails = true;
  assert.match((await list({ names: ["*"] })).join(), /^The peer's agent lacks the right to list nodes/);
  assert.deepEqual(await list(), [], "nothing is looked at for who may reach none");
});
