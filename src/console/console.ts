/** The console as a whole: the API over the rooms below, the doors to apps, and the port that serves both. */
import { type KeyObject, randomBytes } from "node:crypto";
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import type { AuditLog } from "../audit/audit-log.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Doctor } from "../doctor/doctor.ts";
import type { KubeConnection } from "../kube/connect.ts";
import { keyOf } from "../kube/object.ts";
import type { Reflector } from "../kube/reflector.ts";
import { type Peer, peers as peerKind, type RemoteApp } from "../kube/resources.ts";
import type { Peering } from "../peering/peering.ts";
import { checkRelays } from "../peering/relays.ts";
import { createStreamRecord } from "../peering/stream-record.ts";
import type { Pods } from "../pods/pods.ts";
import type { PolicyBook } from "../policy/policy-book.ts";
import type { Connections } from "../tunnel/connections.ts";
import type { AppDialer, DatagramDialer } from "../tunnel/entry.ts";
import type { Forwards } from "../tunnel/forwards/forwards.ts";
import type { HttpForwarder } from "../tunnel/http.ts";
import type { TargetsAtPeer } from "../tunnel/targets-at.ts";
import type { LocalHello } from "../wire/session.ts";
import type { Workloads } from "../workloads/workloads.ts";
import { aboutAgent } from "./about-agent.ts";
import { type Concern, concernOfForward, type Known } from "./access/concern.ts";
import { createConsoleAccess } from "./access/console-access.ts";
import { createRefuser } from "./access/refuser.ts";
import type { AgentServiceDeps } from "./api/agent-service.ts";
import { noSuchApp } from "./api/app-changes.ts";
import type { AppServiceDeps } from "./api/app-service.ts";
import { auditChanges } from "./api/audit.ts";
import type { AuditServiceDeps } from "./api/audit-service.ts";
import { createCallRecord } from "./api/call-record.ts";
import { translateErrors } from "./api/errors.ts";
import { createForwardChanges, type ForwardChanges } from "./api/forward-changes.ts";
import type { InboxServiceDeps } from "./api/inbox-service.ts";
import type { LinkServiceDeps } from "./api/link-service.ts";
import { createListing } from "./api/listing.ts";
import type { PeerServiceDeps } from "./api/peer-service.ts";
import type { PodServiceDeps } from "./api/pod-service.ts";
import { createPolicyChanges } from "./api/policy-changes.ts";
import type { PolicyServiceDeps } from "./api/policy-service.ts";
import { createApi } from "./api/routes.ts";
import { readAppLogs } from "./app-logs.ts";
import { answeringPeer, choosePeer, concernOfApp, namesMore } from "./app-peer.ts";
import { principalKey } from "./auth/principal.ts";
import { type ConsoleWatchDeps, createConsoleWatch, inboxNews } from "./console-watch.ts";
import type { AppCatalogue, AppView } from "./doors/app-view.ts";
import type { Opened } from "./doors/browser-entry.ts";
import { readDoor, readDoorContent } from "./doors/door-rules.ts";
import type { CallersWay } from "./doors/doors.ts";
import type { PeerPresence } from "./doors/explain.ts";
import { createKubernetesAccess } from "./kubernetes.ts";
import { type OpenNotificationsDeps, openNotifications } from "./notifications/open-notifications.ts";
import { createPageSource } from "./pages/page-source.ts";
import { servePages } from "./pages/pages.ts";
import { openPeople } from "./people.ts";
import { type ConsoleServer, createConsoleServer } from "./server.ts";
import { createSessionDial } from "./session-dial.ts";
import { createSignIn, type SignInSettings } from "./sign-in/sign-in.ts";
import type { ServedCertificate } from "./tls/served-certificate.ts";
import { createEventsDoor } from "./watch/events-door.ts";

