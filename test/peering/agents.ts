import { randomBytes } from "node:crypto";
import { connect, createServer, type Socket } from "node:net";
import type { TestContext } from "node:test";
import { create } from "@bufbuild/protobuf";
import { ConnectError, createClient } from "@connectrpc/connect";
import { type Clock, systemClock } from "../../src/base/clock.ts";
import { type Log, silentLog } from "../../src/base/log.ts";
import { IntentService, SyncResponseSchema, WelcomeSchema } from "../../src/gen/fairlead/peer/v1/intent_pb.ts";
import { PodService } from "../../src/gen/fairlead/peer/v1/pods_pb.ts";
import { type Identity, loadIdentity } from "../../src/identity/identity.ts";
import type { IdentityStore } from "../../src/identity/store.ts";
import { type Acceptor, createAcceptor } from "../../src/link/acceptor.ts";
import type { Link } from "../../src/link/link.ts";
import type { PeeringAuditEntry } from "../../src/peering/audit-entry.ts";
import type { InviteStore } from "../../src/peering/invite-record.ts";
import type { JoinOptions, JoinProgress } from "../../src/peering/joiner.ts";
import type { PeerRecord, PeerStore } from "../../src/peering/peer.ts";
import { createPeering, type Peering, type PeeringDeps } from "../../src/peering/peering.ts";
import { type Caller, callerKey } from "../../src/rpc/caller.ts";
import { createRpcServer, type RpcServer } from "../../src/rpc/server.ts";
import { createFakeClock, type FakeClock } from "../base/fake-clock.ts";
import { createMemoryStore } from "../identity/memory-store.ts";
import { patience, until } from "../patience.ts";
import {
  createMemoryInviteStore,
  createMemoryPeerStore,
  type MemoryInviteStore,
  type MemoryPeerStore,
} from "./memory-stores.ts";

/** What survives a restart. */
export interface Disk {
  readonly identity: IdentityStore;
  readonly peers: PeerStore;
  readonly invites: InviteStore;
}

/** A disk that a test may look into and disturb. */
export interface MemoryDisk extends Disk {
  readonly peers: MemoryPeerStore;
  readonly invites: MemoryInviteStore;
}

export function createDisk(): MemoryDisk {
  return { identity: createMemoryStore(), peers: createMemoryPeerStore(), invites: createMemoryInviteStore() };
}

export interface TestAgent<D extends Disk = MemoryDisk> {
  readonly name: string;
  readonly disk: D;
  readonly identity: Identity;
  readonly fingerprint: string;
  readonly peering: Peering;
  readonly acceptor: Acceptor;
  readonly rpc: RpcServer;
  readonly port: number;
  /** Where it is dialled. */
  readonly url: string;
  readonly audited: PeeringAuditEntry[];
  /** Who has called the long call, and who has dialled. */
  readonly callers: Caller[];
  readonly dialled: Caller[];
  /** Every link that came in, ended ones too. */
  readonly accepted: Link[];
  invite(options?: Parameters<Peering["invites"]["create"]>[0]): Promise<string>;
  join(line: string, options?: JoinOptions): Promise<JoinProgress[]>;
  connected(peer: string): Promise<void>;
  close(): Promise<void>;
}

export interface AgentOptions<D extends Disk = MemoryDisk> {
  name: string;
  /** Its own URL is known to it, so that it invites and tells joiners where to dial it; true unless said. */
  reachable?: boolean;
  disk?: D;
  clock?: Clock;
  log?: Log;
  random?: () => number;
  /** What it listens on; any free one unless said. */
  port?: number;
  /** What each link holds its other end to. */
  linkLimits?: PeeringDeps["linkLimits"];
  /** In place of an echo. */
  serveDial?: PeeringDeps["serveDial"];
  /** What others dial instead of its own port. */
  url?: (port: number) => Promise<string>;
}

/** An agent in this process, with real sockets and everything else in memory. */
export async function startAgent(t: TestContext, o: AgentOptions): Promise<TestAgent> {
  return startAgentOn(t, o, o.disk ?? createDisk());
}

