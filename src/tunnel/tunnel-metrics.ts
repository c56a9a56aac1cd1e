import type { Metrics } from "../telemetry/metrics.ts";
import type { Exit } from "./exit.ts";

/** Asked each time the metrics are read. */
export type TunnelTraffic = Pick<Exit, "counts">;

/** Of the peers that there are. */
export function declareTunnelMetrics(
  metrics: Metrics,
  deps: { readonly tunnel: TunnelTraffic; peers(): readonly string[] },
): void {
  const labels = ["peer", "kind"] as const;
  metrics.family(
    {
      tunnel_connections: {
        help: "Connections of a peer to what it reaches here, being made and open.",
        labels: [...labels],
      },
      tunnel_opens_total: { help: "Its dials, by what was said to them.", labels: [...labels, "verdict"] },
      tunnel_bytes_total: {
        help: "Bytes of its connections, from the peer (in) and to it (out); not of requests that the agent answers itself.",
        labels: [...labels, "way"],
      },
      tunnel_datagrams_total: { help: "Datagrams of its flows of UDP, by the same ways.", labels: [...labels, "way"] },
      tunnel_datagrams_dropped_total: {
        help: "Datagrams that came and were dropped here: beyond tunnels.limits, too long, or faster than the line takes them.",
        labels: [...labels, "way"],
      },
    },
    (put) => {
      const peers = new Set(deps.peers());
      for (const { peer, kind, connections, opened, datagrams, dropped, ...bytes } of deps.tunnel.counts()) {
        if (!peers.has(peer)) continue;
        put("tunnel_connections", { peer, kind }, connections);
        for (const [verdict, count] of Object.entries(opened))
          put("tunnel_opens_total", { peer, kind, verdict }, count);
        for (const way of ["in", "out"] as const) {
          put("tunnel_bytes_total", { peer, kind, way }, bytes[way]);
          put("tunnel_datagrams_total", { peer, kind, way }, datagrams[way]);
          put("tunnel_datagrams_dropped_total", { peer, kind, way }, dropped[way]);
        }
      }
    },
  );
}