export interface ConsoleDeps {
  readonly listen: { readonly host: string; readonly port: number; readonly domain: string };
  readonly about: AgentServiceDeps["about"];
  /** Where peers dial this agent; empty when they cannot. */
  readonly url: string;
  readonly settings: AgentServiceDeps["settings"];
  readonly kube: Pick<KubeConnection, "client">;
  /** The agent's own namespace. */
  readonly namespace: string;
  readonly peering: Peering;
  readonly doctor: Doctor;
  readonly peerObjects: Reflector<Peer>;
  readonly workloads: Workloads;
  readonly pods: Pods;
  readonly policies: Pick<PolicyBook, "list" | "explain"> & ConsoleWatchDeps["policies"];
  /** Targets that peers want to reach and that wait for a person. */
  readonly tunnelInbox: InboxServiceDeps["tunnels"] & { subscribe(listener: () => void): () => void };
  readonly http: HttpForwarder;
  readonly dial: AppDialer;
  /** Asks a peer what it lets this agent reach. Rejects with a ConnectError. */
  listTargets(peer: string, signal: AbortSignal): Promise<TargetsAtPeer>;
  readonly forwards: ConsoleWatchDeps["forwards"] & Pick<Forwards, "get" | "heard">;
  readonly dialDatagrams: DatagramDialer;
  /** What is open over the links at this moment. */
  readonly connections: Pick<Connections, "list" | "end">;
  readonly hello: LocalHello;
  readonly certificate: ServedCertificate;
  /** What tokens for the doors are signed by; this agent's alone. */
  readonly doorKey: KeyObject;
  /** Where the console is reached over TLS, as the operator says. */
  readonly consoleUrl: string | undefined;
  /** How the agent is: as its own probes say. */
  readonly health: AgentServiceDeps["health"];
  readonly features: AgentServiceDeps["features"];
  /** The agent's own. */
  readonly ownLog: AgentServiceDeps["ownLog"];
  /** How people and programs sign in, beside the tokens and users of this agent. */
  readonly signIn: SignInSettings;
  readonly audit: Pick<AuditLog, "record" | "list" | "subscribe"> & AuditServiceDeps & OpenNotificationsDeps["audit"];
  /** What peers are shown now. */
  readonly linkCertificate: OpenNotificationsDeps["linkCertificate"];
  readonly clock: Clock;
  readonly log: Log;
}

/** Makes whom nobody has made yet who may sign in. The server does not listen before it is told to. */
export async function createConsole(deps: ConsoleDeps, signal: AbortSignal): Promise<ConsoleServer> {
  const { kube, namespace, clock, log } = deps;
  const { origin } = deps.workloads;
  const refusals = createStreamRecord({ audit: deps.audit, clock });
  const record = createCallRecord({ audit: deps.audit, clock });
  const people = await openPeople({ ...deps, client: kube.client }, signal);
  const signIn = createSignIn({ ...deps, settings: deps.signIn, kept: people.kept, users: people.users });
  const refuse = createRefuser({
    admins: people.admins,
    refused: ({ principal: { name: person }, what: target, message }) =>
      refusals.note(person, { action: "access.refuse", actor: { person }, target, verdict: "denied", message }),
  });
  const access = createConsoleAccess({
    ways: [...people.ways, ...signIn.ways],
    known: knownConcerns(deps),
    refuse,
    clock,
  });
  const notifications = openNotifications({ ...deps, inbox: inboxNews(deps) });
  const watches = createConsoleWatch({
    ...deps,
    ...people,
    sessions: signIn.sessions,
    notifications,
    authenticator: access.authenticator,
    refuse,
  });
  const kubernetes = createKubernetesAccess({
    ...deps,
    authenticator: access.authenticator,
    guard: access.doors,
    key: deps.doorKey,
    isPeer: (name) => deps.peering.roster.get(name) !== undefined,
    presence: (peer) => presenceOf(deps.peering, peer),
  });
  const server: ConsoleServer = createConsoleServer({
    ...deps.listen,
    routes: createApi({
      agent: aboutAgent(deps),
      apps: appDeps(deps, (...asked) => server.open(...asked)),
      peers: peerDeps(deps),
      links: linkDeps(deps),
      kubernetes: kubernetes.service,
      tunnels: {
        peers: () => deps.peering.roster.list().map(({ name }) => name),
        presence: (peer) => presenceOf(deps.peering, peer),
        listTargets: deps.listTargets,
        listForwards: deps.forwards.list,
        forwards: forwardChanges(deps),
        connections: deps.connections,
        openTarget: (asked, principal, context) => answerOf(server.openTarget(asked, principal, callersWay(context))),
        clock,
      },
      doctor: { doctor: deps.doctor, version: deps.about.version, clock },
      pods: podDeps(deps),
      policies: policyDeps(deps),
      audit: deps.audit,
      notifications,
      inbox: { apps: deps.workloads.host, tunnels: deps.tunnelInbox },
      watch: { hub: watches },
      signIn: signIn.service,
      access: { ...people, sessions: signIn.sessions, clock },
      listing: createListing({ key: randomBytes(32), now: () => clock.now() }),
    }),
    interceptors: [auditChanges(record), translateErrors, signIn.refresh],
    pages(app) {
      signIn.routes(app);
      servePages(app, { ...createPageSource(), clock });
    },
    access,
    isReady: () => deps.health().ok,
    apps: catalogueOf(deps),
    http: deps.http,
    hello: deps.hello,
    certificate: deps.certificate,
    peerDoors: { kubernetes: kubernetes.door },
    dial: createSessionDial({
      guard: access.doors,
      dial: deps.dial,
      dialDatagrams: deps.dialDatagrams,
      clock,
      hasPeer: (name) => deps.peering.roster.get(name) !== undefined,
      find(app, peer) {
        const found = appOf(deps, app);
        return { peer: choosePeer(found, { peer }, connectedIn(deps.peering)), uid: found.metadata.uid ?? "" };
      },
    }),
    presence: (peer) => presenceOf(deps.peering, peer),
    identityOf: (peer) => deps.peering.roster.get(peer)?.fingerprint,
    consoleUrl: deps.consoleUrl,
    events: createEventsDoor({ hub: watches, authenticator: access.authenticator, refuse, log }),
    content: (name) => readDoorContent(name, origin.findShared(name), namespace),
    clock,
    log,
  });
  return {
    ...server,
    async close() {
      await server.close();
      refusals.close();
      record.close();
      await notifications.close();
      watches.close();
      await signIn.close();
      await people.close();
    },
  };
}

