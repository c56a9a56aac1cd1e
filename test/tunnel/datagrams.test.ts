import assert from "node:assert/strict";
import { createSocket, type RemoteInfo } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import { suite, type TestContext, test } from "node:test";
import type { DatagramPipe } from "../../src/base/datagram-pipe.ts";
import { connectUdp } from "../../src/base/udp-socket.ts";
import { KubeError } from "../../src/kube/errors.ts";
import { createAddressDialer, createDatagramAddressDialer } from "../../src/tunnel/dial-address.ts";
import { TunnelError, type TunnelFailure } from "../../src/tunnel/tunnel-error.ts";
import { Reason, StreamError } from "../../src/wire/reason.ts";
import { writeTarget } from "../../src/wire/target.ts";
import type { DatagramTarget, NamedTarget } from "../../src/wire/target-text.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { patience, until } from "../patience.ts";
import { policyOf } from "../policy/given.ts";
import { startTwoAgents, type TwoAgents } from "./two-agents.ts";

/** A server of UDP that answers each datagram with itself, and remembers who came. */
async function echo(t: TestContext, answers = true) {
  const socket = createSocket("udp4");
  const heard: Buffer[] = [];
  const clients = new Set<number>();
  socket.on("message", (payload: Buffer, from: RemoteInfo) => {
    heard.push(payload);
    clients.add(from.port);
    if (answers) socket.send(payload, from.port, from.address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  let open = true;
  const close = (): void => {
    if (open) socket.close();
    open = false;
  };
  t.after(close);
  return { port: socket.address().port, heard, clients, close };
}

/** Whatever the name, it is this machine, which stands for one in the network. */
const here = { isKeptOut: () => false, lookup: async () => [{ address: "127.0.0.1", family: 4 }] };
const local = createDatagramAddressDialer(here);
const dialAddress = createAddressDialer(here);
const grants = ["apps", "tunnels"];

function addressPolicy(port: number, more: object = {}) {
  return policyOf({
    tunnels: { addresses: [{ name: "dns", host: "dns.example.org", ports: [port], protocol: "UDP" }], ...more },
  });
}

function start(o: NonNullable<Parameters<typeof startTwoAgents>[0]>): Promise<TwoAgents> {
  return startTwoAgents({ wireClock: createFakeClock(), ...o });
}

function dial(agents: TwoAgents, target: NamedTarget = { kind: "address", name: "dns" }): Promise<DatagramPipe> {
  return agents.origin.dialDatagrams({ peer: "there", target: { ...target, network: "udp" } as DatagramTarget });
}

function failsWith(failure: TunnelFailure, message: RegExp) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof TunnelError, String(error));
    assert.match(error.message, message);
    assert.equal(error.failure, failure);
    return true;
  };
}

/** What comes of a pipe. */
function listen(pipe: DatagramPipe): Uint8Array[] {
  const heard: Uint8Array[] = [];
  pipe.listen((payload) => heard.push(Uint8Array.from(payload)));
  return heard;
}

