import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import { type TestContext, test } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { listenForDatagrams } from "../../src/base/datagram-listener.ts";
import { createAddressDialer, createDatagramAddressDialer } from "../../src/tunnel/dial-address.ts";
import { patience, until } from "../patience.ts";
import { policyOf } from "../policy/given.ts";
import { startTwoAgents } from "./two-agents.ts";

const KiB = 1024;
/** What waits on the line, of all flows, with room for what a stream has under way. */
const mostWaiting = 4 * 1024 * KiB;
const total = 8 * 1024 * KiB;

/** Whatever the name, it is this machine, which stands for one in the network. */
const here = { isKeptOut: () => false, lookup: async () => [{ address: "127.0.0.1", family: 4 }] };

async function udp(t: TestContext): Promise<Socket> {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  t.after(() => socket.close());
  return socket;
}

test("a flood of datagrams from more addresses than there may be flows takes bounded room all the way, and a stream beside it comes whole", async (t) => {
  const sink = await udp(t);
  let arrived = 0;
  let over = false;
  sink.on("message", (payload, from) => {
    arrived += 1;
    if (!over) sink.send(payload, from.port, from.address);
  });
  t.after(() => {
    over = true;
  });
  const content = Buffer.alloc(total, "content");
  const server = createServer((socket) => socket.on("error", () => undefined).end(content)).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const at = server.address();
  const addresses = [
    { name: "sink", host: "sink.example.org", ports: [sink.address().port], protocol: "UDP" },
    { name: "file", host: "file.example.org", ports: [typeof at === "object" && at ? at.port : 0] },
  ];
  await using agents = await startTwoAgents({
    policy: policyOf({ tunnels: { addresses, limits: { connections: 20 } } }),
    dialAddress: createAddressDialer(here),
    dialDatagramAddress: createDatagramAddressDialer(here),
  });
  agents.caller = { ...agents.caller, grants: ["apps", "tunnels"] };
  const refusals: unknown[] = [];
  const listener = await listenForDatagrams({
    ...{ host: "127.0.0.1", port: 0, clock: systemClock, mostFlows: 50 },
    open: (_from, signal) =>
      agents.origin.dialDatagrams({ peer: "there", target: { kind: "address", name: "sink", network: "udp" } }, signal),
    refused: (error) => void refusals.push(error),
  });
  t.after(() => listener.close());

  const clients = await Promise.all(Array.from({ length: 100 }, () => udp(t)));
  const payload = Buffer.alloc(1_400);
  let flooding = true;
  t.after(() => {
    flooding = false;
  });
  let sent = 0;
  /** As fast as this process hears of it, from all addresses in turn. */
  async function flood(): Promise<void> {
    while (flooding) {
      for (const client of clients) client.send(payload, listener.at.port, "127.0.0.1");
      sent += clients.length;
      await new Promise(setImmediate);
    }
  }
  const seen = { flows: 0, connections: 0, waiting: 0, replay: 0 };
  const look = (): void => {
    const stats = [agents.originSession.stats(), agents.hostSession.stats()];
    seen.flows = Math.max(seen.flows, listener.flows);
    seen.connections = Math.max(seen.connections, agents.host.exit.size);
    seen.waiting = Math.max(seen.waiting, ...stats.map(({ waitingBytes }) => waitingBytes));
    seen.replay = Math.max(seen.replay, ...stats.map(({ replayBytes }) => replayBytes));
  };
  const file = await agents.origin.dial({ peer: "there", target: { kind: "address", name: "file" } }, patience());
  const flooded = flood();
  await until("the flood is there", () => arrived > 100 && refusals.length > 0);
  const hash = createHash("sha256");
  for await (const piece of file) {
    hash.update(piece);
    look();
  }
  flooding = false;
  await flooded;
  assert.equal(hash.digest("hex"), createHash("sha256").update(content).digest("hex"));
  assert.ok(seen.flows <= 50 && seen.flows > 20, `${seen.flows} flows`);
  assert.ok(seen.connections <= 20, `${seen.connections} connections of the peer`);
  assert.ok(seen.waiting <= mostWaiting, `${seen.waiting} bytes waited`);
  assert.ok(seen.replay <= mostWaiting, `${seen.replay} bytes were kept to be said again`);
  for (const refusal of refusals) assert.match(String(refusal), /as many as you may have|The flow is over/);
  const [count] = agents.host.exit.counts();
  t.diagnostic(`${sent} datagrams sent, ${arrived} arrived; ${JSON.stringify({ ...seen, count })}`);

  file.destroy();
  await listener.close();
  await until("nothing is left at the other end", () => agents.host.exit.size === 0);
});
