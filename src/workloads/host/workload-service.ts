/** What origins ask about their apps here, beside their wishes. */
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import type { WorkloadService } from "../../gen/fairlead/peer/v1/workload_pb.ts";
import type { IntentCaller } from "../../intent/host.ts";
import { intentLimits, type Refusal } from "../../intent/wish.ts";
import type { KubeClient } from "../../kube/client.ts";
import { keyOf } from "../../kube/object.ts";
import type { AdmissionDesk } from "./admission-desk.ts";
import type { AdmissionRecord } from "./admission-record.ts";
import { withHashesOf } from "./attachments.ts";
import type { WorkloadBook } from "./book.ts";
import { annotations } from "./names.ts";
import { invalid, parseSpec } from "./spec.ts";
import { changeChecks } from "./spec-change.ts";
import { deleteWorkload } from "./store.ts";
import { sentence } from "./verdict-words.ts";

export interface WorkloadServiceDeps {
  caller(context: HandlerContext): IntentCaller;
  client: Pick<KubeClient, "delete">;
  book: WorkloadBook;
  desk: Pick<AdmissionDesk, "ready" | "check">;
  record: Pick<AdmissionRecord, "orphanDeleted">;
}

export function createWorkloadService(deps: WorkloadServiceDeps): ServiceImpl<typeof WorkloadService> {
  return {
    async check({ spec, uid }, context) {
      const caller = deps.caller(context);
      const parsed = parseSpec(spec);
      if (!parsed.ok) return refused(parsed.refusal);
      await deps.desk.ready(context.signal);
      const known = uid === "" ? undefined : deps.book.of(caller.fingerprint).get(uid);
      const changed = known?.spec.app ? changeChecks(known.spec.app, parsed.app) : [];
      if (changed.length > 0) return refused(invalid(changed));
      // What comes with an app comes with its wish alone; until then it is taken for what is here.
      const app = withHashesOf(parsed.app, known?.spec.app);
      const { verdict } = deps.desk.check(caller, { key: known ? keyOf(known) : "", known }, app);
      const { decision, findings } = verdict;
      return {
        admitted: decision === "admit",
        held: decision === "hold",
        reason: { admit: "", hold: "Held", deny: "Denied" }[decision],
        message: findings.length > 0 ? sentence(findings) : "",
        violations: findings.slice(0, intentLimits.violations).map((finding) => ({ ...finding })),
      };
    },

    async deleteOrphan({ uid }, context) {
      const caller = deps.caller(context);
      await deps.book.latest.synced(context.signal);
      const workload = deps.book.of(caller.fingerprint).get(uid);
      const refuse = (rule: string, message: string, code: Code): ConnectError => {
        deps.record.orphanDeleted(caller, uid, { rule, message });
        return new ConnectError(message, code);
      };
      if (!workload) throw refuse("orphan/unknown", `nothing of yours has the UID ${uid} here`, Code.NotFound);
      if (workload.metadata.annotations?.[annotations.orphanedSince] === undefined) {
        throw refuse("orphan/none", "it is no orphan; delete its RemoteApp", Code.FailedPrecondition);
      }
      await deleteWorkload(deps.client, workload, context.signal);
      deps.record.orphanDeleted(caller, uid);
      return {};
    },
  };
}

function refused(refusal: Refusal) {
  return { admitted: false, ...refusal, violations: refusal.violations.slice(0, intentLimits.violations) };
}
