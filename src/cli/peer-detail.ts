/** One peer in words, for a person at a terminal. Pure. */
import type { Peer } from "../gen/fairlead/console/v1/peer_service_pb.ts";
import type { PeerSpec, PeerStatus } from "../gen/fairlead/resources/v1alpha1/peer_pb.ts";
import { conditionTable, factLines, indented } from "./app-detail.ts";
import { leftOf, sinceOf } from "./table.ts";

/** Lines without a last line feed. `now` is in milliseconds since 1970. */
export function peerDetail({ metadata, spec, status }: Peer, now: number): string {
  const seen = sinceOf(status?.lastSeenAt, now);
  const pairs = (map: Readonly<Record<string, string>> | undefined): string =>
    Object.entries(map ?? {})
      .map(([name, value]) => `${name}=${value}`)
      .join(", ");
  const facts = [
    ["Message", status?.link?.message],
    ["May do here", grantTexts(spec, now).join(", ") || "nothing"],
    ["We may there", heldTexts(status, now).join(", ")],
    ["Labels", pairs(metadata?.labels)],
    ["URL", spec?.url || (spec?.relays.length ? "none" : "none: it dials, this agent waits")],
    ["Relays", spec?.relays.join(", ")],
    ["Last seen", seen && `${seen} ago`],
    ["Says of itself", pairs(status?.facts)],
    ["Words", status?.words],
    ["Fingerprint", spec?.fingerprint],
  ];
  const conditions = status?.conditions ?? [];
  return [factLines(facts), conditions.length > 0 && indented(conditionTable(conditions, now))]
    .filter(Boolean)
    .join("\n\n");
}

/** What the peer may do here, each with the time that is left where it ends. */
export function grantTexts(spec: PeerSpec | undefined, now: number): string[] {
  return (spec?.grants ?? []).map((name) => withTime(name, spec?.grantsUntil[name], now));
}

/** What this agent may do at the peer, as the peer says. */
function heldTexts(status: PeerStatus | undefined, now: number): string[] {
  return (status?.grantsHeld ?? []).map(({ name = "", until }) => withTime(name, until, now));
}

function withTime(name: string, until: string | undefined, now: number): string {
  return until ? `${name} (${leftOf(until, now)})` : name;
}
