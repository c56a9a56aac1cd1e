/** The flows of datagrams of one Forward, with what they are dialled to in the test's hands. */
import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import type { DatagramPipe } from "../../../src/base/datagram-pipe.ts";
import { silentLog } from "../../../src/base/log.ts";
import { ConnectionBound } from "../../../src/tunnel/forwards/connection-bound.ts";
import { endpointSliceOf, serviceOf } from "../../../src/tunnel/forwards/manifests.ts";
import type { UseRules } from "../../../src/tunnel/forwards/plan.ts";
import { PortRange } from "../../../src/tunnel/forwards/port-range.ts";
import { Served } from "../../../src/tunnel/forwards/served.ts";
import { type Fare, Traffic } from "../../../src/tunnel/forwards/traffic.ts";
import { TunnelError } from "../../../src/tunnel/tunnel-error.ts";
import { createFakeClock } from "../../base/fake-clock.ts";
import { patience, until } from "../../patience.ts";
import { ownAddress } from "./stage.ts";

const free: UseRules = {
  connections: 10,
  connectionsPerSecond: undefined,
  bytesPerSecond: undefined,
  idleMs: undefined,
  proxyProtocol: false,
};

/** What is over there: notes what comes, and says what it is told to. */
function far() {
  const { promise: closed, resolve } = Promise.withResolvers<Error | undefined>();
  const heard: string[] = [];
  let tell: (payload: Uint8Array) => void = () => undefined;
  let over = false;
  const pipe: DatagramPipe = {
    send(payload) {
      heard.push(String(Buffer.from(payload)));
      return true;
    },
    listen(listener) {
      tell = listener;
    },
    closed,
    close(error) {
      over = true;
      resolve(error);
    },
  };
  return {
    pipe,
    heard,
    say: (text: string) => tell(Buffer.from(text)),
    get over() {
      return over;
    },
  };
}

async function open(
  t: TestContext,
  rules: Partial<UseRules> = {},
  refusal?: Error,
  bound = new ConnectionBound(1_000),
) {
  const clock = createFakeClock();
  const fares: Fare[] = [];
  const flows: ReturnType<typeof far>[] = [];
  const host = ownAddress();
  const onFare = (fare: Fare): void => void fares.push(fare);
  const range = new PortRange(host, { first: 20_000, last: 20_009 });
  const served = new Served(range, { owner: "u-1" }, { onFare, bound, clock, log: silentLog });
  t.after(() => served.close());
  const dial = async (): Promise<DatagramPipe> => {
    if (refusal) throw refusal;
    const one = far();
    flows.push(one);
    return one.pipe;
  };
  const port = {
    name: "dns",
    port: 53,
    appProtocol: undefined,
    leadsTo: "there",
    leading: { protocol: "UDP", dial },
  } as const;
  const wanted = await served.open([port], { ...free, ...rules });
  const listening = wanted?.[0]?.listening ?? 0;
  const join = async (): Promise<Socket> => {
    const socket = createSocket("udp4");
    socket.connect(listening, host);
    await once(socket, "connect", { signal: patience() });
    t.after(() => socket.close());
    return socket;
  };
  return { served, traffic: served.traffic, wanted, fares, flows, clock, join };
}

test("a port of UDP is one in the Service and its slice, each address that sends has a flow, and all is counted", async (t) => {
  const { served, traffic, wanted = [], flows, fares, join } = await open(t);
  const tcp = { name: "tcp", port: 53, appProtocol: undefined, protocol: "TCP", listening: 20_005 } as const;
  const place = { address: "10.1.2.3" };
  const service = { namespace: "shop", name: "dns", uid: "u-1", peer: "berlin", isOwned: true };
  const made = { ...service, ports: [...wanted, tcp], place };
  const { listening } = wanted[0] ?? {};
  assert.deepEqual(
    serviceOf(made).spec?.ports?.map(({ port, protocol, targetPort }) => [port, protocol, targetPort]),
    [
      [53, "UDP", listening],
      [53, "TCP", 20_005],
    ],
  );
  assert.deepEqual(
    endpointSliceOf(made).ports?.map(({ port, protocol }) => [port, protocol]),
    [
      [listening, "UDP"],
      [20_005, "TCP"],
    ],
  );
  const [one, other] = [await join(), await join()];
  one.send("which?");
  await until("it is dialled", () => flows[0]?.heard.length === 1);
  other.send("and I?");
  await until("so is the other", () => flows[1]?.heard.length === 1);
  const answered = once(one, "message", { signal: patience() });
  flows[0]?.say("this");
  assert.equal(String((await answered)[0]), "this");
  assert.deepEqual([flows[0]?.heard, flows[1]?.heard], [["which?"], ["and I?"]]);
  const { dropped, ...counts } = traffic.counts;
  assert.deepEqual(counts, { connections: 2, opened: { taken: 2 }, out: 12, in: 4 });
  assert.deepEqual([dropped, fares], [{ out: 0, in: 0 }, [{ ok: true }]]);
  served.close();
  await until("all ends with the Forward", () => flows.every(({ over }) => over));
  assert.equal(traffic.counts.connections, 0);
});

