/** Both ends of the tunnel in one: every agent is an origin of some apps and a host of others. */
import type { ConnectRouter, Transport } from "@connectrpc/connect";
import type { Clock } from "../base/clock.ts";
import type { DatagramPipe } from "../base/datagram-pipe.ts";
import { TargetService } from "../gen/fairlead/peer/v1/targets_pb.ts";
import type { Kubelets } from "../kube/kubelets.ts";
import type { NodeLook } from "../kube/node-list.ts";
import type { ListRoutes } from "../kube/route-list.ts";
import type { ListServices } from "../kube/service-list.ts";
import type { PeeringAudit } from "../peering/audit-entry.ts";
import type { Roster } from "../peering/roster.ts";
import { createStreamRecord } from "../peering/stream-record.ts";
import type { AppTarget, KubernetesTarget, MetricsTarget } from "../wire/target-text.ts";
import { type AddressWayDeps, createAddressWay } from "./address-way.ts";
import { type AppWayDeps, createAppWay } from "./app-way.ts";
import { Connections } from "./connections.ts";
import type { AddressDialer } from "./dial-address.ts";
import {
  type AppDialer,
  createAppDialer,
  createDatagramDialer,
  type DatagramDialer,
  type PeerDialer,
} from "./entry.ts";
import { createExit, type Exit, type ExitDeps, type IncomingDial } from "./exit.ts";
import type { ExitCaller } from "./exit-caller.ts";
import { createReverseWay, type FindOffered, permitOffered } from "./forwards/reverse-way.ts";
import { createHttpForwarder, type HttpForwarder } from "./http.ts";
import { createTunnelInbox, type TunnelInbox } from "./inbox.ts";
import { nodeOffers } from "./node-offers.ts";
import { createNodeWay } from "./node-way.ts";
import { addressOffers, appOffers, serviceOffers, singleOffer } from "./offer-sources.ts";
import type { OffersDeps } from "./offers.ts";
import { type PeerRateLimits, PeerRates } from "./peer-rates.ts";
import { PendingDials } from "./pending.ts";
import { createRelay, type Relay, type RelayDeps } from "./relay.ts";
import { routeOffers } from "./route-offers.ts";
import { createRouteWay } from "./route-way.ts";
import { createServiceWay, type ServiceFinder, type ServiceWayDeps } from "./service-way.ts";
import { createTargetService } from "./target-service.ts";
import { listTargetsAt, type TargetsAtPeer } from "./targets-at.ts";
import { type StreamServer, serving } from "./way.ts";

export interface TunnelDeps
  extends Omit<ExitDeps, "ways" | "hasApp" | "limitsOf" | "pending" | "record" | "connections">,
    AppWayDeps,
    Pick<OffersDeps, "rulesFor">,
    Pick<ServiceWayDeps, "findDatagramService">,
    Pick<AddressWayDeps, "dialDatagramAddress">,
    Pick<RelayDeps, "policyOf" | "through"> {
  /** What the peer with this fingerprint runs here. */
  listApps: Parameters<typeof appOffers>[0];
  /** Lists Services of this cluster, for who may reach them; without it no peer is told of any. */
  listServices?: ListServices;
  /** Lists routes into this cluster; without it, and what looks up Services, no host of theirs is reached. */
  listRoutes?: ListRoutes;
  /** Looks up nodes of this cluster and reads their kubelets; without it nobody reaches any. */
  nodes?: { readonly look: NodeLook; readonly kubelets: Pick<Kubelets, "get"> };
  /** Looks up Services of this cluster; without it none is reached. */
  findService?: ServiceFinder;
  /** Answers requests for this cluster's API; without it nobody reaches that. */
  kubernetes?: StreamServer;
  /** Connects to addresses that policies list; without it none is reached. */
  dialAddress?: AddressDialer;
  /** What Forwards of this cluster offer to a peer; without it nobody reaches any of it. */
  findOffered?: FindOffered;
  /** What this agent tells of itself; without it nobody reads that. */
  metrics?: StreamServer;
  /** As the policy has it, unless given. */
  limitsOf?: ExitDeps["limitsOf"];
  /** Opens a dial to a peer, as the switchboard does. */
  dialPeer: PeerDialer;
  /** RPC to a peer, as the switchboard gives it. */
  transport(peer: string): Transport;
  /** The same for datagrams. */
  dialPeerDatagrams: PeerDialer<DatagramPipe>;
  /** Where decisions about targets are kept. */
  roster: Pick<Roster, "get" | "byFingerprint" | "list" | "update">;
  /** How long an approval for this peer lasts when nobody says, in milliseconds; for ever when undefined. */
  approvalLastsMs(fingerprint: string): number | undefined;
  /** How fast the doors ask each peer; without it, as fast as they can. */
  doorRates?: PeerRateLimits;
  audit: PeeringAudit;
  clock: Clock;
}

