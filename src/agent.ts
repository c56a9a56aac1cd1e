/**
 * The composition: makes every room, hands each what it needs of the others, and ends them in the reverse order. It decides
 * nothing.
 */
import { randomBytes } from "node:crypto";
import { openClusterPlace } from "./agent-cluster.ts";
import { consoleCertificate, localUrl } from "./agent-console.ts";
import { agentFeatures } from "./agent-features.ts";
import { agentHealth } from "./agent-health.ts";
import { nodesWay } from "./agent-images.ts";
import { declareAgentMetrics } from "./agent-metrics.ts";
import { readKubeletTrust } from "./agent-nodes.ts";
import { readOutward } from "./agent-outward.ts";
import { signInSettings } from "./agent-sign-in.ts";
import { openStandalonePlace } from "./agent-standalone.ts";
import { agentTunnel } from "./agent-tunnel.ts";
import { agentWorkloads } from "./agent-workloads.ts";
import { createKubeAuditStore } from "./audit/kube-audit-store.ts";
import { openAuditLog } from "./audit/open-audit-log.ts";
import { listenWhere } from "./base/cannot-listen.ts";
import type { Clock } from "./base/clock.ts";
import type { Log } from "./base/log.ts";
import { memoryLimit } from "./base/memory-limit.ts";
import { describeConfig, type LoadedConfig, takeLive } from "./config.ts";
import { createConsole } from "./console/console.ts";
import type { ConsoleServer } from "./console/server.ts";
import { createDoctor } from "./doctor/doctor.ts";
import { readKernelBuffers } from "./doctor/kernel-buffers.ts";
import { IntentService } from "./gen/fairlead/peer/v1/intent_pb.ts";
import { loadIdentity } from "./identity/identity.ts";
import { createImages, type Images } from "./images/images.ts";
import { createEventRecorder } from "./kube/event-recorder.ts";
import { createReflector } from "./kube/reflector.ts";
import { peers } from "./kube/resources.ts";
import { createAcceptor } from "./link/acceptor.ts";
import { createKubeIdentityStore } from "./peering/kube-identity-store.ts";
import { createKubeInviteStore } from "./peering/kube-invite-store.ts";
import { createKubePeerStore } from "./peering/kube-peer-store.ts";
import { createPeering, type Peering } from "./peering/peering.ts";
import { createPods } from "./pods/pods.ts";
import { createPodRules } from "./pods/rules.ts";
import { createPolicyBook } from "./policy/policy-book.ts";
import { createRpcServer } from "./rpc/server.ts";
import type { LogRing } from "./telemetry/log-ring.ts";
import { createMetrics } from "./telemetry/metrics.ts";
import { createTelemetryServer } from "./telemetry/server.ts";
import { AgentBudget } from "./wire/session.ts";

export interface Agent {
  readonly name: string;
  /** Of its CA. */
  readonly fingerprint: string;
  /** The ports that it listens on. */
  readonly ports: {
    readonly console: number;
    readonly link: number;
    readonly telemetry: number;
    /** Undefined where nodes cannot pull what peers bring along. */
    readonly images?: number | undefined;
  };
  /** Takes over what of other settings may change while it runs. Rejects with what is wrong of them; then the old hold. */
  reload(next: LoadedConfig, signal: AbortSignal): Promise<void>;
  /** Drains and ends everything; resolves when nothing of it is left. */
  close(): Promise<void>;
}

export interface AgentDeps {
  readonly loaded: LoadedConfig;
  readonly log: Log;
  /** The latest lines of it. */
  readonly ownLog: Pick<LogRing, "after" | "beyond">;
  readonly clock: Clock;
  readonly version: string;
}