function knownConcerns({ workloads: { origin, host }, forwards }: ConsoleDeps): Known {
  return {
    peersOfApp(ref): Concern | undefined {
      const app = origin.get(keyOf(ref));
      return app && concernOfApp(app);
    },
    namesMore: (ref, spec) => namesMore(ref && origin.get(keyOf(ref)), spec),
    concernOfForward(ref): Concern | undefined {
      const forward = forwards.get(keyOf(ref));
      return forward && concernOfForward(forward.spec);
    },
    peerOfForward: (ref) => forwards.get(keyOf(ref))?.spec.peer,
    peerOfWorkload: (ref) => host.orphans().find(({ workload }) => keyOf(workload) === keyOf(ref))?.peer,
  };
}

function appDeps({ kube, workloads, peering, audit, clock }: ConsoleDeps, open: ConsoleServer["open"]): AppServiceDeps {
  return {
    kube: kube.client,
    apps: workloads.origin,
    openApp(app, context) {
      const principal = context.values.get(principalKey);
      if (!principal) throw new ConnectError("nobody is signed in", Code.Unauthenticated);
      return answerOf(open(app, principal, callersWay(context)));
    },
    here: workloads.host,
    atPeers: workloads.origin,
    check: workloads.origin.check,
    audit,
    clock,
    peers: () => peering.roster.list().map(({ name }) => name),
  };
}

/** By which browsers of the caller's reach this server, too. */
function callersWay({ url }: HandlerContext): CallersWay {
  const { protocol, host } = new URL(url);
  return { authority: host, secure: protocol === "https:" };
}

function answerOf(opened: Opened): { url: string; host: string } {
  if (opened.ok) return { url: opened.url, host: opened.host };
  const { problem } = opened;
  const message = [problem.detail, problem.hint].filter(Boolean).join(" ");
  throw new ConnectError(message, problem.status === 404 ? Code.NotFound : Code.FailedPrecondition);
}

function peerDeps({ kube, namespace, peering, peerObjects, workloads, clock }: ConsoleDeps): PeerServiceDeps {
  const known = (peer: Peer | undefined): Peer | undefined => (peer?.spec.removal ? undefined : peer);
  return {
    peers: {
      list: () => peerObjects.list().filter(known),
      get: (name) => known(peerObjects.get(keyOf({ namespace, name }))),
      read: async (name, signal) => known(await kube.client.get(peerKind, { namespace, name }, signal)),
    },
    invites: peering.invites,
    update: (name, change, signal) => peering.roster.update(name, change, signal),
    checkRelays: (name, relays) => checkRelays(peering.roster, name, relays),
    reconnect: (name) => peering.switchboard.reconnect(name),
    async remove(name, { deleteWorkloads, person }, signal) {
      const fingerprint = peering.roster.get(name)?.fingerprint ?? "";
      const count = workloads.host.count(fingerprint);
      const { ended, left, done } = await workloads.origin.release(name, signal);
      try {
        const options = { workloads: deleteWorkloads ? "Delete" : "Keep", person } as const;
        const { told } = await peering.remove(name, options, signal);
        if (deleteWorkloads) await workloads.host.deleteAllOf(fingerprint, signal);
        return { told, workloads: count, appsEnded: ended, appsLeft: left };
      } finally {
        done();
      }
    },
    now: () => clock.now(),
    join: (invite, options, signal) => peering.join(invite, options, signal),
  };
}

