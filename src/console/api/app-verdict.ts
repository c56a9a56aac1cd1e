/** What a peer answers when it is asked whether it would run an app. */
import { clone, type MessageInitShape, toJsonString } from "@bufbuild/protobuf";
import { errorText } from "../../base/error-text.ts";
import type { PeerVerdictSchema } from "../../gen/fairlead/console/v1/app_service_pb.ts";
import { type RemoteAppSpec, RemoteAppSpecSchema } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { WorkloadOrigin } from "../../workloads/origin/origin.ts";

export type Verdict = MessageInitShape<typeof PeerVerdictSchema>;

/** How long one peer has for its answer, in milliseconds. */
const withinMs = 10_000;

/** Never rejects because of the peer: one that does not answer is "Unknown", with why. */
export async function verdictOf(
  check: WorkloadOrigin["check"],
  { peer, spec, uid }: { peer: string; spec: RemoteAppSpec; uid: string | undefined },
  signal: AbortSignal,
): Promise<Verdict> {
  const wish = clone(RemoteAppSpecSchema, spec);
  delete wish.peer;
  try {
    const text = toJsonString(RemoteAppSpecSchema, wish);
    const answer = await check(peer, text, uid, AbortSignal.any([signal, AbortSignal.timeout(withinMs)]));
    const findings = answer.violations.map(({ field, rule, message, asked, allowed }) => {
      return { field, rule, message, asked, allowed };
    });
    return {
      peer,
      verdict: answer.admitted ? "Admitted" : answer.reason || "Denied",
      message: answer.message,
      findings,
    };
  } catch (error) {
    signal.throwIfAborted();
    return { peer, verdict: "Unknown", message: errorText(error), findings: [] };
  }
}
