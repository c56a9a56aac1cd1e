/** Whether this cluster's nodes can pull what peers bring along. Pure: told from what came by the way and what waits for it. */
import { spanText, type Verdict } from "./finding.ts";

/** What is known of the way; undefined where there is none. */
export interface ImageWay {
  /** What the nodes call it. */
  readonly registry: string;
  readonly way: "NodePort" | "HostPort";
  /** Requests with a pull secret that were answered, that failed, and those without one: a node's first always has none. */
  readonly served: number;
  readonly failed: number;
  readonly strange: number;
  /** Milliseconds since 1970. */
  readonly lastAt: number | undefined;
  readonly lastFailure: string | undefined;
  /** Pods that wait for such an image in vain. */
  readonly waiting: readonly string[];
}

const mostNamed = 5;

export function judgeImages(way: ImageWay | undefined, now: number): Verdict {
  const check = "images";
  if (!way) {
    const summary = "peers cannot bring images of their own: the nodes have no way for it (images.registry)";
    return { level: "ok", check, summary };
  }
  const { served, failed, strange, lastAt, waiting } = way;
  const through = way.way === "NodePort" ? "the NodePort" : "the relay on each node";
  const where = `nodes pull what peers bring along from ${way.registry}, through ${through}`;
  const evidence = [
    `${served} requests answered, ${failed} failed, ${strange} without a pull secret`,
    ...(way.lastFailure === undefined ? [] : [`failed last: ${way.lastFailure}`]),
    ...waiting.slice(0, mostNamed).map((pod) => `${pod} waits for an image`),
  ];
  if (lastAt === undefined && strange === 0) {
    if (waiting.length === 0) return { level: "ok", check, summary: `${where}; none has come yet` };
    const remedy =
      way.way === "NodePort"
        ? "The NodePort seems not to answer on localhost there, as with kube-proxy in the modes ipvs and nftables: set images.relay.enabled in the chart. See docs/images.md."
        : "Does the DaemonSet fairlead-images run on each node, and may it reach the Service fairlead-images? See docs/images.md.";
    return {
      level: "problem",
      check,
      summary: `${where}, and none has come, while pods wait for images`,
      evidence,
      remedy,
    };
  }
  if (waiting.length > 0 && (failed > 0 || lastAt === undefined)) {
    const remedy =
      "Look at the pods' events: kubectl describe pod. What failed last is above, and each failure is in this agent's log.";
    return { level: "warning", check, summary: `${where}, and some pods do not get theirs`, evidence, remedy };
  }
  const when = lastAt === undefined ? "" : `; the last ${spanText(now - lastAt)} ago`;
  return { level: "ok", check, summary: `${where}${when}`, evidence };
}
