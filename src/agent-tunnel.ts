/** The tunnel of an agent in or beside its cluster: what leads from a peer's dial to what is meant here. */
import type { AuditLog } from "./audit/audit-log.ts";
import type { Clock } from "./base/clock.ts";
import type { Log } from "./base/log.ts";
import { createApiServerPlaces } from "./kube/api-server-places.ts";
import type { KubeConnection } from "./kube/connect.ts";
import { createFindServicePort } from "./kube/service-endpoints.ts";
import { createListServices } from "./kube/service-list.ts";
import type { Peering } from "./peering/peering.ts";
import { createStreamRecord } from "./peering/stream-record.ts";
import { isKeptOut } from "./policy/kept-out.ts";
import type { PolicyBook } from "./policy/policy-book.ts";
import type { Metrics } from "./telemetry/metrics.ts";
import { createAddressDialer } from "./tunnel/dial-address.ts";
import type { HostedApp } from "./tunnel/hosted-app.ts";
import { createKubernetesExit } from "./tunnel/kubernetes.ts";
import { createMetricsServer } from "./tunnel/metrics-server.ts";
import { createTunnelRules } from "./tunnel/rules.ts";
import { createTunnel, type Tunnel } from "./tunnel/tunnel.ts";
import type { RunningApp } from "./workloads/host/host.ts";
import type { Workloads } from "./workloads/workloads.ts";

export function agentTunnel(deps: {
  readonly kube: KubeConnection;
  readonly peering: Pick<Peering, "roster" | "switchboard">;
  readonly workloads: Pick<Workloads, "host">;
  readonly metrics: Metrics;
  readonly policies: Pick<PolicyBook, "of">;
  readonly audit: Pick<AuditLog, "record">;
  readonly clock: Clock;
  readonly log: Log;
}): Tunnel {
  const { kube, workloads, audit, clock, log } = deps;
  const { roster, switchboard } = deps.peering;
  const policyOf = (fingerprint: string) => deps.policies.of(fingerprint);
  const { client, inCluster, server } = kube;
  const apiServer = createApiServerPlaces({ client, server, clock, log });
  const asked = createStreamRecord({ audit, clock });
  const kubernetes = createKubernetesExit({ gateway: kube.gateway, policyOf, record: asked, log });
  const isNowhere = (address: string, port: number) => isKeptOut(address) || apiServer.has(address, port);
  const tunnel = createTunnel({
    kubernetes,
    findApp(fingerprint, app) {
      const found = workloads.host.find(fingerprint, app);
      return found && hosted(found);
    },
    listApps: (fingerprint) =>
      workloads.host.apps(fingerprint).map(({ app, ...named }) => ({ ...named, app: hosted(app) })),
    listServices: createListServices({ client, inCluster, isKeptOut: isNowhere, clock }),
    findService: createFindServicePort({
      client,
      inCluster,
      portForward: kube.pods.portForward,
      isKeptOut: isNowhere,
      clock,
    }),
    dialAddress: createAddressDialer({ isKeptOut: isNowhere }),
    metrics: createMetricsServer(deps.metrics),
    ...createTunnelRules({ policyOf, roster, clock }),
    policyOf,
    through: (peer) => switchboard.through(peer),
    transport: (peer) => switchboard.transport(peer),
    roster,
    dialService: kube.dialService,
    dialPeer: (peer, target, options) => switchboard.dial(peer, target, options),
    audit,
    clock,
    log,
  });
  return {
    ...tunnel,
    review(stillKnown, fingerprint) {
      tunnel.review(stillKnown, fingerprint);
      kubernetes.review(fingerprint);
    },
    async close() {
      await Promise.all([tunnel.close(), apiServer.close()]);
      asked.close();
    },
  };
}

function hosted(app: RunningApp): HostedApp {
  return { service: app, ports: app.ports, ready: app.phase === "Ready", message: app.message };
}
