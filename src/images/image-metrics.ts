import type { Metrics } from "../telemetry/metrics.ts";
import type { Images } from "./images.ts";

/** Asked each time the metrics are read. */
export type ImageCounts = Pick<Images, "sentBytes" | "look">;

export function declareImageMetrics(metrics: Metrics, images: ImageCounts): void {
  metrics.watch("images_sent_bytes_total", "Bytes of images that hosts pulled through here.", () => images.sentBytes);
  metrics.watch(
    "images_received_bytes_total",
    "Bytes of images that came from peers for this cluster's nodes.",
    () => images.look().bytes,
  );
  const help =
    "Requests of this cluster's nodes for what peers bring along; without a pull secret is a node's first, and anybody else.";
  metrics.family({ images_requests_total: { help, labels: ["outcome"] } }, (put) => {
    const { served, failed, strange } = images.look();
    put("images_requests_total", { outcome: "answered" }, served);
    put("images_requests_total", { outcome: "failed" }, failed);
    put("images_requests_total", { outcome: "without-secret" }, strange);
  });
}
