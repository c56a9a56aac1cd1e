/** What origins ask about their apps here, beside their wishes. */
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import type { WorkloadService } from "../../gen/fairlead/peer/v1/workload_pb.ts";
import type { IntentCaller } from "../../intent/host.ts";
import { intentLimits } from "../../intent/wish.ts";
import type { KubeClient } from "../../kube/client.ts";
import { admit } from "../../policy/admission.ts";
import type { WorkloadBook } from "./book.ts";
import { annotations } from "./names.ts";
import { parseSpec } from "./spec.ts";
import { deleteWorkload } from "./store.ts";

export interface WorkloadServiceDeps {
  caller(context: HandlerContext): IntentCaller;
  client: Pick<KubeClient, "delete">;
  book: WorkloadBook;
  grants(fingerprint: string): readonly string[];
}

export function createWorkloadService(deps: WorkloadServiceDeps): ServiceImpl<typeof WorkloadService> {
  return {
    check({ spec }, context) {
      const caller = deps.caller(context);
      const parsed = parseSpec(spec);
      if (!parsed.ok) {
        const violations = parsed.refusal.violations.slice(0, intentLimits.violations);
        return { admitted: false, ...parsed.refusal, violations };
      }
      const grants = deps.grants(caller.fingerprint);
      const { decision, findings } = admit({ app: parsed.app }, { peer: caller.peer, grants });
      const admitted = decision === "admit";
      const message = findings.map((finding) => finding.message).join("; ");
      return { admitted, reason: admitted ? "" : "Denied", message, violations: [...findings] };
    },

    async deleteOrphan({ uid }, context) {
      const caller = deps.caller(context);
      await deps.book.latest.synced(context.signal);
      const workload = deps.book.of(caller.fingerprint).get(uid);
      if (!workload) throw new ConnectError(`nothing of yours has the UID ${uid} here`, Code.NotFound);
      if (workload.metadata.annotations?.[annotations.orphanedSince] === undefined) {
        throw new ConnectError("it is no orphan; delete its RemoteApp", Code.FailedPrecondition);
      }
      await deleteWorkload(deps.client, workload, context.signal);
      return {};
    },
  };
}
