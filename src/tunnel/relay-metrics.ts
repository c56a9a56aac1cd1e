import type { Metrics } from "../telemetry/metrics.ts";
import type { Relay } from "./relay.ts";

/** Asked each time the metrics are read. */
export type RelayCounts = Pick<Relay, "size" | "traffic">;

export function declareRelayMetrics(metrics: Metrics, relay: RelayCounts): void {
  metrics.watch("relay_carriers", "Carriers between two peers that this agent carries now.", () => relay.size);
  metrics.family(
    { relay_bytes_total: { help: "Bytes that were carried from one peer to another.", labels: ["from", "to"] } },
    (put) => {
      for (const { from, to, bytes } of relay.traffic()) put("relay_bytes_total", { from, to }, bytes);
    },
  );
}