/** Starts an agent. Rejects when it cannot be what it was set to be; then nothing of it is left. */
export async function startAgent(deps: AgentDeps, signal: AbortSignal): Promise<Agent> {
  const started: (() => Promise<void> | void)[] = [];
  const close = async (): Promise<void> => {
    for (const end of started.splice(0).reverse()) await end();
  };
  try {
    return await compose(deps, started, close, signal);
  } catch (error) {
    await close();
    throw error;
  }
}

async function compose(
  { loaded, log, ownLog, clock, version }: AgentDeps,
  started: (() => Promise<void> | void)[],
  close: () => Promise<void>,
  signal: AbortSignal,
): Promise<Agent> {
  const { config } = loaded;
  let settings = loaded;
  const startedAt = new Date(clock.now()).toISOString();
  const openPlace = config.standalone.enabled ? openStandalonePlace : openClusterPlace;
  const place = await openPlace({ config, clock, log }, signal);
  started.push(() => place.close());
  const { client, namespace, kubernetesVersion } = place;

  const identity = await loadIdentity({ store: createKubeIdentityStore({ client, namespace }), clock, log }, signal);
  started.push(() => identity.close());
  const name = config.name ?? place.nameOf(identity.fingerprint);
  const hello = { instance: randomBytes(16), version };
  const instance = Buffer.from(hello.instance).toString("hex");
  const auditStore = createKubeAuditStore({ client, namespace });
  const audit = await openAuditLog({ clock, log, instance, version, store: auditStore }, signal);
  started.push(() => audit.close());
  const events = createEventRecorder({ client, clock, log, instance: `${name}-${instance.slice(0, 8)}` });
  started.push(() => events.close());

  const budget = new AgentBudget(config.link.memory ?? memoryLimit() / 4);
  const linkLimits = {
    maxStreams: config.link.maxStreams,
    opensPerSecond: config.link.maxOpensPerSecond,
    resetsPerSecond: config.link.maxResetsPerSecond,
    linkBudgetBytes: config.link.memoryPerLink,
  };
  const metrics = createMetrics();
  const acceptor = createAcceptor({
    identity,
    hello,
    clock,
    log,
    limits: {
      links: config.link.maxLinks,
      strangers: config.link.maxStrangers,
      strangersPerAddress: config.link.maxStrangersPerAddress,
      strangersPerRelay: config.link.maxStrangersPerRelay,
      handshakeMs: config.link.handshakeTime,
    },
    linkLimits,
    budget,
    kept: (fingerprint) => peering.kept(fingerprint),
    onLink: (link) => peering.onLink(link),
    accept: (link, stream) => peering.accept(link, stream),
  });
  const peerStore = createKubePeerStore({ client, namespace, clock, log });
  started.push(() => peerStore.close());
  const outward = await readOutward(config);
  const peering: Peering = createPeering({
    identity,
    hello,
    clock,
    log,
    audit,
    peers: peerStore,
    invites: createKubeInviteStore({ client, namespace }),
    name,
    url: config.link.url,
    ...outward,
    budget,
    linkLimits,
    facts: () => ({ version, facts: place.facts() }),
    serveRpc: (incoming, caller) => rpc.serve(incoming, caller),
    serveDial: (incoming, caller) =>
      incoming.target.kind.case === "images" ? images.open(caller, incoming) : tunnel.open(caller, incoming),
    takeCarrier: (carrier, through) => acceptor.take(carrier, through),
  });
  started.push(() => peering.close());
  const { roster, switchboard } = peering;

  const policies = createPolicyBook({
    client,
    namespace,
    reading: { toItself: place.gateway === undefined },
    peers: {
      list: () => roster.list(),
      subscribe: (fn) =>
        roster.subscribe(({ before, after }) => {
          for (const peer of [before, after]) if (peer) fn(peer.fingerprint);
        }),
    },
    clock,
    log,
  });
  started.push(() => policies.close());

  let consoleServer: ConsoleServer | undefined;
  const pulls = nodesWay(config, identity.keyFor("fairlead pull secrets"));
  const workloads = agentWorkloads({
    ...{ place, config, identity, peering, policies, events, audit, clock, log },
    // The console stands on this room, so it comes later; until then nobody could open a page anyway.
    pageUrl: ({ metadata }) => consoleServer?.pageOf(metadata.namespace ?? "", metadata.name ?? ""),
    images: () => images,
    pullDoor: pulls.door,
  });
  const closeWorkloads = once(() => workloads.close());
  started.push(closeWorkloads);
  const pods = createPods({
    client,
    logs: place.pods.logs,
    exec: place.pods.exec,
    transport: (peer) => switchboard.transport(peer),
    findApp: (fingerprint, app) => workloads.host.find(fingerprint, app),
    subscribeApps: (fn) => workloads.host.subscribe(fn),
    ...createPodRules({ policyOf: (fingerprint) => policies.of(fingerprint) }),
    audit,
    clock,
    log,
  });
  started.push(() => pods.close());
  const images: Images = createImages({
    client,
    namespace,
    roster,
    policyOf: (fingerprint) => policies.of(fingerprint),
    apps: workloads.origin,
    peersOf: (app) => workloads.origin.peersOf(app),
    onTrouble: (key) => workloads.origin.reconsider(key),
    dial: (peer, target, options) => switchboard.dial(peer, target, options),
    passwords: pulls.passwords,
    audit,
    clock,
    log,
  });
  started.push(() => images.close());
  const kubeletTrust = await readKubeletTrust(config);
  const tunnel = agentTunnel({
    place,
    kubeletTrust,
    metrics,
    peering,
    workloads,
    policies,
    events,
    config,
    audit,
    clock,
    log,
  });
  started.push(() => tunnel.close());
  /** What a right allowed that was withdrawn ends at once. */
  const review = (fingerprint: string | undefined): void => {
    tunnel.review((one) => peering.callerOf(one), fingerprint);
    pods.review((one) => peering.callerOf(one), fingerprint);
    images.review(fingerprint);
  };
  started.push(roster.subscribe(({ before, after }) => review((after ?? before)?.fingerprint)));
  started.push(policies.subscribe(review));
  // No relay stands behind another: a link that is relayed from now on carries for nobody.
  started.push(switchboard.subscribe((peer) => tunnel.relay.review(roster.get(peer)?.fingerprint)));
  started.push(workloads.host.subscribe((fingerprint) => tunnel.exit.appsChanged(fingerprint)));
  const rpc = createRpcServer({
    routes(router) {
      peering.routes(router);
      workloads.routes(router);
      pods.routes(router);
      tunnel.routes(router);
    },
    judgingThemselves: [IntentService],
    onDefect: (error, path) => log.error({ err: error, path }, "a call of a peer failed"),
  });
  const closeRpc = once(() => rpc.close());
  started.push(closeRpc);

  const doctor = createDoctor({
    clock,
    version,
    fingerprint: identity.fingerprint,
    url: config.link.url,
    outer: outward.outerTls,
    proxy: outward.proxy,
    peers: roster,
    look: (peer) => switchboard.look(peer),
    transport: (peer) => switchboard.transport(peer),
    buffers: readKernelBuffers,
    ...(place.gateway && { images: () => pulls.look(images.look(), workloads.host.waitingForImages()) }),
  });
  const peerObjects = createReflector({ client, kind: peers, namespace, clock, log });
  started.push(() => peerObjects.close());
  const health = agentHealth({
    workloads: () => workloads.host.oldestPendingMs(),
    remoteApps: () => workloads.origin.oldestPendingMs(),
    forwards: () => tunnel.forwards.oldestPendingMs(),
    audit: () => audit.oldestUnwrittenMs(),
    keeper: place.keeper,
    keeping: () => place.trouble() ?? peerStore.lastError?.message,
    isListening: () => acceptor.stats().listening,
    certificateEndsAt: () => identity.leaf().notAfter.getTime(),
    clock,
  });
  const server = await createConsole(
    {
      listen: { host: config.console.host, port: config.console.port, domain: config.console.domain },
      about: { name, fingerprint: identity.fingerprint, version, instance, startedAt, namespace, kubernetesVersion },
      url: config.link.url ?? "",
      settings: () => describeConfig(settings),
      kube: place,
      namespace,
      peering,
      doctor,
      peerObjects,
      workloads,
      pods,
      policies,
      tunnelInbox: tunnel.inbox,
      http: tunnel.http,
      dial: tunnel.dial,
      listTargets: tunnel.listTargets,
      forwards: tunnel.forwards,
      dialDatagrams: tunnel.dialDatagrams,
      connections: tunnel.connections,
      hello,
      doorKey: identity.keyFor("fairlead tokens for doors"),
      consoleUrl: config.console.url,
      signIn: signInSettings(config, config.standalone.enabled ? undefined : client),
      certificate: await consoleCertificate({ config, identity, namespace, clock, log }),
      health: () => health.readyz(),
      features: () => agentFeatures(settings.config, { hasCluster: place.gateway !== undefined }),
      ownLog,
      linkCertificate: () => identity.leaf(),
      audit,
      clock,
      log,
    },
    signal,
  );
  consoleServer = server;
  await Promise.all([
    roster.synced(signal),
    peerObjects.synced(signal),
    policies.synced(signal),
    workloads.origin.synced(signal),
  ]);

  declareAgentMetrics(metrics, {
    version,
    acceptor: () => acceptor.stats(),
    budget,
    peers: () => roster.list().map((peer) => peer.name),
    look: (peer) => switchboard.look(peer),
    calls: () => rpc.running,
    dials: () => tunnel.exit.size,
    tunnel: tunnel.exit,
    relay: tunnel.relay,
    forwards: tunnel.forwards,
    images,
    workloads: () => workloads.host.count(),
    inboxWaiting: () =>
      [...workloads.host.held(), ...tunnel.inbox.pending()].filter(({ state }) => state === "Held").length,
    auditUnwrittenMs: () => audit.oldestUnwrittenMs(),
  });

  const imagesPort =
    pulls.door && (await listenWhere("images.port", () => images.listen(config.images.port, config.images.host))).port;
  const telemetry = createTelemetryServer({ health, metrics });
  started.push(() => telemetry.close());
  const telemetryPort = (
    await listenWhere("telemetry.port", () => telemetry.listen(config.telemetry.port, config.telemetry.host))
  ).port;
  const consolePort = (await listenWhere("console.port", () => server.listen())).port;
  const address = { url: localUrl(config.console.host, consolePort), ca: identity.caPem };
  await place.onConsole(address, signal);
  started.push(async () => {
    const leave = async (): Promise<void> => {
      // What goes on for ever by its nature would hold the drain to its limit.
      await closeWorkloads();
      await closeRpc();
      // Links that go through this agent go on elsewhere, or when it is back.
      await tunnel.relay.close();
      await peering.drain(config.shutdown.grace);
    };
    await Promise.all([server.close(), leave()]);
  });
  started.push(() => acceptor.close());
  const linkPort = (await listenWhere("link.port", () => acceptor.listen(config.link.port, config.link.host))).port;

  const ports = { console: consolePort, link: linkPort, telemetry: telemetryPort, images: imagesPort };
  log.info({ name, fingerprint: identity.fingerprint, version, namespace, ...ports }, "agent is ready");
  return {
    name,
    fingerprint: identity.fingerprint,
    ports,
    async reload(next, during) {
      await place.reload(next.config, during);
      settings = takeLive(settings, next);
    },
    close,
  };
}

/** The same promise for whoever asks again. */
function once(close: () => Promise<void>): () => Promise<void> {
  let closing: Promise<void> | undefined;
  return () => {
    closing ??= close();
    return closing;
  };
}
