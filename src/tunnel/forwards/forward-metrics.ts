import type { Metrics } from "../../telemetry/metrics.ts";
import type { ForwardCount } from "./forwards.ts";

/** Of the Forwards that there are. */
export function declareForwardMetrics(metrics: Metrics, deps: { counts(): readonly ForwardCount[] }): void {
  const labels = ["namespace", "forward", "peer"] as const;
  metrics.family(
    {
      forward_connections: {
        help: "Connections by the Service of a Forward, being made and open; flows of UDP among them.",
        labels: [...labels],
      },
      forward_opens_total: {
        help: "Such connections by what became of them: taken, limited (too many), cancelled (who connected has gone), or why they were reset.",
        labels: [...labels, "verdict"],
      },
      forward_bytes_total: {
        help: "Their bytes, to what is forwarded to (out) and from it (in).",
        labels: [...labels, "way"],
      },
      forward_datagrams_dropped_total: {
        help: "Datagrams by its ports of UDP that came and did not go on, by the same ways: beyond its limits, too long, or faster than the line takes them.",
        labels: [...labels, "way"],
      },
    },
    (put) => {
      for (const { namespace, name: forward, peer, connections, opened, dropped, ...bytes } of deps.counts()) {
        const of = { namespace, forward, peer };
        put("forward_connections", of, connections);
        for (const [verdict, count] of Object.entries(opened)) put("forward_opens_total", { ...of, verdict }, count);
        for (const way of ["in", "out"] as const) {
          put("forward_bytes_total", { ...of, way }, bytes[way]);
          put("forward_datagrams_dropped_total", { ...of, way }, dropped[way]);
        }
      }
    },
  );
}