/** The same, with whatever stores. */
export async function startAgentOn<D extends Disk>(t: TestContext, o: AgentOptions<D>, disk: D): Promise<TestAgent<D>> {
  const { clock = systemClock } = o;
  const identity = await loadIdentity({ store: disk.identity, clock, log: silentLog }, patience());
  const hello = { instance: randomBytes(16), version: "0.0.1-test" };
  const audited: PeeringAuditEntry[] = [];
  const callers: Caller[] = [];
  const dialled: Caller[] = [];
  const accepted: Link[] = [];
  const acceptor = createAcceptor({
    identity,
    hello,
    clock,
    log: silentLog,
    ...(o.linkLimits && { linkLimits: o.linkLimits }),
    kept: (fingerprint) => peering.kept(fingerprint),
    onLink: (link) => {
      if (!accepted.includes(link)) accepted.push(link);
      peering.onLink(link);
    },
    accept: (link, stream) => peering.accept(link, stream),
  });
  const { port } = await acceptor.listen(o.port ?? 0, "127.0.0.1");
  const url = o.url ? await o.url(port) : `ws://127.0.0.1:${port}/link`;
  const peering: Peering = createPeering({
    identity,
    hello,
    clock,
    log: o.log ?? silentLog,
    audit: { record: (entry) => audited.push(entry) },
    peers: disk.peers,
    invites: disk.invites,
    name: o.name,
    url: o.reachable === false ? undefined : url,
    facts: () => ({ version: "0.0.1-test", facts: { architecture: "test" } }),
    serveRpc: (incoming, caller) => rpc.serve(incoming, caller),
    serveDial: (dial, caller) => {
      dialled.push(caller);
      if (o.serveDial) return o.serveDial(dial, caller);
      const stream = dial.accept();
      stream.on("error", () => undefined);
      stream.pipe(stream);
    },
    takeCarrier: (carrier, through) => acceptor.take(carrier, through),
    ...(o.random && { random: o.random }),
    ...(o.linkLimits && { linkLimits: o.linkLimits }),
  });
  const rpc: RpcServer = createRpcServer({
    routes(router) {
      peering.routes(router);
      router.service(IntentService, {
        /** Says Welcome and lasts until it is ended. */
        async *sync(_requests, context) {
          callers.push(context.values.get(callerKey));
          yield create(SyncResponseSchema, { message: { case: "welcome", value: create(WelcomeSchema) } });
          await untilAborted(context.signal);
        },
      });
      router.service(PodService, {
        /** Lasts until it is ended. */
        async *logs(_request, context) {
          callers.push(context.values.get(callerKey));
          yield {};
          await untilAborted(context.signal);
        },
      });
    },
  });
  const agent: TestAgent<D> = {
    name: o.name,
    disk,
    identity,
    fingerprint: identity.fingerprint,
    peering,
    acceptor,
    rpc,
    port,
    url,
    audited,
    callers,
    dialled,
    accepted,
    async invite(options = {}) {
      return (await peering.invites.create({ url, ...options }, patience())).line;
    },
    async join(line, options = {}) {
      const steps: JoinProgress[] = [];
      for await (const step of peering.join(line, options, patience())) steps.push(step);
      return steps;
    },
    async connected(peer) {
      await until(`${o.name} is connected to ${peer}`, () => isConnected(peering, peer));
    },
    async close() {
      await acceptor.close();
      await peering.close();
      await rpc.close();
      identity.close();
    },
  };
  t.after(() => agent.close());
  return agent;
}

function untilAborted(signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
}