suite("datagrams to what a peer has", () => {
  test("each comes whole and alone, from the empty one to the longest, there and back; two dials are two clients", async (t) => {
    const server = await echo(t);
    await using agents = await start({
      policy: addressPolicy(server.port),
      dialAddress,
      dialDatagramAddress: local,
    });
    agents.caller = { ...agents.caller, grants };
    const [one, other] = [await dial(agents), await dial(agents)];
    const [back, backAtOther] = [listen(one), listen(other)];
    const lengths = [0, 1, 1_472, 9_000, 65_507];
    for (const length of lengths) {
      const before = back.length;
      assert.ok(one.send(Buffer.alloc(length, length % 251)));
      await until("it came back", () => back.length > before);
      assert.deepEqual(Buffer.from(back.at(-1) ?? []), Buffer.alloc(length, length % 251));
    }
    assert.equal(one.send(new Uint8Array(65_508)), false, "no network could bring it");
    other.send(Buffer.from("me too"));
    await until("the other is answered", () => backAtOther.length === 1);
    assert.deepEqual([back.length, server.clients.size], [lengths.length, 2]);
    const [count] = agents.host.exit.counts();
    assert.deepEqual([count?.connections, count?.datagrams, count?.in], [2, { in: 6, out: 6 }, 75_986]);
    one.close();
    other.close();
    await until("no socket is left", () => agents.host.exit.size === 0);
    const opened = agents.audited.host.map(({ action, target, verdict }) => `${action} ${target} ${verdict}`);
    assert.deepEqual([...new Set(opened)], [`tunnel.open address/dns:${server.port}/udp allowed`]);
    assert.deepEqual(agents.audited.origin[0]?.correlation, agents.audited.host[0]?.correlation);
  });

  test("a port of TCP is never reached by datagrams, nor one of UDP by a stream, whatever is asked", async (t) => {
    const server = await echo(t);
    const tcp = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
    await once(tcp, "listening");
    t.after(() => tcp.close());
    const dialled: string[] = [];
    const addresses = [
      { name: "web", host: "dns.example.org", ports: [80] },
      { name: "dns", host: "dns.example.org", ports: [server.port], protocol: "UDP" },
    ];
    const services = [{ namespace: "data", ports: [53] }];
    await using agents = await start({
      policy: policyOf({ tunnels: { addresses, services } }),
      dialDatagramAddress: async (host, port, signal) => {
        dialled.push(`udp ${port}`);
        return local(host, port, signal);
      },
      dialAddress: () => Promise.reject(new Error("a stream was dialled")),
      dialServiceDatagrams: () => Promise.reject(new Error("an app was dialled")),
      findService: () => Promise.reject(new KubeError({ status: 404, reason: "NotFound", message: "none" })),
      findDatagramService: async ({ name }, port) => {
        dialled.push(`udp ${name}:${port}`);
        return { port: 53, dial: (signal) => connectUdp("127.0.0.1", server.port, signal) };
      },
    });
    agents.caller = { ...agents.caller, grants };
    agents.offer("web", 8080);
    agents.offer("game", 7777, { ports: [{ name: "play", number: 7777, appProtocol: "udp" }] });
    const app = (name: string, port?: number) =>
      ({ kind: "app", namespace: "shop", name, ...(port && { port }) }) as const;
    const stream = (target: NamedTarget) => agents.origin.dial({ peer: "there", target });

    const noAddress = failsWith("denied", /lets peer here reach address\/.*\(rule: tunnels\/addresses\)/);
    await assert.rejects(dial(agents, { kind: "address", name: "web" }), noAddress);
    await assert.rejects(stream({ kind: "address", name: "dns", port: server.port }), noAddress);
    await assert.rejects(
      dial(agents, app("web", 8080)),
      failsWith("not-found", /UDP port 8080; its ports: http \(8080\)/),
    );
    await assert.rejects(dial(agents, app("web")), failsWith("not-found", /any UDP port/));
    await assert.rejects(stream(app("game", 7777)), failsWith("not-found", /port 7777; its ports: play \(7777\/udp\)/));
    await assert.rejects(stream(app("game")), failsWith("not-found", /any port/));
    await assert.rejects(
      stream({ kind: "service", namespace: "data", name: "dns", port: 53 }),
      failsWith("not-found", /with TCP port 53/),
    );
    await assert.rejects(
      dial(agents, { kind: "service", namespace: "data", name: "dns", port: 5353 }),
      failsWith("denied", /tunnels\/services/),
    );
    assert.deepEqual(dialled, []);
    const pipe = await dial(agents, { kind: "service", namespace: "data", name: "dns", port: "dns" });
    const back = listen(pipe);
    pipe.send(Buffer.from("which"));
    await until("the Service answers", () => back.length === 1);
    pipe.close();
    assert.deepEqual(dialled, ["udp dns:dns"]);
    for (const kind of ["kubernetes", "metrics"] as const) await assert.rejects(dial(agents, { kind }));
  });

  test("without a grant or a policy nothing is looked at; first use waits for a person, by its own name", async (t) => {
    const server = await echo(t);
    const policy = addressPolicy(server.port, { approval: "FirstUse" });
    await using agents = await start({ policy, dialAddress, dialDatagramAddress: local });
    await assert.rejects(dial(agents), failsWith("denied", /fairlead peer grant here tunnels/));
    agents.caller = { ...agents.caller, grants };
    await agents.roster.update("here", (peer) => ({ ...peer, grants }), patience());
    const name = `address/dns:${server.port}/udp`;
    await assert.rejects(dial(agents), failsWith("denied", new RegExp(`inbox approve here/${name}`)));
    assert.deepEqual(
      agents.host.inbox.pending().map(({ target }) => target),
      [name],
    );
    const word = { fingerprint: agents.caller.fingerprint, verdict: "Approved" } as const;
    await agents.host.inbox.decide("here", name, word, patience());
    (await dial(agents)).close();
  });

  test("a right that is withdrawn ends the flow at once, with the rule, and the socket behind it", async (t) => {
    const server = await echo(t);
    await using agents = await start({
      policy: addressPolicy(server.port),
      dialAddress,
      dialDatagramAddress: local,
    });
    agents.caller = { ...agents.caller, grants };
    const pipe = await dial(agents);
    agents.host.review(() => ({ ...agents.caller, grants: [] }));
    const error = await pipe.closed;
    assert.ok(error instanceof StreamError);
    assert.equal(error.reason, Reason.REVOKED);
    assert.match(error.message, /\(rule: grants\/tunnels\)/);
    assert.equal(pipe.send(Buffer.from("still?")), false);
    await until("the socket is closed", () => agents.host.exit.size === 0);
    const revoked = [agents.audited.host, agents.audited.origin].map((all) => all.at(-1)?.action);
    assert.deepEqual(revoked, ["tunnel.revoke", "tunnel.revoke"]);
  });

  test("that nothing listens there ends the flow, as soon as the system says so", async (t) => {
    const server = await echo(t);
    server.close();
    await using agents = await start({
      policy: addressPolicy(server.port),
      dialAddress,
      dialDatagramAddress: local,
    });
    agents.caller = { ...agents.caller, grants };
    const pipe = await dial(agents);
    pipe.send(Buffer.from("anybody?"));
    const error = await pipe.closed;
    assert.match(error?.message ?? "", /address dns refused .* nothing listens there/);
    assert.doesNotMatch(error?.message ?? "", /127\.0\.0\.1/);
  });

  test("a flow that nobody uses ends by itself, and not while it is used", async (t) => {
    const clock = createFakeClock();
    const server = await echo(t);
    await using agents = await start({
      policy: addressPolicy(server.port),
      dialAddress,
      dialDatagramAddress: local,
      clock,
    });
    agents.caller = { ...agents.caller, grants };
    const pipe = await dial(agents);
    const back = listen(pipe);
    for (let turn = 1; turn <= 3; turn += 1) {
      await clock.advance(290_000);
      pipe.send(Buffer.from("x"));
      await until("it goes on", () => back.length === turn);
    }
    let over = false;
    void pipe.closed.then(() => {
      over = true;
    });
    await clock.advance(299_000);
    assert.equal(over, false);
    await clock.advance(1_001);
    assert.equal(await pipe.closed, undefined);
    await until("the socket is closed", () => agents.host.exit.size === 0);
  });

  test("who is gone when it could be accepted leaves no socket behind", async () => {
    const ended = Promise.withResolvers<undefined>();
    const pipe: DatagramPipe = {
      send: () => true,
      listen: () => undefined,
      closed: ended.promise,
      close: () => ended.resolve(undefined),
    };
    const policy = addressPolicy(53);
    await using agents = await start({ policy, dialAddress, dialDatagramAddress: async () => pipe });
    agents.caller = { ...agents.caller, grants };
    const refused = Promise.withResolvers<Reason>();
    agents.host.exit.open(agents.caller, {
      target: writeTarget({ kind: "address", name: "dns", network: "udp" }),
      accept: () => assert.fail("it is no stream"),
      acceptDatagrams() {
        throw new Error("The session has ended.");
      },
      refuse: (reason) => refused.resolve(reason),
    });
    await pipe.closed;
    assert.equal(await refused.promise, Reason.INTERNAL);
    await until("nothing is counted for it", () => agents.host.exit.size === 0);
  });

  test("flows are connections of the peer's: no more at a time than it may have", async (t) => {
    const server = await echo(t);
    const policy = addressPolicy(server.port, { limits: { connections: 2 } });
    await using agents = await start({ policy, dialAddress, dialDatagramAddress: local });
    agents.caller = { ...agents.caller, grants };
    const [one] = [await dial(agents), await dial(agents)];
    await assert.rejects(dial(agents), failsWith("overloaded", /as many as you may have/));
    one?.close();
    await until("one is free", () => agents.host.exit.size === 1);
    (await dial(agents)).close();
  });

  test("datagrams beyond the peer's rate are dropped and counted, and take half of it at most", async (t) => {
    const clock = createFakeClock();
    const server = await echo(t, false);
    const policy = addressPolicy(server.port, { limits: { bytesPerSecond: "100k" } });
    await using agents = await start({ policy, dialAddress, dialDatagramAddress: local, clock });
    agents.caller = { ...agents.caller, grants };
    const pipe = await dial(agents);
    const counted = (): number => {
      const [count] = agents.host.exit.counts();
      return (count?.datagrams.in ?? 0) + (count?.dropped.in ?? 0);
    };
    for (let second = 0; second < 4; second += 1) {
      for (let sent = 0; sent < 200; sent += 1) pipe.send(Buffer.alloc(1_000));
      await until("all are judged", () => counted() === (second + 1) * 200);
      await clock.advance(1_000);
    }
    const [count] = agents.host.exit.counts();
    const passed = count?.datagrams.in ?? 0;
    assert.ok(passed >= 30 && passed <= 60, `${passed} of 800 passed`);
    assert.equal(count?.dropped.in, 800 - passed);
    pipe.close();
  });

  test("an agent beside its cluster says that it reaches no UDP of Services and apps there", async () => {
    const fails = () =>
      Promise.reject(new KubeError({ status: 0, reason: "NoDatagrams", message: "The API server forwards TCP only." }));
    await using agents = await start({ dialServiceDatagrams: fails });
    agents.offer("game", 7777, { ports: [{ number: 7777, appProtocol: "udp" }] });
    await assert.rejects(
      dial(agents, { kind: "app", namespace: "shop", name: "game" }),
      failsWith("denied", /runs beside its cluster, where Kubernetes forwards TCP only.*installed in the cluster/),
    );
  });
});
