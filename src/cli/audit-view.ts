/** What was asked of an agent, decided and done, as it looks on a terminal. Pure. */
import type { JsonObject } from "@bufbuild/protobuf";
import type { AuditEntry } from "../gen/fairlead/console/v1/audit_service_pb.ts";
import type { View } from "./output.ts";
import type { Tone } from "./table.ts";

const tones: Readonly<Record<string, Tone>> = {
  allowed: "good",
  done: "good",
  held: "waiting",
  denied: "bad",
  failed: "bad",
};

/** Entries of the audit, the latest last. */
export const auditView: View<AuditEntry> = {
  name: (entry) => `audit/${entry.sequence}`,
  columns: [
    { head: "AT", cell: ({ at }) => at.replace(/\.\d+Z$/, "Z") },
    { head: "ACTION", cell: ({ action }) => action },
    { head: "VERDICT", cell: ({ verdict }) => verdict, tone: ({ verdict }) => tones[verdict] },
    { head: "PEER", cell: ({ peer }) => peer },
    { head: "PERSON", cell: ({ person }) => person },
    { head: "TARGET", cell: ({ target }) => target },
    { head: "RULE", cell: ({ rule }) => rule },
    { head: "MESSAGE", cell: ({ message }) => message, wide: true },
    { head: "CORRELATION", cell: ({ correlation }) => correlation, wide: true },
    { head: "SEQUENCE", cell: ({ sequence }) => String(sequence), wide: true },
  ],
  json: entryJson,
  empty: "No such entries are kept. The agent's log has what is older: its lines with `audit: true`.",
};

/** With the names that the log has; what is not known is left out, as there. */
function entryJson(entry: AuditEntry): JsonObject {
  const { sequence, at, action, verdict, peer, fingerprint, person, target, rule, message, correlation } = entry;
  const { previous, hash, instance } = entry;
  const texts = {
    at,
    action,
    verdict,
    peer,
    fingerprint,
    person,
    target,
    rule,
    message,
    correlation,
    previous,
    hash,
    instance,
  };
  const known = Object.entries(texts).filter(([, text]) => text !== "");
  return { sequence: Number(sequence), ...Object.fromEntries(known) };
}
