/** Dials of what is offered, as the peer could make them by hand: with the way of an agent at one end, and no rules at the other. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import type { Duplex } from "node:stream";
import { type TestContext, test } from "node:test";
import { createRouterTransport } from "@connectrpc/connect";
import { silentLog } from "../../../src/base/log.ts";
import { KubeError } from "../../../src/kube/errors.ts";
import { forwards } from "../../../src/kube/resources.ts";
import { createOffering } from "../../../src/tunnel/forwards/offering.ts";
import { planForward } from "../../../src/tunnel/forwards/plan.ts";
import { TunnelError } from "../../../src/tunnel/tunnel-error.ts";
import type { PortName } from "../../../src/wire/target-text.ts";
import { createFakeClock } from "../../base/fake-clock.ts";
import { patience, until } from "../../patience.ts";
import { startTwoAgents } from "../two-agents.ts";

/** Two Services that say who they are. */
async function cluster(t: TestContext) {
  const server = createServer((socket) => socket.on("error", () => undefined).write("hello"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const { port: local } = server.address() as AddressInfo;
  return async ({ namespace, name }: { namespace: string; name: string }, port: PortName | undefined) => {
    if (namespace !== "shop" || !["db", "replica"].includes(name) || port !== "postgres") {
      throw new KubeError({ status: 404, reason: "NotFound", message: "no such" });
    }
    const dial = async (): Promise<Duplex> => {
      const socket = connect({ port: local, host: "127.0.0.1", allowHalfOpen: true });
      await once(socket, "connect", { signal: patience() });
      return socket;
    };
    return { port: 5432, dial };
  };
}

function planOf(name: string, uid: string, target: string, peer = "here") {
  const spec = { peer, direction: "Reverse", target, ports: [{ name: "sql", port: 5432, targetPort: "postgres" }] };
  const planned = planForward(forwards.parse({ metadata: { namespace: "shop", name, uid }, spec }));
  assert.ok(planned.ok);
  return planned.plan;
}

async function setUp(t: TestContext) {
  const findService = await cluster(t);
  const offering = createOffering({
    transport: () => createRouterTransport(() => undefined),
    links: {
      status: () => ({ state: "disconnected", since: 0, held: false, epoch: 0 }),
      subscribe: () => () => undefined,
    },
    onWithdrawn: () => agents.host.review(() => agents.caller),
    onState: () => undefined,
    clock: createFakeClock(),
    log: silentLog,
  });
  const agents = await startTwoAgents({ findService, findOffered: (peer, target) => offering.find(peer, target) });
  t.after(async () => {
    await agents[Symbol.asyncDispose]();
    await offering.close();
  });
  const dial = async (uid: string, port: string): Promise<string | Duplex> => {
    try {
      return await agents.origin.dial({ peer: "there", target: { kind: "reverse", uid, port } }, patience());
    } catch (error) {
      assert.ok(error instanceof TunnelError, String(error));
      return error.failure;
    }
  };
  return { agents, offering, dial };
}

test("a peer reaches the port that is offered to it, and by no word of its own anything else", async (t) => {
  const { agents, offering, dial } = await setUp(t);
  offering.set(planOf("db", "u-1", "service/db"));
  offering.set(planOf("ledger", "u-2", "service/db", "paris"));
  const stream = await dial("u-1", "sql");
  assert.ok(typeof stream !== "string");
  assert.equal(String((await once(stream, "data", { signal: patience() }))[0]), "hello");
  stream.destroy();
  for (const [uid, port, why] of [
    ["u-2", "sql", "offered to another peer"],
    ["u-3", "sql", "not offered at all"],
    ["u-1", "postgres", "the Service's word for the port, which is not the offer's"],
    ["u-1", "5432", "its number"],
  ] as const) {
    assert.equal(await dial(uid, port), "denied", why);
  }
  agents.caller = { ...agents.caller, peer: "paris" };
  assert.equal(await dial("u-1", "sql"), "denied", "another peer asks");
  agents.caller = { ...agents.caller, peer: "here", guest: true };
  assert.equal(await dial("u-1", "sql"), "denied", "a guest asks");
});

test("an offer that leads elsewhere now lets go of who came to the other, and of nobody whose way is the same", async (t) => {
  const { offering, dial } = await setUp(t);
  offering.set(planOf("db", "u-1", "service/db"));
  offering.set(planOf("other", "u-2", "service/db"));
  const [stream, other] = [await dial("u-1", "sql"), await dial("u-2", "sql")];
  assert.ok(typeof stream !== "string" && typeof other !== "string");
  for (const one of [stream, other]) one.on("error", () => undefined).resume();
  offering.set(planOf("db", "u-1", "service/replica"));
  await until("it is reset", () => stream.destroyed);
  assert.ok(stream.errored);
  const now = await dial("u-1", "sql");
  assert.ok(typeof now !== "string");
  assert.equal(other.destroyed, false);
  offering.delete("shop/other");
  await until("the offer is gone", () => other.destroyed);
  assert.equal(await dial("u-2", "sql"), "denied");
  now.destroy();
});
