/** Goes the way to a peer's door, or to that of who made an invite, and says of each step how long it took and what it means. */
import type { Clock } from "../base/clock.ts";
import type { Finding } from "../gen/fairlead/console/v1/doctor_service_pb.ts";
import { type ProbeDeps, type ProbeTarget, probeWay } from "../link/probe/probe.ts";
import { toFinding } from "./finding.ts";
import { judgeWay } from "./judge-way.ts";

/** What was seen of one step. */
export interface TestedStep {
  readonly url: string;
  /** Of the step, in milliseconds. A step that is judged twice took no time the second time. */
  readonly tookMs: number;
  readonly finding: Finding;
}

/** Goes to each in turn, until one is reached. Rejects only with the signal's reason. */
export async function* testConnection(
  deps: ProbeDeps & { readonly clock: Clock },
  subject: string,
  targets: readonly ProbeTarget[],
  signal: AbortSignal,
): AsyncGenerator<TestedStep, void, undefined> {
  for (const target of targets) {
    let begunAt = deps.clock.monotonic();
    let isReached = false;
    for await (const seen of probeWay(deps, target, signal)) {
      let tookMs = deps.clock.monotonic() - begunAt;
      isReached = seen.step === "agent" && seen.error === undefined;
      for (const verdict of judgeWay(seen, deps.clock.now())) {
        yield { url: target.url, tookMs, finding: toFinding(subject, verdict) };
        tookMs = 0;
      }
      // Whoever reads slowly costs the next step no time.
      begunAt = deps.clock.monotonic();
    }
    if (isReached) return;
  }
}