test("with one flow too many that ends which was used least recently, and where there is no room at all it is refused", async (t) => {
  const { traffic, flows, join } = await open(t, { connections: 2 });
  for (const text of ["a", "b", "c"]) {
    const socket = await join();
    const before = flows.length;
    socket.send(text);
    await until("it is heard there", () => flows[before]?.heard[0] === text);
  }
  assert.deepEqual(
    flows.map(({ over }) => over),
    [true, false, false],
  );
  assert.deepEqual([traffic.counts.connections, traffic.counts.opened], [2, { taken: 3 }]);

  const full = await open(t, {}, undefined, new ConnectionBound(0));
  (await full.join()).send("x");
  await until("it is counted", () => full.traffic.counts.opened.limited === 1);
  assert.deepEqual([full.flows.length, full.fares], [0, []]);
});

test("datagrams beyond half of the rate are dropped and counted, there and back", async (t) => {
  const { traffic, flows, clock, join } = await open(t, { bytesPerSecond: 2_000 });
  const socket = await join();
  await clock.advance(1_000);
  const came = (): number => (flows[0]?.heard.length ?? 0) + traffic.counts.dropped.out;
  for (let sent = 1; sent <= 20; sent += 1) {
    socket.send("x".repeat(100));
    await until("it is judged", () => came() === sent);
  }
  const passed = flows[0]?.heard.length ?? 0;
  assert.ok(passed >= 2 && passed <= 5, `${passed} of 20 passed`);
  flows[0]?.say("y".repeat(100));
  assert.equal(traffic.counts.dropped.in, 1);
  await clock.advance(1_000);
  flows[0]?.say("y".repeat(100));
  assert.deepEqual([traffic.counts.dropped.in, traffic.counts.in], [1, 100]);
});

test("a flow that nobody uses ends after a minute, or as the Forward says, but never later than the other end keeps it", async (t) => {
  for (const [idleMs, endsMs] of [
    [undefined, 60_000],
    [10_000, 10_000],
    [3_600_000, 300_000],
  ] as const) {
    const { flows, clock, traffic, join } = await open(t, { idleMs });
    (await join()).send("x");
    await until("it is heard", () => flows[0]?.heard.length === 1);
    await clock.advance(endsMs - 1);
    assert.equal(flows[0]?.over, false, `${idleMs}`);
    await clock.advance(2);
    assert.equal(flows[0]?.over, true, `${idleMs}`);
    await until("there is room again", () => traffic.counts.connections === 0);
  }
});

test("why a flow is not taken there is told once for as long as it stays so, and what is too many in a second is dropped", async (t) => {
  const { traffic, fares, join } = await open(
    t,
    { connectionsPerSecond: 1 },
    new TunnelError("denied", "No policy lets you."),
  );
  for (const text of ["a", "b"]) (await join()).send(text);
  await until("both are judged", () => traffic.counts.opened.limited === 1 && traffic.counts.opened.denied === 1);
  assert.deepEqual(fares, [{ ok: false, failure: "denied", message: "No policy lets you." }]);
  assert.equal(traffic.counts.connections, 0);
});

test("what waits for flows of one Forward takes of the room that all have", () => {
  const all = new ConnectionBound(1_000);
  const of = (bound: ConnectionBound) =>
    new Traffic({ onFare: () => undefined, bound, clock: createFakeClock(), log: silentLog }).flows(
      () => Promise.reject(new Error("nobody is there")),
      { host: "127.0.0.1", port: 0 },
    );
  assert.equal(of(all).early, all.early);
  assert.equal(of(new ConnectionBound(10, all)).early, all.early, "by way of a peer's share as well");
});
