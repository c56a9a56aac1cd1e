import type { Metrics } from "../telemetry/metrics.ts";
import type { AcceptorStats } from "./acceptor.ts";

/** Declares what the peer port counts; `stats` is asked each time the metrics are read. */
export function declareAcceptorMetrics(metrics: Pick<Metrics, "family">, stats: () => AcceptorStats): void {
  metrics.family(
    {
      links: { help: "Links that other agents dialled." },
      strangers: { help: "Connections to the peer port of which nobody knows yet whose they are." },
      strangers_refused_total: {
        help: "Connections to the peer port that were turned away before they were a link, by reason.",
        labels: ["reason"],
      },
    },
    (put) => {
      const { links, strangers, refused } = stats();
      put("links", {}, links);
      put("strangers", {}, strangers);
      for (const [reason, count] of refused) put("strangers_refused_total", { reason }, count);
    },
  );
}
