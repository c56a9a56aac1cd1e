/** What a kubelet tells, for a peer whom the policy lets: which nodes, which paths, and nothing that a kubelet does. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { systemClock } from "../../src/base/clock.ts";
import { TargetSchema } from "../../src/gen/fairlead/wire/v1/target_pb.ts";
import { KubeError } from "../../src/kube/errors.ts";
import type { Kubelets } from "../../src/kube/kubelets.ts";
import type { ListedNode } from "../../src/kube/node-list.ts";
import { createRequests } from "../../src/kube/requests.ts";
import { nodeOffers } from "../../src/tunnel/node-offers.ts";
import { TunnelError } from "../../src/tunnel/tunnel-error.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { patience, until } from "../patience.ts";
import { policyOf } from "../policy/given.ts";
import { startTwoAgents, type TwoAgents } from "./two-agents.ts";

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

const told: Answer = (_request, response) => {
  response.setHeader("content-type", "text/plain; version=0.0.4");
  response.setHeader("set-cookie", "a=b");
  response.end("up 1\n");
};

/** One that is spoken with in clear text; what its certificate has to be is tried elsewhere. */
async function startKubelet(answer: Answer = told) {
  const seen: string[] = [];
  const state = { answer };
  const server = createServer((request, response) => {
    const { host: _, connection: __, ...headers } = request.headers;
    seen.push(`${request.method} ${request.url} ${JSON.stringify(headers)}`);
    state.answer(request, response);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  after(() => server.close().closeAllConnections());
  const { port } = server.address() as AddressInfo;
  const endpoint = { server: new URL(`http://127.0.0.1:${port}`), options: async () => ({}) };
  const requests = createRequests({ endpoint, clock: systemClock });
  after(() => requests.close());
  const kubelets: Pick<Kubelets, "get"> = {
    get: (_place, { path, headers: { accept = "*/*", ...headers } }, signal) =>
      requests.send({ method: "GET", path, accept, headers }, signal),
  };
  return Object.assign(state, { seen, kubelets });
}

const place = { address: "10.0.0.1", port: 10250 };
const nodesThere: ListedNode[] = [
  { name: "worker-1", labels: { pool: "guests" }, ready: true, kubelet: place },
  { name: "worker-2", labels: { pool: "own" }, ready: false, kubelet: place },
  { name: "lost", labels: { pool: "guests" }, ready: true, kubelet: undefined },
  { name: "master", labels: {}, ready: true, kubelet: place },
];

interface World extends TwoAgents {
  /** Names that were looked up. */
  readonly asked: string[];
  /** What there is, and what the policy says; change it at will. */
  readonly state: { nodes: ListedNode[]; tunnels: object };
}

async function start(
  tunnels: object,
  kubelets: Pick<Kubelets, "get">,
  more: Parameters<typeof startTwoAgents>[0] = {},
): Promise<World> {
  const asked: string[] = [];
  const state = { nodes: nodesThere, tunnels };
  const look = {
    async find(name: string) {
      asked.push(name);
      if (name === "locked") throw new KubeError({ status: 403, reason: "Forbidden", message: "10.0.0.9 says no" });
      return state.nodes.find((node) => node.name === name);
    },
    list: async () => ({ nodes: state.nodes, isCut: false }),
  };
  const agents = await startTwoAgents({
    ...more,
    get policy() {
      return policyOf({ tunnels: JSON.parse(JSON.stringify(state.tunnels)) });
    },
    nodes: { look, kubelets },
  });
  agents.caller = { ...agents.caller, grants: ["tunnels"] };
  return Object.assign(agents, { asked, state });
}

const dial = (agents: TwoAgents, name = "worker-1") =>
  agents.origin.dial({ peer: "there", target: { kind: "node", name } });

async function ask(agents: TwoAgents, path: string, method = "GET", headers: Record<string, string> = {}) {
  const stream = await dial(agents);
  stream.on("error", () => undefined);
  const asked = request({
    method,
    path,
    createConnection: () => stream,
    headers: { connection: "close", ...headers },
  }).end();
  const [answer]: IncomingMessage[] = await once(asked, "response", { signal: patience() });
  assert.ok(answer);
  const text = Buffer.concat(await answer.toArray()).toString();
  stream.destroy();
  return { status: answer.statusCode, headers: answer.headers, text };
}

const all = { nodes: [{ names: ["worker-*"] }] };
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
  await using agents = await start(all, kubelet.kubelets);
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
  await using agents = await start(all, kubelet.kubelets);
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
  await using agents = await start(all, kubelet.kubelets);
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
  await using agents = await start(
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
  await using agents = await start({ nodes: [{ names: ["*"] }] }, kubelet.kubelets);
  for (const name of ["", "..", "a/b", "a%2fb", "A", "a?b", "a b", "a\u0000", "x".repeat(254), "[::1]", "a:10250"]) {
    const target = create(TargetSchema, { kind: { case: "node", value: { name } } });
    await assert.rejects(agents.originSession.dial(target), /cannot be that of a node/, JSON.stringify(name));
  }
  assert.deepEqual(agents.asked, []);
});

test("what is open is judged with each request, and ends when the policy is taken back", async () => {
  const kubelet = await startKubelet();
  await using agents = await start({ nodes: [{ names: ["worker-1"], labels: { pool: "guests" } }] }, kubelet.kubelets);
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

test("HEAD has the head alone, and is asked as a GET, for which alone there is a right", async () => {
  const kubelet = await startKubelet();
  await using agents = await start(all, kubelet.kubelets);
  const { status, text, headers } = await ask(agents, "/metrics", "HEAD");
  assert.deepEqual([status, text, headers["content-type"]], [200, "", "text/plain; version=0.0.4"]);
  assert.match(kubelet.seen.join(), /^GET /);
});

test("a kubelet that is not well says so itself; that it refuses, or sends elsewhere, is told in the agent's words", async () => {
  const kubelet = await startKubelet();
  await using agents = await start(all, kubelet.kubelets);
  const answering = async (status: number, path = "/healthz") => {
    kubelet.answer = (_request, response) => {
      response.writeHead(status, { location: "/pods", "www-authenticate": "x" }).end("in its own words");
    };
    return ask(agents, path);
  };
  assert.deepEqual((await answering(500)).text, "in its own words");
  for (const [status, pattern] of [
    [401, /does not take the token/],
    [403, /lacks the right .* older than Kubernetes 1\.33/],
    [302, /HTTP status 302/],
    [404, /HTTP status 404/],
  ] as const) {
    const read = await answering(status);
    assert.equal(read.status, 502);
    assert.match(read.text, pattern);
    assert.equal(read.headers.location, undefined);
  }
});

test("why a kubelet is not reached is told without addresses", async () => {
  const { state, kubelets } = failing();
  await using agents = await start(all, kubelets);
  for (const [reason, status, pattern] of [
    ["Untrusted", 502, /nodes\.caFile/],
    ["NoToken", 502, /gets no token/],
    ["TimedOut", 504, /not answer in time/],
    ["Unreachable", 502, /cannot be reached/],
  ] as const) {
    state.reason = reason;
    const read = await ask(agents, "/metrics");
    assert.equal(read.status, status, reason);
    assert.match(read.text, pattern);
    assert.doesNotMatch(read.text, /10\.0\.0/);
  }
});

function failing() {
  const state = { reason: "" };
  const get = async (): Promise<never> => {
    throw new KubeError({ status: 0, reason: state.reason, message: "https://10.0.0.1:10250 does not" });
  };
  return { state, kubelets: { get } };
}

test("no more than eight requests of a peer are under way, and one that takes a minute is broken off", async () => {
  const waiting: ServerResponse[] = [];
  const kubelet = await startKubelet((_request, response) => void waiting.push(response));
  const clock = createFakeClock();
  await using agents = await start(all, kubelet.kubelets, { clock });
  const asked = Array.from({ length: 8 }, () => ask(agents, "/metrics"));
  await until("eight are asked", () => waiting.length === 8);
  const tooMany = await ask(agents, "/metrics");
  assert.deepEqual([tooMany.status, tooMany.headers["retry-after"]], [429, "1"]);
  for (const response of waiting.splice(0, 4)) response.end("up 1\n");
  assert.deepEqual(
    (await Promise.all(asked.slice(0, 4))).map(({ status }) => status),
    [200, 200, 200, 200],
  );
  await clock.advance(60_001);
  const late = await Promise.allSettled(asked);
  assert.ok(late.some((one) => one.status === "fulfilled" && one.value.status === 504));
  await until("the kubelet's own are broken off", () => waiting.every(({ destroyed }) => destroyed));
});

test("who goes away takes its request along", async () => {
  const waiting: ServerResponse[] = [];
  const kubelet = await startKubelet((_request, response) => void waiting.push(response));
  await using agents = await start(all, kubelet.kubelets);
  const stream = await dial(agents);
  stream.write("GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n");
  await until("it is asked", () => waiting.length === 1);
  stream.destroy();
  await until("it is broken off", () => waiting[0]?.destroyed === true);
  await until("nothing is left", () => agents.host.exit.size === 0);
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