/** A call that lasts until somebody ends it; resolves, once it runs, with the error that will have ended it. */
export async function startCall(
  from: TestAgent,
  to: TestAgent,
  kind: "sync" | "logs" = "sync",
): Promise<{ ended: Promise<ConnectError> }> {
  const before = to.callers.length;
  const transport = from.peering.switchboard.transport(to.name);
  const end = new AbortController();
  async function* nothing(): AsyncGenerator<never> {
    await untilAborted(end.signal);
    yield* [];
  }
  const options = { signal: patience() };
  const answers: AsyncIterable<unknown> =
    kind === "sync"
      ? createClient(IntentService, transport).sync(nothing(), options)
      : createClient(PodService, transport).logs({ namespace: "shop", name: "web" }, options);
  const ended = (async () => {
    try {
      for await (const _answer of answers);
    } catch (error) {
      return ConnectError.from(error);
    } finally {
      end.abort();
    }
    throw new Error("The call ended well.");
  })();
  await until("the call runs", () => to.callers.length > before);
  return { ended };
}

/** Two agents whose clock stands still: what they do they do at once, for nothing that waits for a timer ever comes. */
export async function startTimelessPair(
  t: TestContext,
  grants: string[],
): Promise<{ a: TestAgent; b: TestAgent; clock: FakeClock }> {
  const clock = createFakeClock(Date.now());
  return { ...(await startPair(t, { a: { clock }, b: { clock }, grants })), clock };
}

export function isConnected(peering: Peering, peer: string): boolean {
  return peering.roster.get(peer) !== undefined && peering.switchboard.status(peer).state === "connected";
}

/** Makes two agents each other's peers without an invite, as if they had always been. */
export async function acquaint(
  a: TestAgent,
  b: TestAgent,
  o: { urlOfA?: string | undefined; urlOfB?: string | undefined; grants?: string[] },
): Promise<void> {
  const record = (of: TestAgent, url: string | undefined): PeerRecord => ({
    peer: {
      name: of.name,
      fingerprint: of.fingerprint,
      caPem: of.identity.caPem,
      url,
      labels: {},
      grants: o.grants ?? [],
    },
  });
  await Promise.all([
    a.disk.peers.put(record(b, o.urlOfB), undefined, patience()),
    b.disk.peers.put(record(a, o.urlOfA), undefined, patience()),
  ]);
}

/** Two agents that hold each other, by names of their own for each other. */
export async function startPair(
  t: TestContext,
  o: { a?: Partial<AgentOptions>; b?: Partial<AgentOptions>; grants?: string[] } = {},
): Promise<{ a: TestAgent; b: TestAgent }> {
  const a = await startAgent(t, { name: "aachen", ...o.a });
  const b = await startAgent(t, { name: "berlin", ...o.b });
  await b.join(await a.invite({ grants: o.grants ?? [] }), { grants: o.grants ?? [] });
  await a.connected("berlin");
  await b.connected("aachen");
  return { a, b };
}

export interface Cuttable {
  url: string;
  /** Breaks every connection. */
  cut(): void;
  /** Lets nothing through any more, and breaks nothing, as a lost route does. */
  freeze(): void;
  /** Whether new connections are taken. */
  open: boolean;
  /** Connections that were tried. */
  attempts: number;
}

/** A way to a port that can be cut, frozen, and closed for a while. */
export async function createCuttable(t: TestContext, port: number): Promise<Cuttable> {
  const sockets = new Set<Socket>();
  const frozen: Socket[] = [];
  const way: Cuttable = {
    url: "",
    open: true,
    attempts: 0,
    freeze() {
      for (const socket of sockets) {
        socket.unpipe();
        socket.pause();
      }
      // What is frozen is let go at the end of the test, and is no longer cut.
      frozen.push(...sockets);
      sockets.clear();
    },
    cut() {
      for (const socket of sockets) socket.destroy();
    },
  };
  const server = createServer((near) => {
    way.attempts += 1;
    if (!way.open) {
      near.destroy();
      return;
    }
    const far = connect(port, "127.0.0.1");
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.on("error", () => undefined);
      one.on("close", () => {
        sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    way.cut();
    for (const socket of frozen) socket.destroy();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  way.url = `ws://127.0.0.1:${address.port}/link`;
  return way;
}
