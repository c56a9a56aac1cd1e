/** Forwards of an agent in or beside its cluster, in both directions. */
import { hostname } from "node:os";
import type { AgentPlace } from "./agent-place.ts";
import type { AuditLog } from "./audit/audit-log.ts";
import type { Clock } from "./base/clock.ts";
import type { Log } from "./base/log.ts";
import type { Config } from "./config.ts";
import type { EventRecorder } from "./kube/event-recorder.ts";
import type { Peering } from "./peering/peering.ts";
import { createStreamRecord } from "./peering/stream-record.ts";
import type { PolicyBook } from "./policy/policy-book.ts";
import { ConnectionBound } from "./tunnel/forwards/connection-bound.ts";
import { createForwards, type Forwards } from "./tunnel/forwards/forwards.ts";
import type { Entrance } from "./tunnel/forwards/led-service.ts";
import { createLeftBehind, type LeftBehind } from "./tunnel/forwards/left-behind.ts";
import { createOffered, type Offered } from "./tunnel/forwards/offered.ts";
import { createOffering, type Offering } from "./tunnel/forwards/offering.ts";
import { PortRange } from "./tunnel/forwards/port-range.ts";
import { createServiceMaker, type ServiceMaker } from "./tunnel/forwards/service-maker.ts";
import type { Tunnel } from "./tunnel/tunnel.ts";
import { labels as hostLabels, peerNamespace } from "./workloads/host/names.ts";
import type { Workloads } from "./workloads/workloads.ts";

export interface AgentForwards
  extends Pick<Forwards, "counts" | "list" | "get" | "heard" | "subscribe" | "oldestPendingMs"> {
  /** What peers offer here. */
  readonly offered: Offered;
  readonly find: Offering["find"];
  close(): Promise<void>;
}

export interface AgentForwardsDeps {
  readonly place: AgentPlace;
  readonly peering: Pick<Peering, "roster" | "switchboard" | "callerOf">;
  readonly policies: Pick<PolicyBook, "of">;
  readonly workloads: Pick<Workloads, "host">;
  readonly events: Pick<EventRecorder, "record">;
  readonly config: Pick<Config, "forwards">;
  readonly dial: Tunnel["dial"];
  readonly dialDatagrams: Tunnel["dialDatagrams"];
  readonly audit: Pick<AuditLog, "record">;
  /** What this peer reaches here has to be judged again. */
  review(fingerprint: string): void;
  readonly clock: Clock;
  readonly log: Log;
}

/** Of all Forwards and offers together; each is a socket of this process and a stream of a link. */
const mostConnections = 16_384;

export function agentForwards(deps: AgentForwardsDeps): AgentForwards {
  const { place, config, dial, clock, log } = deps;
  const { roster, switchboard: links } = deps.peering;
  const address = config.forwards.address;
  const pod = place.inCluster ? { namespace: place.podNamespace, name: hostname() } : undefined;
  const entrance =
    address === undefined
      ? undefined
      : { place: { address, pod }, range: new PortRange(address, config.forwards.ports) };
  const makers = forwardMakers(place, log);
  const before = entrance && leftBehind(deps, entrance, makers.offered);
  const settled = async (signal: AbortSignal): Promise<void> => before?.settled(signal);
  const bound = new ConnectionBound(mostConnections);
  const offering = createOffering({
    transport: (peer) => links.transport(peer),
    links,
    onWithdrawn(peer) {
      const fingerprint = roster.get(peer)?.fingerprint;
      if (fingerprint !== undefined) deps.review(fingerprint);
    },
    onState: (key) => forwards.reconsider(key),
    clock,
    log,
  });
  const forwards: Forwards = createForwards({
    client: place.client,
    roster,
    links,
    dial,
    dialDatagrams: deps.dialDatagrams,
    offering,
    events: deps.events,
    maker: makers.own,
    entrance,
    settled,
    bound,
    clock,
    log,
  });
  const record = createStreamRecord({ audit: deps.audit, clock });
  const offered = createOffered({
    client: place.client,
    callerOf: (fingerprint) => deps.peering.callerOf(fingerprint),
    policyOf: (fingerprint) => deps.policies.of(fingerprint),
    claimNamespace: (tenant, signal) => deps.workloads.host.claimNamespace(tenant, signal),
    namespaceOf: peerNamespace,
    record,
    dial,
    maker: makers.offered,
    entrance,
    settled,
    bound,
    clock,
    log,
  });
  return {
    offered,
    find: offering.find,
    list: forwards.list,
    get: forwards.get,
    heard: forwards.heard,
    subscribe: forwards.subscribe,
    counts: () => [...forwards.counts(), ...offered.counts()],
    oldestPendingMs: () => forwards.oldestPendingMs(),
    async close() {
      await Promise.all([forwards.close(), offered.close()]);
      await Promise.all([offering.close(), before?.close()]);
      record.close();
    },
  };
}

/** Of Forwards of this cluster, and of what peers offer here. */
function forwardMakers({ client }: AgentPlace, log: Log) {
  return {
    own: createServiceMaker({
      client,
      grantHint: (namespace) =>
        `list the namespace in forwards.namespaces of the chart, forwards.namespaces: [${namespace}] (docs/forwards.md).`,
      refusal: (words) => `The cluster refuses the Service: ${words}`,
    }),
    offered: createServiceMaker({
      client,
      grantHint: () => "whoever installs it there can set forwards.reverse: true in the values of its chart.",
      refusal(words) {
        log.warn({ detail: words }, "the Service of an offer is refused");
        return "The peer's cluster refuses the Service; the log of its agent says why.";
      },
    }),
  };
}

function leftBehind(deps: AgentForwardsDeps, { place, range }: Entrance, maker: ServiceMaker): LeftBehind {
  const { roster } = deps.peering;
  return createLeftBehind({
    client: deps.place.client,
    peerNamespaces: hostLabels.fingerprint,
    isOfAPeer: (namespace) => roster.list().some(({ name }) => peerNamespace(name) === namespace),
    peersKnown: (signal) => roster.synced(signal),
    address: place.address,
    range,
    maker,
    clock: deps.clock,
    log: deps.log,
  });
}
