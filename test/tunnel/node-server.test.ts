/** How a kubelet is asked for a peer: what its answers become, and what bounds them. */
import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { duplexPair } from "node:stream";
import { test } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { KubeError } from "../../src/kube/errors.ts";
import { createNodeServer } from "../../src/tunnel/node-server.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { patience, until } from "../patience.ts";
import { all, ask, dial, place, startKubelet, startNodes } from "./node-world.ts";

test("HEAD has the head alone, and is asked as a GET, for which alone there is a right", async () => {
  const kubelet = await startKubelet();
  await using agents = await startNodes(all, kubelet.kubelets);
  const { status, text, headers } = await ask(agents, "/metrics", "HEAD");
  assert.deepEqual([status, text, headers["content-type"]], [200, "", "text/plain; version=0.0.4"]);
  assert.match(kubelet.seen.join(), /^GET /);
});

test("a kubelet that is not well says so itself; that it refuses, or sends elsewhere, is told in the agent's words", async () => {
  const kubelet = await startKubelet();
  await using agents = await startNodes(all, kubelet.kubelets);
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
  await using agents = await startNodes(all, kubelets);
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
  await using agents = await startNodes(all, kubelet.kubelets, { clock });
  const answered: (number | undefined)[] = [];
  const asked = Array.from({ length: 8 }, async () => {
    const { status } = await ask(agents, "/metrics");
    answered.push(status);
  });
  await until("eight are asked", () => waiting.length === 8);
  const tooMany = await ask(agents, "/metrics");
  assert.deepEqual([tooMany.status, tooMany.headers["retry-after"]], [429, "1"]);
  for (const response of waiting.splice(0, 4)) response.end("up 1\n");
  await until("four are answered", () => answered.length === 4);
  assert.deepEqual(answered, [200, 200, 200, 200]);
  await clock.advance(60_001);
  await Promise.allSettled(asked);
  assert.ok(answered.includes(504), `${answered}`);
  await until("the kubelet's own are broken off", () => waiting.every(({ destroyed }) => destroyed));
});

test("an answer that is too long breaks off, and looks broken", async () => {
  const kubelet = await startKubelet((_request, response) => {
    response.write("x".repeat(900));
    response.end("y".repeat(200));
  });
  const { kubelets } = kubelet;
  const caller = { fingerprint: "f", guest: false, peer: "tokyo", grants: ["tunnels"] };
  const served = { caller, find: async () => ({ ok: true, place }) as const };
  const read = async (mostBytes: number): Promise<string> => {
    const [here, there] = duplexPair();
    const serving = createNodeServer({ kubelets, clock: systemClock, mostBytes }).serve(served, there, patience());
    here.write("GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    const chunks: Buffer[] = [];
    here.on("data", (chunk: Buffer) => chunks.push(chunk)).on("error", () => undefined);
    here.on("end", () => here.end());
    await serving;
    return Buffer.concat(chunks).toString();
  };
  assert.match(await read(1_100), /\r\n0\r\n\r\n$/);
  assert.doesNotMatch(await read(1_099), /\r\n0\r\n\r\n$/);
});

test("who goes away takes its request along", async () => {
  const waiting: ServerResponse[] = [];
  const kubelet = await startKubelet((_request, response) => void waiting.push(response));
  await using agents = await startNodes(all, kubelet.kubelets);
  const stream = await dial(agents);
  stream.write("GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n");
  await until("it is asked", () => waiting.length === 1);
  stream.destroy();
  await until("it is broken off", () => waiting[0]?.destroyed === true);
  await until("nothing is left", () => agents.host.exit.size === 0);
});
