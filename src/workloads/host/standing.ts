/**
 * How a Workload stands with the rules: what is decided about what is asked for, and what may run. Pure. There is one such
 * question for every change: a wish that comes, an edit, a scaling, a person's word, a policy or a grant that changes, and
 * time that passes.
 */
import { create } from "@bufbuild/protobuf";
import { type RemoteAppSpec, RemoteAppSpecSchema } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { Workload } from "../../kube/resources.ts";
import type { Finding, RunningApp, Verdict } from "../../policy/admission.ts";
import { type CountedDecision, decisionAbout, endOfApproval, hasLapsed } from "./approval.ts";

export interface Standing {
  /** Of `spec.app`, by which a person's decision names it. */
  readonly hash: string;
  /** About `spec.app`. */
  readonly verdict: Verdict;
  /** The decision that was made about `spec.app`, whether it still counts or not. */
  readonly decision?: CountedDecision;
  /** What was admitted: `spec.app` when that is, else what was admitted before it; undefined when nothing ever was. */
  readonly admitted?: RemoteAppSpec;
  /** `admitted` is not yet what `spec.running` says. */
  readonly isNew: boolean;
  /** What is asked for is what was admitted before. */
  readonly isSame: boolean;
  /** What was admitted may not run now. */
  readonly isStopped: boolean;
  /** What is wrong with what was admitted; empty when it conforms. */
  readonly violations: readonly Finding[];
  /** When the passing of time alone may change any of it, milliseconds since 1970. */
  readonly until?: number;
}

/** One question to the rules. */
export interface Question {
  readonly app: RemoteAppSpec;
  readonly hash: string;
  /** What of this very Workload counts as running; an approval that has ended leaves nothing. */
  readonly running: RunningApp | undefined;
  /** It runs by an approval that ends. */
  readonly isRunningBounded: boolean;
  readonly decision: CountedDecision | undefined;
}

export interface Rules {
  judge(question: Question): Verdict;
  /** Names a spec by what it says (spec-hash.ts). */
  hashOf(app: RemoteAppSpec): string;
  readonly whenViolated: "Keep" | "Stop";
}

export function standingOf(workload: Pick<Workload, "metadata" | "spec">, rules: Rules, now: number): Standing {
  const { app = create(RemoteAppSpecSchema) } = workload.spec;
  const hash = rules.hashOf(app);
  const before = standingOfRunning(workload, rules, now);
  const isSame = before?.hash === hash;
  const decision = decisionAbout(workload, hash);
  const running = { running: before?.counted, isRunningBounded: before?.endsAt !== undefined };
  const verdict = isSame ? before.verdict : rules.judge({ app, hash, ...running, decision });
  const asked = { hash, verdict, isSame, ...(decision ? { decision } : {}) };
  if (verdict.decision === "admit") {
    return { ...asked, admitted: app, isNew: !isSame, isStopped: false, violations: [], ...earliest(verdict.until) };
  }
  if (!before) return { ...asked, isNew: false, isStopped: false, violations: [], ...earliest(verdict.until) };
  return {
    ...asked,
    admitted: before.app,
    isNew: false,
    isStopped: before.isStopped,
    violations: before.verdict.findings,
    ...earliest(verdict.until, before.verdict.until, before.endsAt),
  };
}

interface RunningStanding {
  readonly app: RemoteAppSpec;
  readonly hash: string;
  readonly verdict: Verdict;
  readonly isStopped: boolean;
  /** What a change of it is measured by: nothing, when it is stopped. */
  readonly counted: RunningApp | undefined;
  /** When the approval ends by which it runs, of which no verdict speaks that goes against it. */
  readonly endsAt: number | undefined;
}

/** How that which was admitted last stands by itself, whatever is asked for now. */
function standingOfRunning(
  workload: Pick<Workload, "metadata" | "spec">,
  rules: Rules,
  now: number,
): RunningStanding | undefined {
  const app = workload.spec.running;
  if (!app) return undefined;
  const hash = rules.hashOf(app);
  const decision = decisionAbout(workload, hash);
  // What ran by an approval that has ended is judged as if it were asked for anew.
  const isLapsed = hasLapsed(decision, now);
  const endsAt = isLapsed ? undefined : endOfApproval(workload, hash);
  const running = { running: isLapsed ? undefined : { app, hash }, isRunningBounded: endsAt !== undefined };
  const verdict = rules.judge({ app, hash, ...running, decision });
  const mustStop = isLapsed || decision?.verdict === "Denied" || rules.whenViolated === "Stop";
  const isStopped = verdict.decision !== "admit" && mustStop;
  return { app, hash, verdict, isStopped, counted: isStopped ? undefined : { app, hash }, endsAt };
}

function earliest(...times: (number | undefined)[]): { until?: number } {
  const known = times.filter((time) => time !== undefined);
  return known.length > 0 ? { until: Math.min(...known) } : {};
}
