/** What is open over a link is known at both its ends, with what has passed, and each end can end it. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { type TestContext, test } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { type Connection, Connections } from "../../src/tunnel/connections.ts";
import type { Tunnel } from "../../src/tunnel/tunnel.ts";
import { until } from "../patience.ts";
import { startTwoAgents, type TwoAgents } from "./two-agents.ts";

/** A server that says everything twice. */
async function parrot(t: TestContext): Promise<number> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.on("data", (data) => socket.write(Buffer.concat([data, data])));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const address = server.address();
  return typeof address === "object" && address ? address.port : 0;
}

/** A connection of ana's to it, over which five bytes have gone and ten have come. */
async function connected(t: TestContext, agents: TwoAgents) {
  agents.offer("web", await parrot(t));
  const target = { kind: "app", namespace: "shop", name: "web" } as const;
  const stream = await agents.origin.dial({ peer: "there", target, person: "ana" });
  let heard = 0;
  stream.on("data", (data: Buffer) => {
    heard += data.length;
  });
  stream.write("ahoy!");
  await until("the answer is here", () => heard === 10);
  return stream;
}

function shown({ connections }: Tunnel): unknown[] {
  return connections.list().map(({ peer, side, target, person, passed }) => {
    return [peer, side, target.kind, person, passed.out, passed.in];
  });
}

function only({ connections }: Tunnel): Connection {
  const [one, ...more] = connections.list();
  assert.ok(one && more.length === 0);
  return one;
}

test("a connection is shown at both ends for as long as it is open, with who has it and the bytes each way", async (t) => {
  await using agents = await startTwoAgents();
  const stream = await connected(t, agents);
  assert.deepEqual(shown(agents.origin), [["there", "Here", "app", "ana", 5, 10]]);
  assert.deepEqual(shown(agents.host), [["here", "Peer", "app", undefined, 10, 5]]);
  assert.equal(only(agents.origin).correlation, only(agents.host).correlation);
  stream.destroy();
  for (const end of [agents.origin, agents.host]) await until("it is gone", () => end.connections.list().length === 0);
});

for (const side of ["origin", "host"] as const) {
  test(`one that the ${side} ends is reset at both ends, and the other end says why`, async (t) => {
    await using agents = await startTwoAgents();
    const stream = await connected(t, agents);
    const errors: Error[] = [];
    stream.on("error", (error) => errors.push(error));
    const { id, peer } = only(agents[side]);
    assert.equal(agents[side].connections.end("somebody-else", id), undefined);
    assert.equal(agents[side].connections.end(peer, id)?.passed.out, side === "origin" ? 5 : 10);
    await until("it is reset", () => errors.length > 0);
    assert.match(String(errors[0]), /operator has ended this connection/);
    assert.equal(agents[side].connections.end(peer, id), undefined);
    for (const end of [agents.origin, agents.host])
      await until("it is gone", () => end.connections.list().length === 0);
    if (side === "origin") return;
    await until("the origin has it in its audit", () =>
      agents.audited.origin.some(({ action, message }) => action === "tunnel.revoke" && /operator/.test(message ?? "")),
    );
  });
}

test("no id is given twice, also not by the next start of an agent, and none tells how many others there are", () => {
  const ids = [1, 2].flatMap(() => {
    const connections = new Connections(systemClock);
    const opened = {
      peer: "there",
      side: "Here",
      target: { kind: "metrics" },
      person: undefined,
      correlation: undefined,
      passed: () => ({ out: 0, in: 0 }),
      end: () => undefined,
    } as const;
    const forget = connections.add(opened);
    const before = connections.list();
    forget();
    connections.add(opened);
    return [...before, ...connections.list()].map(({ id }) => id);
  });
  assert.equal(new Set(ids.map((id) => id.slice(0, 8))).size, 4);
});
