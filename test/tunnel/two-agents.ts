/** Two agents without Kubernetes: real wire sessions over an in-process pair of streams, real sockets to the apps. */
import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { duplexPair } from "node:stream";
import { type Clock, systemClock } from "../../src/base/clock.ts";
import type { DatagramPipe } from "../../src/base/datagram-pipe.ts";
import { silentLog } from "../../src/base/log.ts";
import type { ListRoutes } from "../../src/kube/route-list.ts";
import type { PeeringAuditEntry } from "../../src/peering/audit-entry.ts";
import { createRoster, type Roster } from "../../src/peering/roster.ts";
import { namingStream } from "../../src/peering/switchboard.ts";
import type { EffectivePolicy } from "../../src/policy/effective-policy.ts";
import type { DatagramServiceDialer, ServiceDialer } from "../../src/tunnel/connect-service.ts";
import type { AddressDialer } from "../../src/tunnel/dial-address.ts";
import type { ExitCaller } from "../../src/tunnel/exit.ts";
import type { HostedApp, Permission } from "../../src/tunnel/hosted-app.ts";
import { createTunnelRules } from "../../src/tunnel/rules.ts";
import type { ServiceFinder } from "../../src/tunnel/service-way.ts";
import { createTunnel, type Tunnel, type TunnelDeps } from "../../src/tunnel/tunnel.ts";
import type { StreamServer } from "../../src/tunnel/way.ts";
import { Reason } from "../../src/wire/reason.ts";
import { openSession, type Session } from "../../src/wire/session.ts";
import { streamName } from "../../src/wire/stream-name.ts";
import { createMemoryPeerStore } from "../peering/memory-stores.ts";

/** The caller as its host knows it. */
const originFingerprint = "0a".repeat(32);
const origin: ExitCaller = { fingerprint: originFingerprint, guest: false, peer: "here", grants: ["apps"] };

/** UID of the RemoteApp of this name, for tests. */
export function uidOf(name: string): string {
  return `uid-${name}`;
}

export interface TwoAgents extends AsyncDisposable {
  readonly origin: Tunnel;
  readonly host: Tunnel;
  readonly hostSession: Session;
  readonly originSession: Session;
  /** Whose apps are where: fingerprint, then "namespace/name". Change it at will. */
  readonly hosted: Map<string, Map<string, HostedApp>>;
  /** An app of the origin's that listens on this port of the loopback address. */
  offer(name: string, port: number, more?: Partial<HostedApp>): HostedApp;
  /** Who calls, from now on. */
  caller: ExitCaller;
  permission: Permission;
  /** What each end has written down. */
  readonly audited: { readonly host: PeeringAuditEntry[]; readonly origin: PeeringAuditEntry[] };
  /** Of the host: the origin as its peer, with the decisions about it. */
  readonly roster: Roster;
}

const dialLoopback: ServiceDialer = (_ref, port) =>
  new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.removeListener("error", reject);
      resolve(socket);
    });
  });

function nobody(): never {
  throw new Error("nobody is called here");
}

