/** The tunnel of an agent: what leads from a peer's dial to what is meant here. */
import { hostname } from "node:os";
import type { AgentPlace } from "./agent-place.ts";
import type { AuditLog } from "./audit/audit-log.ts";
import type { Clock } from "./base/clock.ts";
import type { Log } from "./base/log.ts";
import type { Config } from "./config.ts";
import { createApiServerPlaces } from "./kube/api-server-places.ts";
import type { EventRecorder } from "./kube/event-recorder.ts";
import { createListRoutes } from "./kube/route-list.ts";
import { createServicePorts } from "./kube/service-endpoints.ts";
import { createListServices } from "./kube/service-list.ts";
import type { Peering } from "./peering/peering.ts";
import { createStreamRecord } from "./peering/stream-record.ts";
import { isKeptOut } from "./policy/kept-out.ts";
import type { PolicyBook } from "./policy/policy-book.ts";
import type { Metrics } from "./telemetry/metrics.ts";
import { createAddressDialer, createDatagramAddressDialer } from "./tunnel/dial-address.ts";
import { createForwards, type Forwards } from "./tunnel/forwards/forwards.ts";
import { PortRange } from "./tunnel/forwards/port-range.ts";
import { createServiceMaker } from "./tunnel/forwards/service-maker.ts";
import type { HostedApp } from "./tunnel/hosted-app.ts";
import { createKubernetesExit } from "./tunnel/kubernetes.ts";
import { createMetricsServer } from "./tunnel/metrics-server.ts";
import { createTunnelRules } from "./tunnel/rules.ts";
import { createTunnel, type Tunnel } from "./tunnel/tunnel.ts";
import type { RunningApp } from "./workloads/host/host.ts";
import type { Workloads } from "./workloads/workloads.ts";

export interface AgentTunnel extends Tunnel {
  readonly forwards: Forwards;
}

export function agentTunnel(deps: {
  readonly place: AgentPlace;
  readonly peering: Pick<Peering, "roster" | "switchboard">;
  readonly workloads: Pick<Workloads, "host">;
  readonly metrics: Metrics;
  readonly policies: Pick<PolicyBook, "of">;
  readonly events: Pick<EventRecorder, "record">;
  readonly config: Pick<Config, "forwards">;
  readonly audit: Pick<AuditLog, "record">;
  readonly clock: Clock;
  readonly log: Log;
}): AgentTunnel {
  const { place, workloads, audit, clock, log } = deps;
  const { roster, switchboard } = deps.peering;
  const policyOf = (fingerprint: string) => deps.policies.of(fingerprint);
  const { client, inCluster, server, gateway, requests } = place;
  const apiServer = gateway && createApiServerPlaces({ client, server, clock, log });
  const asked = createStreamRecord({ audit, clock });
  const kubernetes = gateway && createKubernetesExit({ gateway, policyOf, record: asked, log });
  const isNowhere = (address: string, port: number) => isKeptOut(address) || (apiServer?.has(address, port) ?? false);
  const { portForward } = place.pods;
  const ports = createServicePorts({ client, inCluster, portForward, isKeptOut: isNowhere, clock });
  // Where no cluster is, this machine itself is what its operator offers.
  const addresses = { isKeptOut: isNowhere, toItself: gateway === undefined };
  const tunnel = createTunnel({
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
    metrics: createMetricsServer(deps.metrics),
    ...createTunnelRules({ policyOf, roster, clock }),
    policyOf,
    through: (peer) => switchboard.through(peer),
    transport: (peer) => switchboard.transport(peer),
    roster,
    dialService: place.dialService,
    dialServiceDatagrams: place.dialServiceDatagrams,
    dialPeer: (peer, target, options) => switchboard.dial(peer, target, options),
    dialPeerDatagrams: (peer, target, options) => switchboard.dialDatagrams(peer, target, options),
    audit,
    clock,
    log,
  });
  const forwards = agentForwards({ ...deps, dial: tunnel.dial });
  return {
    ...tunnel,
    forwards,
    review(stillKnown, fingerprint) {
      tunnel.review(stillKnown, fingerprint);
      kubernetes?.review(fingerprint);
    },
    async close() {
      await forwards.close();
      await Promise.all([tunnel.close(), apiServer?.close()]);
      asked.close();
    },
  };
}

function hosted(app: RunningApp): HostedApp {
  return { service: app, ports: app.ports, ready: app.phase === "Ready", message: app.message };
}

function agentForwards(
  deps: Pick<Parameters<typeof agentTunnel>[0], "place" | "peering" | "events" | "config" | "clock" | "log"> &
    Pick<Tunnel, "dial">,
): Forwards {
  const { place, config, events, dial, clock, log } = deps;
  const address = config.forwards.address;
  const pod = place.inCluster ? { namespace: place.podNamespace, name: hostname() } : undefined;
  return createForwards({
    client: place.client,
    roster: deps.peering.roster,
    links: deps.peering.switchboard,
    dial,
    events,
    maker: createServiceMaker({
      client: place.client,
      grantHint: (namespace) =>
        `list the namespace in forwards.namespaces of the chart, forwards.namespaces: [${namespace}] (docs/forwards.md).`,
    }),
    entrance:
      address === undefined
        ? undefined
        : { place: { address, pod }, range: new PortRange(address, config.forwards.ports) },
    clock,
    log,
  });
}
