/** The end of the audit, as it grows. */

import { create } from "@bufbuild/protobuf";
import type { AuditRecord } from "../../audit/entry.ts";
import { AuditEntrySchema } from "../../gen/fairlead/console/v1/audit_service_pb.ts";
import { Topic } from "../../gen/fairlead/console/v1/watch_service_pb.ts";
import { toEntry } from "../api/audit-service.ts";
import type { Ref } from "./logged.ts";
import type { WatchSource } from "./sources.ts";

export interface RecordedAudit {
  /** The latest so many, oldest first. */
  list(filter: { readonly limit: number }): readonly AuditRecord[];
  /** Calls the listener with each entry from now on. */
  subscribe(listener: (record: AuditRecord) => void): () => void;
}

/** With how many entries a watch begins. */
const mostAtFirst = 100;
/** Who was away for more entries than this begins anew. */
const mostRemembered = 1_000;

export function auditSource(audit: RecordedAudit): WatchSource {
  return {
    topic: Topic.AUDIT,
    mostAtFirst,
    synced: () => Promise.resolve(),
    feed(into) {
      const remembered: Ref[] = [];
      const tell = (record: AuditRecord): void => {
        const ref = { namespace: "", name: String(record.sequence) };
        const peers = [record.actor.peer ?? ""];
        into.put(ref, {
          peers,
          about: peers,
          now: () => ({ case: "auditEntry", value: create(AuditEntrySchema, toEntry(record)) }),
        });
        remembered.push(ref);
        const oldest = remembered.length > mostRemembered ? remembered.shift() : undefined;
        if (oldest) into.forget(oldest);
      };
      for (const record of audit.list({ limit: mostAtFirst })) tell(record);
      return audit.subscribe(tell);
    },
  };
}
