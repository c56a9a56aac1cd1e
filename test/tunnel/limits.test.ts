import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import type { Duplex } from "node:stream";
import { type TestContext, test } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import type { TunnelLimits } from "../../src/policy/effective-policy.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { createMetricsServer } from "../../src/tunnel/metrics-server.ts";
import { PeerLimits } from "../../src/tunnel/peer-limits.ts";
import { TunnelError } from "../../src/tunnel/tunnel-error.ts";
import { declareTunnelMetrics } from "../../src/tunnel/tunnel-metrics.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { until } from "../patience.ts";
import { policyOf } from "../policy/given.ts";
import { startTwoAgents, type TwoAgents } from "./two-agents.ts";

async function listen(t: TestContext, hello: Buffer): Promise<number> {
  const server = createServer((socket) => void socket.on("error", () => undefined).write(hello));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

const dial = (agents: TwoAgents): Promise<Duplex> =>
  agents.origin.dial({ peer: "there", target: { kind: "app", namespace: "shop", name: "web" } });

test("a peer has as many connections as its policy says, and opens as many in a second", async () => {
  const clock = createFakeClock();
  const policies = new Map<string, TunnelLimits>([
    ["few", { connections: 2 }],
    ["slow", { connectionsPerSecond: 3 }],
    ["none", { connections: 0 }],
  ]);
  const limits = new PeerLimits(clock, (fingerprint) => policies.get(fingerprint));
  assert.equal(limits.take("few", 1), undefined);
  assert.match(limits.take("few", 2) ?? "", /2 connections here/);
  assert.match(limits.take("none", 0) ?? "", /0 connections here/);
  assert.equal(limits.take("anybody", 2_047), undefined);
  assert.match(limits.take("anybody", 2_048) ?? "", /2048 connections here/);

  for (let count = 0; count < 3; count += 1) assert.equal(limits.take("slow", 0), undefined);
  assert.match(limits.take("slow", 0) ?? "", /3 connections within a second/);
  await clock.advance(334);
  assert.equal(limits.take("slow", 0), undefined);
  assert.notEqual(limits.take("slow", 0), undefined);
  policies.set("slow", {});
  assert.equal(limits.take("slow", 0), undefined, "a policy that was changed counts at once");
});

test("connections that are too many are refused with the reason, and those that are open stay", async (t) => {
  const port = await listen(t, Buffer.from("hello"));
  const policy = policyOf({ tunnels: { limits: { connections: 2 } } });
  await using agents = await startTwoAgents({ policy });
  agents.offer("web", port);
  const streams = [await dial(agents), await dial(agents)];
  await assert.rejects(dial(agents), (error) => error instanceof TunnelError && error.failure === "overloaded");
  assert.equal(agents.audited.host.at(-1)?.rule, "tunnels/limit");
  for (const stream of streams) await once(stream, "data");
  streams[0]?.destroy();
  await until("one has gone", () => agents.host.exit.size === 1);
  await once(await dial(agents), "data");
});

test("all connections of a peer together are as fast as its policy says, both ways counted, until it is changed", async (t) => {
  const clock = createFakeClock();
  const port = await listen(t, Buffer.alloc(400_000));
  const limits: { bytesPerSecond?: number } = { bytesPerSecond: 100_000 };
  await using agents = await startTwoAgents({ clock, limitsOf: () => limits });
  agents.offer("web", port);
  const streams = [await dial(agents), await dial(agents)];
  let received = 0;
  for (const stream of streams) {
    stream.on("data", (chunk) => {
      received += chunk.length;
    });
  }
  // One piece of each may be under way beyond the rate; it is paid for afterwards.
  await until("something has come", () => received > 0);
  let before = -1;
  await until("it stands still", () => {
    const still = before === received;
    before = received;
    return still;
  });
  assert.ok(received < 400_000, `${received} bytes came at once`);
  const start = received;
  for (let second = 0; second < 3; second += 1) await clock.advance(1_000);
  await until("more has come", () => received > start);
  assert.ok(received < 800_000, `${received} bytes came within three seconds`);
  delete limits.bytesPerSecond;
  agents.host.exit.review(() => agents.caller);
  await until("the rest has come", () => {
    void clock.advance(500);
    return received === 800_000;
  });
  for (const stream of streams) stream.destroy();
});

test("what peers reach is told by peer and kind, with its bytes, and of peers that there are", async (t) => {
  const port = await listen(t, Buffer.from("hello"));
  await using agents = await startTwoAgents();
  agents.offer("web", port);
  const stream = await dial(agents);
  stream.write("hello!!");
  await once(stream, "data");
  await until("all is counted", () => agents.host.exit.counts()[0]?.in === 7);
  const metrics = createMetrics();
  let peers = ["here"];
  declareTunnelMetrics(metrics, { tunnel: agents.host.exit, peers: () => peers });
  const text = await metrics.expose();
  assert.match(text, /fairlead_tunnel_connections\{peer="here",kind="app"\} 1/);
  assert.match(text, /fairlead_tunnel_opens_total\{peer="here",kind="app",verdict="allowed"\} 1/);
  assert.match(text, /fairlead_tunnel_bytes_total\{peer="here",kind="app",way="in"\} 7/);
  assert.match(text, /fairlead_tunnel_bytes_total\{peer="here",kind="app",way="out"\} 5/);
  peers = [];
  assert.doesNotMatch(await metrics.expose(), /tunnel_connections\{/);
  stream.destroy();
});

test("an agent's metrics are read by a peer whom the policy lets, and nothing else is there", async () => {
  const metrics = createMetrics();
  metrics.watch("peers", "Peers in the roster.", () => 3);
  const policy = policyOf({ tunnels: { metrics: true } });
  await using agents = await startTwoAgents({ policy, metrics: createMetricsServer(metrics, systemClock) });
  agents.caller = { ...agents.caller, grants: ["tunnels"] };
  const ask = async (method: string, path: string): Promise<{ status: number | undefined; text: string }> => {
    const stream = await agents.origin.dial({ peer: "there", target: { kind: "metrics" } });
    const asked = request({ method, path, createConnection: () => stream, headers: { connection: "close" } }).end();
    const [answer] = await once(asked, "response");
    return { status: answer.statusCode, text: Buffer.concat(await answer.toArray()).toString() };
  };
  const read = await ask("GET", "/metrics");
  assert.deepEqual([read.status, /^fairlead_peers 3$/m.test(read.text)], [200, true]);
  for (const path of ["/", "/livez", "/metrics/../readyz", "//metrics", "/debug/pprof"]) {
    assert.equal((await ask("GET", path)).status, 404, path);
  }
  for (const method of ["POST", "PUT", "DELETE"]) assert.equal((await ask(method, "/metrics")).status, 405, method);
  await until("nothing is left", () => agents.host.exit.size === 0);
  await using others = await startTwoAgents({ policy: policyOf(), metrics: createMetricsServer(metrics, systemClock) });
  others.caller = { ...others.caller, grants: ["tunnels"] };
  await assert.rejects(others.origin.dial({ peer: "there", target: { kind: "metrics" } }), /rule: tunnels\/metrics/);
});
