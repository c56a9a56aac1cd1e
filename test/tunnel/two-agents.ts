/** Two agents without Kubernetes: real wire sessions over an in-process pair of streams, real sockets to the apps. */
import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { duplexPair } from "node:stream";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import type { ServiceDialer } from "../../src/tunnel/connect-service.ts";
import type { ExitCaller } from "../../src/tunnel/exit.ts";
import type { HostedApp, Permission } from "../../src/tunnel/hosted-app.ts";
import { createTunnel, type Tunnel } from "../../src/tunnel/tunnel.ts";
import { Reason } from "../../src/wire/reason.ts";
import { openSession, type Session } from "../../src/wire/session.ts";

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

export async function startTwoAgents(
  o: { dialService?: ServiceDialer; connectTimeoutMs?: number } = {},
): Promise<TwoAgents> {
  const [a, b] = duplexPair({ highWaterMark: 128 * 1024 });
  const signal = AbortSignal.timeout(30_000);
  const hosted = new Map<string, Map<string, HostedApp>>();
  const common = { clock: systemClock, log: silentLog };
  const agents = { caller: origin, permission: { allowed: true } as Permission };

  const host = createTunnel({
    ...common,
    findApp(fingerprint, { namespace, name, uid }) {
      if (uid !== undefined && uid !== uidOf(name)) return undefined;
      return hosted.get(fingerprint)?.get(`${namespace}/${name}`);
    },
    permit: () => agents.permission,
    dialService: o.dialService ?? dialLoopback,
    dialPeer: () => Promise.reject(new Error("the host dials nobody")),
    ...(o.connectTimeoutMs !== undefined && { connectTimeoutMs: o.connectTimeoutMs }),
  });
  const hello = (): { instance: Uint8Array; version: string } => ({ instance: randomBytes(16), version: "test" });
  const [originSession, hostSession] = await Promise.all([
    openSession({ carrier: a, side: "low", hello: hello(), clock: systemClock, accept: () => undefined }, signal),
    openSession(
      {
        carrier: b,
        side: "high",
        hello: hello(),
        clock: systemClock,
        accept(incoming) {
          if (incoming.kind === "dial") host.exit.open(agents.caller, incoming);
        },
      },
      signal,
    ),
  ]);
  const originTunnel = createTunnel({
    ...common,
    findApp: () => undefined,
    permit: () => ({ allowed: false, rule: "test", message: "The origin hosts nothing." }),
    dialService: dialLoopback,
    dialPeer: (peer, target, options) => {
      if (peer !== "there") throw new Error(`no peer ${peer}`);
      return originSession.dial(target, options);
    },
  });

  return Object.assign(agents, {
    origin: originTunnel,
    host,
    hostSession,
    originSession,
    hosted,
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
      originSession.close({ reason: Reason.SHUTDOWN, message: "The test is over." });
      await Promise.all([originSession.closed, hostSession.closed]);
    },
  });
}
