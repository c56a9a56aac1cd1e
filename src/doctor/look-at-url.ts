import type { Finding } from "../gen/fairlead/console/v1/doctor_service_pb.ts";
import { type ProbeDeps, type ProbeTarget, probeWay } from "../link/probe/probe.ts";
import { toFinding } from "./finding.ts";
import { judgeWay } from "./judge-way.ts";

/** Goes the way to an agent's door from this process and says what it finds, as it finds it. Rejects only with the signal's reason. */
export async function* lookAtUrl(
  deps: ProbeDeps,
  subject: string,
  to: ProbeTarget,
  signal: AbortSignal,
): AsyncGenerator<Finding, void, undefined> {
  for await (const seen of probeWay(deps, to, signal)) {
    for (const verdict of judgeWay(seen, deps.clock.now())) yield toFinding(subject, verdict);
  }
}
