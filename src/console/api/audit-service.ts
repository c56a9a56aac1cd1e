/** `AuditService`: what was asked of this agent, decided and done. */
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import type { AuditFilter } from "../../audit/audit-log.ts";
import type { AuditRecord, AuditVerdict } from "../../audit/entry.ts";
import type { ChainReport } from "../../base/audit-chain.ts";
import { errorText } from "../../base/error-text.ts";
import { type AuditService, ListAuditRequestSchema } from "../../gen/fairlead/console/v1/audit_service_pb.ts";
import { milliTimeText } from "../../kube/time.ts";
import { viewOf } from "../access/decide.ts";
import { principalKey } from "../auth/principal.ts";
import { timeIn } from "./broken-rule.ts";
import type { Listing } from "./listing.ts";
import { auditList } from "./lists.ts";

export interface AuditServiceDeps {
  /** What is kept, oldest first. */
  list(filter: AuditFilter): readonly AuditRecord[];
  /** Whether what is kept is as it was written. Rejects when storage cannot be read. */
  verify(signal: AbortSignal): Promise<ChainReport>;
}

/** How many entries are shown unless said. */
const shownEntries = 1_000;

const verdicts: readonly AuditVerdict[] = ["allowed", "denied", "held", "done", "failed"];

export function createAuditService(deps: AuditServiceDeps, listing: Listing): ServiceImpl<typeof AuditService> {
  return {
    listAudit(request, { values }) {
      const { peer, verdict, action, correlation, since, limit } = request;
      const found = deps.list({
        ...(peer && { peer }),
        ...(action && { action }),
        ...(correlation && { correlation }),
        ...(since && { since: timeIn(ListAuditRequestSchema, "since", since) }),
        ofPeers: viewOf(values.get(principalKey)),
        verdict: verdicts.find((known) => known === verdict),
      });
      const { items, ...page } = listing(auditList, found, request, limit || shownEntries);
      return { ...page, entries: items.map(toEntry) };
    },

    async verifyAudit(_request, { signal }) {
      const { intact, entries, first = 0, last = 0, head = "", problems, notes } = await verify(deps, signal);
      return {
        intact,
        entries: BigInt(entries),
        firstSequence: BigInt(first),
        lastSequence: BigInt(last),
        head,
        problems: problems.map(({ message }) => message),
        notes: [...notes],
      };
    },
  };
}

/** That storage cannot be read says nothing about what is in it. */
async function verify(deps: AuditServiceDeps, signal: AbortSignal): Promise<ChainReport> {
  try {
    return await deps.verify(signal);
  } catch (error) {
    signal.throwIfAborted();
    const message = `what is stored cannot be read, so nothing is proven: ${errorText(error)}`;
    throw new ConnectError(message, Code.Unavailable, undefined, undefined, error);
  }
}

export function toEntry(record: AuditRecord) {
  const { actor } = record;
  return {
    sequence: BigInt(record.sequence),
    at: milliTimeText(record.at),
    action: record.action,
    verdict: record.verdict,
    peer: actor.peer ?? "",
    fingerprint: actor.fingerprint ?? "",
    person: actor.person,
    target: record.target ?? "",
    rule: record.rule ?? "",
    message: record.message ?? "",
    correlation: record.correlation ?? "",
    previous: record.previous,
    hash: record.hash,
    instance: record.instance,
  };
}
