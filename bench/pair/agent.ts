/** One agent of a pair: `near` takes connections and dials the link, `far` takes the link and reaches the target. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect as connectTcp, createServer, type Socket } from "node:net";
import { systemClock as clock } from "../../src/base/clock.ts";
import { errorText } from "../../src/base/error-text.ts";
import { breakOff, join } from "../../src/base/join.ts";
import { loadIdentity } from "../../src/identity/identity.ts";
import { createAcceptor } from "../../src/link/acceptor.ts";
import type { Peer } from "../../src/peering/peer.ts";
import { createPeering, type Peering } from "../../src/peering/peering.ts";
import { createRpcServer } from "../../src/rpc/server.ts";
import { createLog } from "../../src/telemetry/log.ts";
import type { ServiceDialer } from "../../src/tunnel/connect-service.ts";
import { createTunnel, type Tunnel } from "../../src/tunnel/tunnel.ts";
import { createMemoryStore } from "../../test/identity/memory-store.ts";
import { createMemoryInviteStore, createMemoryPeerStore } from "../../test/peering/memory-stores.ts";
import { listenAsDoor } from "./door.ts";
import type { FromAgent, Introduction, PairPorts, ToAgent } from "./messages.ts";

const loopback = "127.0.0.1";
/** The app that stands for the target port. */
const app = { kind: "app", namespace: "bench", name: "target" } as const;
/** Connections that wait to be taken; a load generator opens hundreds in one go. */
const backlog = 4_096;

const role = process.argv[2] === "far" ? "far" : "near";
const ports = JSON.parse(process.argv[3] ?? "{}") as PairPorts;
const tell = (message: FromAgent): void => void process.send?.(message);

// A terminal interrupts the whole group, and this process is told to end by the one that started it.
process.on("SIGINT", () => undefined);
process.on("SIGTERM", () => process.exit(0));
process.on("disconnect", () => process.exit(0));

try {
  await run();
} catch (error) {
  const failed: FromAgent = { kind: "failed", message: errorText(error) };
  // Only then, for what was not sent yet is lost with the process.
  process.send?.(failed, () => process.exit(1));
}

async function run(): Promise<void> {
  const log = createLog({ level: "error" });
  const audit = { record: () => undefined };
  const signal = new AbortController().signal;
  const identity = await loadIdentity({ store: createMemoryStore(), clock, log }, signal);
  const hello = { instance: randomBytes(16), version: "bench" };
  const peering: Peering = createPeering({
    identity,
    hello,
    clock,
    log,
    audit,
    peers: createMemoryPeerStore(),
    invites: createMemoryInviteStore(),
    name: role,
    facts: () => ({ version: "bench", facts: {} }),
    serveRpc: (incoming, caller) => rpc.serve(incoming, caller),
    serveDial: (incoming, caller) => tunnel.open(caller, incoming),
    takeCarrier: (carrier) => void carrier.destroy(),
  });
  const rpc = createRpcServer({ routes: (router) => peering.routes(router) });
  const tunnel: Tunnel = createTunnel({
    policyOf: () => undefined,
    through: () => undefined,
    findApp: (_fingerprint, { namespace, name }) =>
      role === "far" && namespace === app.namespace && name === app.name
        ? {
            service: app,
            ports: [{ name: "http", number: ports.target, appProtocol: "http" }],
            ready: true,
            message: "",
          }
        : undefined,
    listApps: () => [],
    permit: () => ({ allowed: true }),
    rulesFor: () => undefined,
    approvalLastsMs: () => undefined,
    roster: peering.roster,
    transport: (peer) => peering.switchboard.transport(peer),
    dialService: dialLoopback,
    dialPeer: (peer, target, options) => peering.switchboard.dial(peer, target, options),
    dialPeerDatagrams: (peer, target, options) => peering.switchboard.dialDatagrams(peer, target, options),
    limitsOf: () => ({ connections: 16_384 }),
    audit,
    clock,
    log,
  });

  const peer = await meet({ fingerprint: identity.fingerprint, caPem: identity.caPem });
  const name = role === "near" ? "far" : "near";
  const url = role === "near" ? { url: `ws://${loopback}:${ports.dial}/link` } : {};
  await peering.roster.add({ ...peer, ...url, name, labels: {}, grants: ["apps"] } satisfies Peer, {}, signal);
  if (role === "far") {
    const acceptor = createAcceptor({
      identity,
      hello,
      clock,
      log,
      kept: (fingerprint) => peering.kept(fingerprint),
      onLink: (link) => peering.onLink(link),
      accept: (link, stream) => peering.accept(link, stream),
    });
    await acceptor.listen(ports.accept, loopback);
  } else {
    await linked(peering);
    await (ports.door ? listenAsDoor({ tunnel, ports, app, hello }) : listen(tunnel));
  }
  tell({ kind: "ready" });
}

function meet(me: Introduction): Promise<Introduction> {
  return new Promise((resolve) => {
    process.once("message", (message: ToAgent) => resolve(message.peer));
    tell({ kind: "introduction", me });
  });
}

/** Resolves when there is a link to the far agent. Whoever waits sets the limit. */
function linked({ switchboard }: Peering): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (switchboard.status("far").state !== "connected") return;
      unsubscribe();
      resolve();
    };
    const unsubscribe = switchboard.subscribe(look);
    look();
  });
}

async function listen(tunnel: Tunnel): Promise<void> {
  const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (socket) => {
    void forward(tunnel, socket);
  });
  server.listen({ port: ports.listen, host: loopback, backlog });
  await once(server, "listening");
}

async function forward(tunnel: Tunnel, socket: Socket): Promise<void> {
  const given = new AbortController();
  const giveUp = (): void => given.abort();
  socket.on("error", giveUp);
  socket.once("close", giveUp);
  try {
    const stream = await tunnel.dial({ peer: "far", target: app }, given.signal);
    socket.off("close", giveUp);
    await join(socket, stream);
  } catch (error) {
    breakOff(socket, error instanceof Error ? error : new Error(String(error)));
  }
}

function dialLoopback(...[, port]: Parameters<ServiceDialer>): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp({ port, host: loopback, allowHalfOpen: true, noDelay: true });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
  });
}
