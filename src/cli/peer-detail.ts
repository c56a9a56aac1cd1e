/** One peer in words, for a person at a terminal. Pure. */
import type { Peer } from "../gen/fairlead/console/v1/peer_service_pb.ts";
import { conditionTable, factLines, indented } from "./app-detail.ts";
import { sinceOf } from "./table.ts";

/** Lines without a last line feed. `now` is in milliseconds since 1970. */
export function peerDetail({ metadata, spec, status }: Peer, now: number): string {
  const seen = sinceOf(status?.lastSeenAt, now);
  const pairs = (map: Readonly<Record<string, string>> | undefined): string =>
    Object.entries(map ?? {})
      .map(([name, value]) => `${name}=${value}`)
      .join(", ");
  const facts = [
    ["Message", status?.link?.message],
    ["May do here", spec?.grants.join(", ") || "nothing"],
    ["Labels", pairs(metadata?.labels)],
    ["URL", spec?.url || "none: it dials, this agent waits"],
    ["Link", status?.link?.path],
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
