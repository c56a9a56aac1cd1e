/** Two agents, one of which has nodes with a kubelet that says what it is told to. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { KubeError } from "../../src/kube/errors.ts";
import type { Kubelets } from "../../src/kube/kubelets.ts";
import type { ListedNode } from "../../src/kube/node-list.ts";
import { createRequests } from "../../src/kube/requests.ts";
import { patience } from "../patience.ts";
import { policyOf } from "../policy/given.ts";
import { startTwoAgents, type TwoAgents } from "./two-agents.ts";

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

const told: Answer = (_request, response) => {
  response.setHeader("content-type", "text/plain; version=0.0.4");
  response.setHeader("set-cookie", "a=b");
  response.end("up 1\n");
};

/** One that is spoken with in clear text; what its certificate has to be is tried elsewhere. */
export async function startKubelet(answer: Answer = told) {
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
  // Nothing ends by itself here.
  const requests = createRequests({ endpoint, clock: systemClock, timeoutMs: 3_600_000 });
  after(() => requests.close());
  const kubelets: Pick<Kubelets, "get"> = {
    get: (_place, { path, headers: { accept = "*/*", ...headers } }, signal) =>
      requests.send({ method: "GET", path, accept, headers }, signal),
  };
  return Object.assign(state, { seen, kubelets });
}

export const place = { address: "10.0.0.1", port: 10250 };
export const nodesThere: ListedNode[] = [
  { name: "worker-1", labels: { pool: "guests" }, ready: true, kubelet: place },
  { name: "worker-2", labels: { pool: "own" }, ready: false, kubelet: place },
  { name: "lost", labels: { pool: "guests" }, ready: true, kubelet: undefined },
  { name: "master", labels: {}, ready: true, kubelet: place },
];

export interface World extends TwoAgents {
  /** Names that were looked up. */
  readonly asked: string[];
  /** What there is, and what the policy says; change it at will. */
  readonly state: { nodes: ListedNode[]; tunnels: object };
}

export async function startNodes(
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

export const dial = (agents: TwoAgents, name = "worker-1") =>
  agents.origin.dial({ peer: "there", target: { kind: "node", name } });

export async function ask(agents: TwoAgents, path: string, method = "GET", headers: Record<string, string> = {}) {
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

export const all = { nodes: [{ names: ["worker-*"] }] };
