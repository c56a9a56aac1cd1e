/** What a peer answers when it is asked whether it would run an app. */
import { clone, type MessageInitShape, toJsonString } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { abortable, startDeadline } from "../../base/abort.ts";
import type { Clock } from "../../base/clock.ts";
import { errorText } from "../../base/error-text.ts";
import type { PeerVerdictSchema } from "../../gen/fairlead/console/v1/app_service_pb.ts";
import { type RemoteAppSpec, RemoteAppSpecSchema } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { WorkloadOrigin } from "../../workloads/origin/origin.ts";

export type Verdict = MessageInitShape<typeof PeerVerdictSchema>;

/** How long one peer has for its answer, in milliseconds. Others do not wait for it: all are asked at once. */
const withinMs = 5_000;

/** Never rejects because of the peer: one that does not answer is "Unknown", with why. */
export async function verdictOf(
  { check, clock }: { readonly check: WorkloadOrigin["check"]; readonly clock: Clock },
  { peer, spec, uid }: { peer: string; spec: RemoteAppSpec; uid: string | undefined },
  signal: AbortSignal,
): Promise<Verdict> {
  const wish = clone(RemoteAppSpecSchema, spec);
  delete wish.peer;
  const tooLate = (): Error => new Error(`it did not answer within ${withinMs / 1000} s`);
  const deadline = startDeadline(clock, withinMs, tooLate, signal);
  try {
    const text = toJsonString(RemoteAppSpecSchema, wish);
    const answer = await abortable(check(peer, text, uid, deadline.signal), deadline.signal);
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
    const reason: unknown = deadline.signal.aborted ? deadline.signal.reason : error;
    return { peer, verdict: "Unknown", message: whyNoAnswer(reason), findings: [] };
  } finally {
    deadline.cancel();
  }
}

function whyNoAnswer(error: unknown): string {
  if (!(error instanceof ConnectError)) return errorText(error);
  if (error.code === Code.Unimplemented) return "its agent is of a version that cannot be asked; deploying tells";
  return error.rawMessage;
}