export interface Tunnel {
  /** Answers a dial of a peer: to its app here, or through here to another peer. Returns at once and never throws. */
  open(caller: ExitCaller, dial: IncomingDial): void;
  /** Asks the rules again about what is open, of one peer or of all; see {@link Exit.review}. */
  review(stillKnown: (fingerprint: string) => ExitCaller | undefined, fingerprint?: string): void;
  /** The host's end. */
  readonly exit: Exit;
  /** What is carried between two peers. */
  readonly relay: Relay;
  /** What is open at this moment, at both ends. */
  readonly connections: Pick<Connections, "list" | "end">;
  /** What waits at the host for a person. */
  readonly inbox: TunnelInbox;
  /** The origin's end for bytes; rejects with a {@link TunnelError}. */
  readonly dial: AppDialer;
  /** What a peer says that it lets this agent reach. Rejects with a ConnectError. */
  listTargets(peer: string, signal: AbortSignal): Promise<TargetsAtPeer>;
  /** Adds what peers may call here. */
  routes(router: ConnectRouter): void;
  /** The same for datagrams. */
  readonly dialDatagrams: DatagramDialer;
  /** The origin's end for HTTP, which the doors use. */
  readonly http: HttpForwarder;
  /** Ends what is open on both sides; resolves when the host's sockets are closed. */
  close(): Promise<void>;
}

export function createTunnel(deps: TunnelDeps): Tunnel {
  const { audit, clock, roster } = deps;
  const pending = new PendingDials();
  const connections = new Connections(clock);
  // Of each end its own, so that what peers do here takes no room from what is done there.
  const hosted = createStreamRecord({ audit, clock });
  const dialled = createStreamRecord({ audit, clock });
  const { findService, dialAddress, listRoutes, findOffered } = deps;
  const ways = {
    app: createAppWay(deps),
    service: findService && createServiceWay({ ...deps, findService }),
    kubernetes: deps.kubernetes && serving<KubernetesTarget>(deps.kubernetes),
    metrics: deps.metrics && serving<MetricsTarget>(deps.metrics),
    address: dialAddress && createAddressWay({ ...deps, dialAddress }),
    route: findService && listRoutes && createRouteWay({ ...deps, findService, listRoutes }),
    node: deps.nodes && createNodeWay({ ...deps, kubelets: deps.nodes.kubelets, nodes: deps.nodes.look }),
    reverse: findService && findOffered && createReverseWay({ ...deps, findService, findOffered }),
  };
  const targets = createTargetService({ ...deps, sources: offerSources(deps), record: hosted });
  const hasApp = (fingerprint: string, app: AppTarget): boolean => deps.findApp(fingerprint, app) !== undefined;
  const { limitsOf = (fingerprint: string) => deps.policyOf(fingerprint)?.tunnels.limits } = deps;
  const permit: ExitDeps["permit"] = (caller, target) =>
    target.kind === "reverse" ? permitOffered(target, findOffered?.(caller.peer, target)) : deps.permit(caller, target);
  const exit = createExit({ ...deps, permit, ways, hasApp, limitsOf, pending, record: hosted, connections });
  const relay = createRelay({ ...deps, record: hosted });
  const dial = createAppDialer(deps.dialPeer, { record: dialled, connections });
  const http = createHttpForwarder({ dial, clock, rates: new PeerRates(clock, deps.doorRates ?? {}) });
  return {
    open: (caller, incoming) => {
      if (incoming.target.kind.case === "relay") relay.open(caller, incoming);
      else exit.open(caller, incoming);
    },
    review(stillKnown, fingerprint) {
      exit.review(stillKnown, fingerprint);
      relay.review(fingerprint);
    },
    exit,
    relay,
    connections,
    inbox: createTunnelInbox({
      roster,
      dials: pending,
      permit: (caller, target) => deps.permit({ ...caller, guest: false }, target),
      approvalLastsMs: deps.approvalLastsMs,
      audit,
      clock,
    }),
    dial,
    listTargets: (peer, signal) => listTargetsAt({ transport: deps.transport(peer), peer }, signal),
    routes: (router) => void router.service(TargetService, targets),
    dialDatagrams: createDatagramDialer(deps.dialPeerDatagrams, { record: dialled, connections }),
    http,
    async close() {
      http.close();
      await Promise.all([exit.close(), relay.close()]);
      hosted.close();
      dialled.close();
    },
  };
}

/** Of each kind that is offered here. */
function offerSources(deps: TunnelDeps) {
  const { listApps, listServices, listRoutes, findService, dialAddress, kubernetes, metrics } = deps;
  return [
    appOffers(listApps),
    findService && listServices && serviceOffers(listServices),
    findService && listServices && listRoutes && routeOffers({ listRoutes, listServices }),
    dialAddress && addressOffers,
    deps.nodes && nodeOffers(deps.nodes.look),
    kubernetes && singleOffer("kubernetes"),
    metrics && singleOffer("metrics"),
  ].filter((source) => source !== undefined);
}
