/** The tunnel of an agent: what leads from a peer's dial to what is meant here. */
import { type AgentForwards, agentForwards } from "./agent-forwards.ts";
import { agentNodes } from "./agent-nodes.ts";
import type { AgentPlace } from "./agent-place.ts";
import type { AuditLog } from "./audit/audit-log.ts";
import type { Clock } from "./base/clock.ts";
import type { Log } from "./base/log.ts";
import type { Config } from "./config.ts";
import { ForwardService } from "./gen/fairlead/peer/v1/forward_pb.ts";
import { createApiServerPlaces } from "./kube/api-server-places.ts";
import type { EventRecorder } from "./kube/event-recorder.ts";
import type { KubeletTrust } from "./kube/kubelets.ts";
import { createListRoutes } from "./kube/route-list.ts";
import { createServicePorts } from "./kube/service-endpoints.ts";
import { createListServices } from "./kube/service-list.ts";
import type { Peering } from "./peering/peering.ts";
import { createStreamRecord } from "./peering/stream-record.ts";
import { isSameAddress } from "./policy/cidr.ts";
import { isKeptOut } from "./policy/kept-out.ts";
import type { PolicyBook } from "./policy/policy-book.ts";
import type { Metrics } from "./telemetry/metrics.ts";
import { createAddressDialer, createDatagramAddressDialer } from "./tunnel/dial-address.ts";
import type { HostedApp } from "./tunnel/hosted-app.ts";
import { createKubernetesExit } from "./tunnel/kubernetes.ts";
import { createMetricsServer } from "./tunnel/metrics-server.ts";
import { createTunnelRules } from "./tunnel/rules.ts";
import { createTunnel, type Tunnel } from "./tunnel/tunnel.ts";
import type { RunningApp } from "./workloads/host/host.ts";
import type { Workloads } from "./workloads/workloads.ts";

export interface AgentTunnel extends Tunnel {
  readonly forwards: AgentForwards;
}

/** What a peer offers, and how each stands, in one message. Bytes. */
const largestOffers = 512 * 1024;

export function agentTunnel(deps: {
  readonly place: AgentPlace;
  readonly peering: Pick<Peering, "roster" | "switchboard" | "callerOf">;
  readonly workloads: Pick<Workloads, "host">;
  readonly metrics: Metrics;
  readonly policies: Pick<PolicyBook, "of">;
  readonly events: Pick<EventRecorder, "record">;
  readonly config: Pick<Config, "forwards" | "nodes" | "console">;
  readonly kubeletTrust: KubeletTrust;
  readonly audit: Pick<AuditLog, "record">;
  readonly clock: Clock;
  readonly log: Log;
}): AgentTunnel {
  const { place, workloads, audit, clock, log } = deps;
  const { roster, switchboard } = deps.peering;
  const policyOf = (fingerprint: string) => deps.policies.of(fingerprint);
  const { client, inCluster, server, gateway, requests } = place;
  const apiServer = gateway && createApiServerPlaces({ client, server, isSame: isSameAddress, clock, log });
  const asked = createStreamRecord({ audit, clock });
  const kubernetes = gateway && createKubernetesExit({ gateway, policyOf, record: asked, clock, log });
  const isNowhere = (address: string, port: number) =>
    isKeptOut(address) || (apiServer?.has(address, port) ?? false) || isForward(deps.config, address, port);
  const { portForward } = place.pods;
  const ports = createServicePorts({ client, inCluster, portForward, isKeptOut: isNowhere, clock });
  // Where no cluster is, this machine itself is what its operator offers.
  const addresses = { isKeptOut: isNowhere, toItself: gateway === undefined };
  const nodes = agentNodes({ place, trust: deps.kubeletTrust, config: deps.config, isKeptOut: isNowhere, clock });
  const tunnel = createTunnel({
    ...(nodes && { nodes }),
    ...(kubernetes && { kubernetes }),
    findApp(fingerprint, app) {
      const found = workloads.host.find(fingerprint, app);
      return found && hosted(found);
    },
    listApps: (fingerprint) =>
      workloads.host.apps(fingerprint).map(({ app, ...named }) => ({ ...named, app: hosted(app) })),
    ...(requests && {
      listRoutes: createListRoutes({ client, requests, clock }),
      listServices: createListServices({ client, inCluster, isKeptOut: isNowhere, clock }),
      findService: ports.findTcp,
      findDatagramService: ports.findUdp,
    }),
    dialAddress: createAddressDialer(addresses),
    dialDatagramAddress: createDatagramAddressDialer(addresses),
    metrics: createMetricsServer(deps.metrics, clock),
    findOffered: (peer, target) => forwards.find(peer, target),
    ...createTunnelRules({ policyOf, roster, clock }),
    policyOf,
    through: (peer) => switchboard.through(peer),
    transport: (peer) => switchboard.transport(peer),
    roster,
    dialService: place.dialService,
    dialServiceDatagrams: place.dialServiceDatagrams,
    dialPeer: (peer, target, options) => switchboard.dial(peer, target, options),
    dialPeerDatagrams: (peer, target, options) => switchboard.dialDatagrams(peer, target, options),
    doorRates: {
      requestsPerSecond: deps.config.console.peerRequestsPerSecond,
      bytesPerSecond: deps.config.console.peerBytesPerSecond,
    },
    audit,
    clock,
    log,
  });
  const review: Tunnel["review"] = (stillKnown, fingerprint) => {
    tunnel.review(stillKnown, fingerprint);
    kubernetes?.review(fingerprint);
    forwards.offered.review(fingerprint);
  };
  const forwards: AgentForwards = agentForwards({
    ...deps,
    dial: tunnel.dial,
    dialDatagrams: tunnel.dialDatagrams,
    review: (fingerprint) => tunnel.review((one) => deps.peering.callerOf(one), fingerprint),
  });
  return {
    ...tunnel,
    forwards,
    review,
    routes(router) {
      tunnel.routes(router);
      router.service(ForwardService, forwards.offered.service, { readMaxBytes: largestOffers });
    },
    async close() {
      await forwards.close();
      await Promise.all([tunnel.close(), apiServer?.close()]);
      nodes?.kubelets.close();
      asked.close();
    },
  };
}

/** Ports of Forwards lead on to peers: who came to one from a peer would be led in a circle, or by this agent's rights to a third. */
export function isForward(
  { forwards: { address: own, ports } }: Pick<Config, "forwards">,
  address: string,
  port: number,
) {
  return own !== undefined && isSameAddress(address, own) && port >= ports.first && port <= ports.last;
}

function hosted(app: RunningApp): HostedApp {
  return { service: app, ports: app.ports, ready: app.phase === "Ready", message: app.message };
}