function linkDeps({ peering: { switchboard, roster }, clock }: ConsoleDeps): LinkServiceDeps {
  return {
    clock,
    look: (peer) => switchboard.look(peer),
    subscribe(listener) {
      const ends = [switchboard.subscribe(listener), roster.subscribe(({ name }) => listener(name))];
      return () => {
        for (const end of ends) end();
      };
    },
  };
}

function forwardChanges({ kube, about, forwards }: ConsoleDeps): ForwardChanges {
  return createForwardChanges({
    kube: kube.client,
    heard: forwards.heard,
    noneHere:
      about.kubernetesVersion === ""
        ? "This agent stands alone: there is no cluster here for which Forwards could make Services. `fairlead forward PEER TARGET` makes ports of a machine."
        : undefined,
  });
}

function policyDeps(deps: ConsoleDeps): PolicyServiceDeps {
  const { policies, peering } = deps;
  return {
    changes: createPolicyChanges({
      kube: deps.kube.client,
      namespace: deps.namespace,
      writtenElsewhere:
        deps.about.kubernetesVersion === ""
          ? "This agent stands alone: its policies are in its configuration, as standalone.policies and standalone.targets say."
          : undefined,
      policies: () => policies.list(),
      peers: () => peering.roster.list(),
    }),
    hasImageDoor: () => deps.features().some(({ name, enabled }) => name === "images" && enabled),
    now: () => deps.clock.now(),
    policies: () => policies.list(),
    peer: (name) => peering.roster.get(name),
    effective: (peer) => policies.explain(peer),
  };
}

function podDeps(deps: ConsoleDeps): PodServiceDeps {
  const { pods, clock } = deps;
  const isConnected = connectedIn(deps.peering);
  const logs = { apps: deps.workloads.origin, follow: pods.followLogs, isConnected, clock };
  return {
    pods,
    peerOf: (app, wanted) => choosePeer(appOf(deps, app), wanted, isConnected),
    logs: (ref, options, signal) => readAppLogs(logs, appOf(deps, ref), options, signal),
  };
}

/** A status may name who is no peer any more. */
function connectedIn(peering: Peering): (peer: string) => boolean {
  return (peer) => presenceOf(peering, peer)?.connected ?? false;
}

/** Throws a ConnectError when there is none. */
function appOf({ workloads }: ConsoleDeps, ref: { namespace: string; name: string }): RemoteApp {
  const app = workloads.origin.get(keyOf(ref));
  if (!app) throw noSuchApp(ref);
  return app;
}

function presenceOf({ roster, switchboard }: Peering, peer: string): PeerPresence | undefined {
  if (!roster.get(peer)) return undefined;
  const { state, since, lastError } = switchboard.status(peer);
  return { connected: state === "connected", since: new Date(since).toISOString(), lastError };
}

function catalogueOf({ workloads: { origin }, peering }: ConsoleDeps): AppCatalogue {
  const isConnected = connectedIn(peering);
  return {
    list: () => origin.list().map((app) => toView(app, isConnected)),
    get(namespace, name) {
      const app = origin.get(keyOf({ namespace, name }));
      return app && toView(app, isConnected);
    },
    subscribe: (changed) =>
      origin.subscribe((key) => {
        const [namespace = "", name = ""] = key.split("/");
        changed(namespace, name);
      }),
  };
}

function toView(app: RemoteApp, isConnected: (peer: string) => boolean): AppView {
  const { metadata, spec } = app;
  return {
    namespace: metadata.namespace ?? "",
    name: metadata.name ?? "",
    uid: metadata.uid ?? "",
    peer: answeringPeer(app, isConnected),
    ports: spec.ports.map(({ name, containerPort = 0, appProtocol = "http" }) => ({
      ...(name !== undefined && { name }),
      number: containerPort,
      appProtocol,
    })),
    door: readDoor(spec.door),
  };
}