export async function startTwoAgents(
  o: {
    dialService?: ServiceDialer;
    connectTimeoutMs?: number;
    clock?: Clock;
    /** Of the sessions, the machine's unless given: by one that stands still no datagram is dropped for having waited on a busy machine. */
    wireClock?: Clock;
    /** Judges in place of `permission`, with the decisions that the roster has. */
    policy?: EffectivePolicy;
    findService?: ServiceFinder;
    listRoutes?: ListRoutes;
    kubernetes?: StreamServer;
    metrics?: StreamServer;
    nodes?: TunnelDeps["nodes"];
    dialAddress?: AddressDialer;
    dialServiceDatagrams?: DatagramServiceDialer;
    findDatagramService?: ServiceFinder<DatagramPipe>;
    dialDatagramAddress?: AddressDialer<DatagramPipe>;
    findOffered?: TunnelDeps["findOffered"];
    limitsOf?: TunnelDeps["limitsOf"];
    /** Of the origin. */
    doorRates?: TunnelDeps["doorRates"];
  } = {},
): Promise<TwoAgents> {
  const [a, b] = duplexPair({ highWaterMark: 128 * 1024 });
  const signal = AbortSignal.timeout(30_000);
  const hosted = new Map<string, Map<string, HostedApp>>();
  const { clock = systemClock, wireClock = systemClock } = o;
  const common = { clock, log: silentLog, policyOf: () => undefined, through: () => undefined };
  const agents = { caller: origin, permission: { allowed: true } as Permission };
  const audited: { host: PeeringAuditEntry[]; origin: PeeringAuditEntry[] } = { host: [], origin: [] };
  const roster = createRoster({ store: createMemoryPeerStore(), clock, log: silentLog });
  await roster.add(
    { name: "here", fingerprint: originFingerprint, caPem: "", labels: {}, grants: ["apps"] },
    {},
    signal,
  );
  const rules = createTunnelRules({ policyOf: () => o.policy, roster, clock });

  const host = createTunnel({
    ...common,
    findApp(fingerprint, { namespace, name, uid }) {
      if (uid !== undefined && uid !== uidOf(name)) return undefined;
      return hosted.get(fingerprint)?.get(`${namespace}/${name}`);
    },
    listApps: (fingerprint) =>
      [...(hosted.get(fingerprint) ?? [])].map(([key, app]) => {
        const [namespace = "", name = ""] = key.split("/");
        return { namespace, name, app };
      }),
    rulesFor: rules.rulesFor,
    transport: nobody,
    permit: (caller, target) => (o.policy ? rules.permit(caller, target) : agents.permission),
    approvalLastsMs: rules.approvalLastsMs,
    roster,
    audit: { record: (entry) => audited.host.push(entry) },
    dialService: o.dialService ?? dialLoopback,
    ...(o.findService && { findService: o.findService }),
    ...(o.listRoutes && { listRoutes: o.listRoutes }),
    ...(o.kubernetes && { kubernetes: o.kubernetes }),
    ...(o.metrics && { metrics: o.metrics }),
    ...(o.nodes && { nodes: o.nodes }),
    ...(o.dialAddress && { dialAddress: o.dialAddress }),
    ...(o.dialServiceDatagrams && { dialServiceDatagrams: o.dialServiceDatagrams }),
    ...(o.findDatagramService && { findDatagramService: o.findDatagramService }),
    ...(o.dialDatagramAddress && { dialDatagramAddress: o.dialDatagramAddress }),
    ...(o.findOffered && { findOffered: o.findOffered }),
    ...(o.limitsOf && { limitsOf: o.limitsOf }),
    policyOf: () => o.policy,
    dialPeer: () => Promise.reject(new Error("the host dials nobody")),
    dialPeerDatagrams: () => Promise.reject(new Error("the host dials nobody")),
    ...(o.connectTimeoutMs !== undefined && { connectTimeoutMs: o.connectTimeoutMs }),
  });
  const hello = (): { instance: Uint8Array; version: string } => ({ instance: randomBytes(16), version: "test" });
  const [originSession, hostSession] = await Promise.all([
    openSession({ carrier: a, side: "low", hello: hello(), clock: wireClock, accept: () => undefined }, signal),
    openSession(
      {
        carrier: b,
        side: "high",
        hello: hello(),
        clock: wireClock,
        accept(incoming) {
          if (incoming.kind !== "dial") return;
          host.exit.open({ ...agents.caller, correlation: streamName(hostSession, incoming.id) }, incoming);
        },
      },
      signal,
    ),
  ]);
  const originTunnel = createTunnel({
    ...common,
    ...(o.doorRates && { doorRates: o.doorRates }),
    findApp: () => undefined,
    listApps: () => [],
    rulesFor: () => undefined,
    transport: nobody,
    permit: () => ({ allowed: false, rule: "test", message: "The origin hosts nothing." }),
    approvalLastsMs: () => undefined,
    roster,
    audit: { record: (entry) => audited.origin.push(entry) },
    dialService: dialLoopback,
    dialPeerDatagrams: (_peer, target, options) =>
      originSession.dialDatagrams(target, namingStream(originSession, options)),
    dialPeer: (peer, target, options) => {
      if (peer !== "there") throw new Error(`no peer ${peer}`);
      return originSession.dial(target, namingStream(originSession, options));
    },
  });

  return Object.assign(agents, {
    origin: originTunnel,
    host,
    hostSession,
    originSession,
    hosted,
    audited,
    roster,
    offer(name: string, port: number, more: Partial<HostedApp> = {}): HostedApp {
      const app: HostedApp = {
        service: { namespace: "fairlead-peer-here", name },
        ports: [{ name: "http", number: port, appProtocol: "http" }],
        ready: true,
        message: "",
        ...more,
      };
      const apps = hosted.get(originFingerprint) ?? new Map<string, HostedApp>();
      hosted.set(originFingerprint, apps.set(`shop/${name}`, app));
      return app;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([originTunnel.close(), host.close()]);
      roster.close();
      originSession.close({ reason: Reason.SHUTDOWN, message: "The test is over." });
      await Promise.all([originSession.closed, hostSession.closed]);
    },
  });
}
