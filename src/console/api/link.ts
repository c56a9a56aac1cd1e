/** A link as the API shows it. Pure. */
import { create } from "@bufbuild/protobuf";
import { type Link, LinkSchema } from "../../gen/fairlead/console/v1/link_service_pb.ts";
import { timeText } from "../../kube/time.ts";
import type { LineTotals } from "../../peering/line-tally.ts";
import type { LinkLook } from "../../peering/switchboard.ts";
import type { SessionStats } from "../../wire/session.ts";

const states = { connected: "Connected", connecting: "Connecting", disconnected: "Disconnected" } as const;

export function toLink(peer: string, { status, totals, past }: LinkLook): Link {
  const { state, since, path, remoteAddress, roundTripMs, lastSeenAt, lastError, session } = status;
  return create(LinkSchema, {
    peer,
    state: states[state],
    since: timeText(since),
    path: path ?? "",
    remoteAddress: remoteAddress ?? "",
    ...(roundTripMs !== undefined && { roundTripMs }),
    lastSeenAt: lastSeenAt === undefined ? "" : timeText(lastSeenAt),
    message: lastError ?? "",
    ...(session && toNow(session)),
    totals: toTotals(totals),
    pastCarriers: past.toReversed().map(({ at, ageMs, silentMs, ...end }) => ({
      ...end,
      at: timeText(at),
      ageMs: BigInt(Math.round(ageMs)),
      ...(silentMs !== undefined && { silentMs: BigInt(Math.round(silentMs)) }),
    })),
  });
}

/** Whether something has changed that a person would want to be told of; numbers change all the time. */
export function differs(a: Link, b: Link): boolean {
  return a.state !== b.state || a.since !== b.since || a.path !== b.path || a.message !== b.message;
}

/** What a link has at the moment. */
function toNow(session: SessionStats) {
  const { open, carrierlessSince, slowReaders } = session;
  return {
    streams: open,
    ...(carrierlessSince !== undefined && { interruptedSince: timeText(carrierlessSince) }),
    waitingBytes: BigInt(session.waitingBytes),
    replayBytes: BigInt(session.replayBytes),
    heldBytes: BigInt(session.heldBytes),
    promisedBytes: BigInt(session.promisedBytes),
    slowReaders,
  };
}

function toTotals(totals: LineTotals) {
  return {
    links: BigInt(totals.links),
    bytesIn: BigInt(totals.bytesIn),
    bytesOut: BigInt(totals.bytesOut),
    streamsOpened: BigInt(totals.opened),
    streamsAccepted: BigInt(totals.accepted),
    creditStalls: BigInt(totals.creditStalls),
    resetsSent: toCounts(totals.resets.sent),
    resetsReceived: toCounts(totals.resets.received),
    streamsLost: toCounts(totals.resets.lost),
    dialFailures: toCounts(totals.dialFailures),
    carriers: BigInt(totals.carriers),
    resumes: BigInt(totals.resumes),
    carrierEnds: toCounts(totals.carrierEnds),
  };
}

function toCounts(counts: ReadonlyMap<string, number>): Record<string, bigint> {
  return Object.fromEntries([...counts].map(([name, count]) => [name, BigInt(count)]));
}
