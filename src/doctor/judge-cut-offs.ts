import { spanText, type Verdict } from "./finding.ts";

/** How a connection to a peer ended; what of it tells who did it. */
export interface EndedConnection {
  /** How long it stood, in milliseconds. */
  readonly ageMs: number;
  /** How long nothing had been heard on it, in milliseconds; undefined when that is not known. */
  readonly silentMs?: number | undefined;
  /** As in reason.proto, without "REASON_". */
  readonly reason: string;
  /** "network": with no word from either end. */
  readonly by: string;
}

/** Fewer than so many that end alike are chance. */
const fewest = 3;
/** Times within this of their middle are the same, or within so much of it. */
const alikeMs = 3_000;
const alikePart = 0.1;
/** Silence shorter than this is no silence: something is said every few seconds. */
const leastSilenceMs = 5_000;

/**
 * What connections that were lost have in common. Agents say something at least every 15 s, so that an idle limit above that cuts nothing;
 * what still cuts counts less silence, or counts age and does not care. Pure.
 */
export function judgeCutOffs(ended: readonly EndedConnection[]): Verdict {
  const lost = ended.filter(({ by, reason }) => by === "network" || reason === "SILENT" || reason === "STALLED");
  const planned = ended.length - lost.length;
  if (lost.length === 0) {
    const summary =
      ended.length === 0 ? "no connection to it has ended since this agent knows it" : "no connection to it was lost";
    return {
      level: "ok",
      check: "cut-offs",
      summary,
      evidence: planned > 0 ? [`${planned} ended as they were meant to`] : [],
    };
  }
  const list = `lost after ${lost.map(({ ageMs }) => spanText(ageMs)).join(", ")}`;
  const silences = lost.flatMap(({ silentMs, reason }) =>
    silentMs === undefined || reason !== "CARRIER_LOST" ? [] : [silentMs],
  );
  const silence = alike(silences.filter((ms) => ms >= leastSilenceMs));
  if (silence !== undefined) {
    const text = spanText(silence);
    return {
      level: "problem",
      check: "cut-offs",
      summary: `connections end after ~${text} of silence: something between the two cuts them when they are idle`,
      evidence: [list, `each had been silent for ${silences.map(spanText).join(", ")} when it was cut`],
      remedy: `Raise the idle time-out of the ingress, load balancer or NAT between the two above 20 s, better to an hour (nginx: proxy-read-timeout; AWS and Google: idle or backend time-out).`,
    };
  }
  const age = alike(lost.map(({ ageMs }) => ageMs));
  if (age !== undefined) {
    return {
      level: "warning",
      check: "cut-offs",
      summary: `connections end after ~${spanText(age)}, however busy they are: something between the two limits their age`,
      evidence: [list],
      remedy:
        "Raise that limit at the ingress or load balancer (Google: backend time-out; Envoy: max_connection_duration or stream timeouts). The link goes on at the next connection meanwhile, and no stream notices.",
    };
  }
  const mute = lost.filter(({ reason }) => reason === "SILENT" || reason === "STALLED").length;
  if (mute >= fewest && mute * 2 > lost.length) {
    return {
      level: "warning",
      check: "cut-offs",
      summary: `${mute} connections fell silent without ending: a NAT or firewall forgets them, or a route comes and goes`,
      evidence: [list],
      remedy: "Look for NAT or connection-tracking time-outs, and for packet loss, on the way to the peer.",
    };
  }
  if (lost.length >= fewest) {
    return {
      level: "warning",
      check: "cut-offs",
      summary: `${lost.length} connections were lost, with nothing in common: the line is unsteady, or what stands in it restarts`,
      evidence: [list],
      remedy: "Look at the ingress's restarts and reloads, and at packet loss on the way.",
    };
  }
  const summary = `${lost.length} ${lost.length === 1 ? "connection was" : "connections were"} lost, too few to tell why`;
  return { level: "ok", check: "cut-offs", summary, evidence: [list] };
}

/** The middle of the times when they are many enough and most of them lie close to it. */
function alike(times: readonly number[]): number | undefined {
  if (times.length < fewest) return undefined;
  const sorted = [...times].sort((a, b) => a - b);
  const middle = sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
  const near = times.filter((ms) => Math.abs(ms - middle) <= Math.max(alikeMs, middle * alikePart));
  // A connection that was lost within moments says nothing of a limit.
  return middle >= leastSilenceMs && near.length >= fewest && near.length >= times.length * 0.75 ? middle : undefined;
}
