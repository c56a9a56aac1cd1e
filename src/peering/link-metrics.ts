/** The links to peers, as Prometheus sees them: nothing is counted for it alone, all is looked at when somebody asks. */
import { createBreather } from "../base/breather.ts";
import type { Metrics, Put } from "../telemetry/metrics.ts";
import type { LineTotals } from "./line-tally.ts";
import type { LinkStatus } from "./link-status.ts";
import type { LinkLook } from "./switchboard.ts";

export interface LinkMetricsDeps {
  /** Names of the peers there are. They are the label `peer`; a peer that was removed is in no series any more. */
  peers(): readonly string[];
  /** Undefined when there is no such peer, any more or yet. */
  look(peer: string): Pick<LinkLook, "status" | "totals"> | undefined;
}

const byPeer = ["peer"];

const members = {
  link_state: {
    help: "1 for the state that the link to the peer is in (connected, connecting, disconnected), 0 for the others.",
    labels: ["peer", "state"],
  },
  link_state_since_timestamp_seconds: { help: "When the link came into its state, in Unix time.", labels: byPeer },
  link_path: {
    help: "1 for the way that the link stands by: dialled by this agent, accepted, or relayed through a third one.",
    labels: ["peer", "path"],
  },
  link_round_trip_seconds: { help: "Time from the latest ping to its answer.", labels: byPeer },
  link_last_heard_timestamp_seconds: {
    help: "When anything was last known to come from the peer, in Unix time.",
    labels: byPeer,
  },
  link_streams: {
    help: "Streams that are open now, by the class that says whose turn it is.",
    labels: ["peer", "class"],
  },
  link_interrupted: {
    help: "1 while the link has no carrier and its streams wait for the next one, at which they go on.",
    labels: byPeer,
  },
  link_waiting_bytes: { help: "Bytes that wait for the connection to take them.", labels: byPeer },
  link_replay_bytes: {
    help: "Bytes that were sent and not acknowledged yet, kept to be sent again at the next carrier.",
    labels: byPeer,
  },
  link_held_bytes: { help: "Bytes that came from the peer and were not read yet.", labels: byPeer },
  link_promised_bytes: {
    help: "Bytes that the peer may send before it is promised more, and those that are held.",
    labels: byPeer,
  },
  link_slow_readers: { help: "Streams whose reader here has let the peer wait for over a second.", labels: byPeer },
  link_received_bytes_total: { help: "Bytes that came over links to the peer, inside of TLS.", labels: byPeer },
  link_sent_bytes_total: { help: "Bytes that went over links to the peer, inside of TLS.", labels: byPeer },
  link_streams_opened_total: {
    help: "Streams that were opened, by this agent (us) or the peer (them); refused ones of the peer's are not counted.",
    labels: ["peer", "by"],
  },
  link_stream_resets_total: {
    help: "Streams that were reset or refused, by this agent (us) or the peer (them), by reason.",
    labels: ["peer", "by", "reason"],
  },
  link_streams_lost_total: {
    help: "Streams that were open when their link ended, by the reason of that.",
    labels: ["peer", "reason"],
  },
  link_credit_stalls_total: {
    help: "How often a stream had data to send and no credit from the peer.",
    labels: byPeer,
  },
  link_established_total: { help: "Links to the peer that have come to stand.", labels: byPeer },
  link_carriers_total: { help: "Carriers, which are connections, that links to the peer were on.", labels: byPeer },
  link_resumes_total: { help: "How often a link went on at another carrier, with all its streams.", labels: byPeer },
  link_carrier_ends_total: {
    help: "Carriers that are gone, by reason; not those that a later one took over from.",
    labels: ["peer", "reason"],
  },
  link_ends_total: { help: "Links to the peer that have ended, by reason.", labels: ["peer", "reason"] },
  link_dial_failures_total: { help: "Attempts to dial the peer that failed, by reason.", labels: ["peer", "reason"] },
} as const;

type Name = keyof typeof members;

/** Declares them; `deps` are asked each time the metrics are read. */
export function declareLinkMetrics(metrics: Pick<Metrics, "family">, deps: LinkMetricsDeps): void {
  metrics.family<Name>(members, async (put) => {
    const breathe = createBreather();
    for (const peer of deps.peers()) {
      await breathe();
      const seen = deps.look(peer);
      if (!seen) continue;
      putStatus(put, peer, seen.status);
      putTotals(put, peer, seen.totals);
    }
  });
}

const states = ["connected", "connecting", "disconnected"] as const;
const seconds = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : ms / 1000);

function putStatus(put: Put<Name>, peer: string, status: LinkStatus): void {
  const { state, since, path, roundTripMs, lastSeenAt, session } = status;
  for (const one of states) put("link_state", { peer, state: one }, one === state ? 1 : 0);
  put("link_state_since_timestamp_seconds", { peer }, since / 1000);
  if (path !== undefined) put("link_path", { peer, path: pathKind(path) }, 1);
  put("link_round_trip_seconds", { peer }, seconds(roundTripMs));
  put("link_last_heard_timestamp_seconds", { peer }, seconds(lastSeenAt));
  if (!session) return;
  for (const [name, open] of Object.entries(session.open)) put("link_streams", { peer, class: name }, open);
  put("link_interrupted", { peer }, session.carrierlessSince === undefined ? 0 : 1);
  put("link_waiting_bytes", { peer }, session.waitingBytes);
  put("link_replay_bytes", { peer }, session.replayBytes);
  put("link_held_bytes", { peer }, session.heldBytes);
  put("link_promised_bytes", { peer }, session.promisedBytes);
  put("link_slow_readers", { peer }, session.slowReaders);
}

function putTotals(put: Put<Name>, peer: string, totals: LineTotals): void {
  put("link_received_bytes_total", { peer }, totals.bytesIn);
  put("link_sent_bytes_total", { peer }, totals.bytesOut);
  put("link_streams_opened_total", { peer, by: "us" }, totals.opened);
  put("link_streams_opened_total", { peer, by: "them" }, totals.accepted);
  const { sent, received, lost } = totals.resets;
  for (const [reason, count] of sent) put("link_stream_resets_total", { peer, by: "us", reason }, count);
  for (const [reason, count] of received) put("link_stream_resets_total", { peer, by: "them", reason }, count);
  for (const [reason, count] of lost) put("link_streams_lost_total", { peer, reason }, count);
  put("link_credit_stalls_total", { peer }, totals.creditStalls);
  put("link_established_total", { peer }, totals.links);
  put("link_carriers_total", { peer }, totals.carriers);
  put("link_resumes_total", { peer }, totals.resumes);
  for (const [reason, count] of totals.carrierEnds) put("link_carrier_ends_total", { peer, reason }, count);
  for (const [reason, count] of totals.ends) put("link_ends_total", { peer, reason }, count);
  for (const [reason, count] of totals.dialFailures) put("link_dial_failures_total", { peer, reason }, count);
}

/** The third agent's name is for people; as a label it would make series that come and go. */
function pathKind(path: string): "dialled" | "accepted" | "relayed" {
  return path === "dialled" || path === "accepted" ? path : "relayed";
}
