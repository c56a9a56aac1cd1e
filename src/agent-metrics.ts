/** Every metric of an agent. What each says and where it comes from is the rooms' own; here is only that they are all there. */
import { declareImageMetrics, type ImageCounts } from "./images/image-metrics.ts";
import type { AcceptorStats } from "./link/acceptor.ts";
import { declareAcceptorMetrics } from "./link/acceptor-metrics.ts";
import { declareLinkMetrics, type LinkMetricsDeps } from "./peering/link-metrics.ts";
import type { Metrics } from "./telemetry/metrics.ts";
import { declareForwardMetrics } from "./tunnel/forwards/forward-metrics.ts";
import type { Forwards } from "./tunnel/forwards/forwards.ts";
import { declareRelayMetrics, type RelayCounts } from "./tunnel/relay-metrics.ts";
import { declareTunnelMetrics, type TunnelTraffic } from "./tunnel/tunnel-metrics.ts";

/** Asked each time the metrics are read. */
export interface AgentMetricsDeps extends LinkMetricsDeps {
  readonly version: string;
  acceptor(): AcceptorStats;
  /** What may be promised to all links together, in bytes. */
  readonly budget: { readonly total: number; readonly promised: number };
  /** Calls and dials of peers that run now. */
  calls(): number;
  dials(): number;
  readonly tunnel: TunnelTraffic;
  readonly relay: RelayCounts;
  readonly forwards: Pick<Forwards, "counts">;
  readonly images: ImageCounts;
  workloads(): number;
  inboxWaiting(): number;
  auditUnwrittenMs(): number;
}

export function declareAgentMetrics(metrics: Metrics, deps: AgentMetricsDeps): void {
  metrics.family({ build_info: { help: "1; the version is in its label.", labels: ["version"] } }, (put) =>
    put("build_info", { version: deps.version }, 1),
  );
  metrics.watch("peers", "Peers in the roster.", () => deps.peers().length);
  declareLinkMetrics(metrics, deps);
  declareAcceptorMetrics(metrics, () => deps.acceptor());
  metrics.watch("budget_bytes", "What may be promised to all links together; link.memory.", () => deps.budget.total);
  metrics.watch("budget_promised_bytes", "What is promised to them now.", () => deps.budget.promised);
  metrics.watch("calls", "Calls of peers that run now.", () => deps.calls());
  metrics.watch("dials", "Connections of peers to apps here, open or being made.", () => deps.dials());
  declareTunnelMetrics(metrics, { tunnel: deps.tunnel, peers: deps.peers });
  declareRelayMetrics(metrics, deps.relay);
  declareForwardMetrics(metrics, deps.forwards);
  declareImageMetrics(metrics, deps.images);
  metrics.watch("workloads", "Workloads of all peers that are stored here.", () => deps.workloads());
  metrics.watch("inbox_waiting", "Wishes and targets that wait for a person here.", () => deps.inboxWaiting());
  metrics.watch(
    "audit_unwritten_seconds",
    "Age of the oldest audit entry that is in the log and not yet in storage.",
    () => deps.auditUnwrittenMs() / 1000,
  );
}
