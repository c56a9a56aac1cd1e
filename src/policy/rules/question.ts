/** What a rule is asked, and what it may answer. */
import type { RemoteAppSpec } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { Demand } from "../demand.ts";
import type { EffectivePolicy } from "../effective-policy.ts";
import type { ImageSet, Usage } from "../usage.ts";

/** What is asked. */
export interface AdmissionRequest {
  readonly app: RemoteAppSpec;
  /** Of that app, under the policy of the context. */
  readonly demand: Demand;
}

/** A person's word about a wish. */
export interface AdmissionDecision {
  /** Of the spec that the person saw. */
  readonly hash: string;
  readonly verdict: "Approved" | "Denied";
  /** For the peer. */
  readonly message?: string | undefined;
  /** Milliseconds since 1970; for ever when it is missing. */
  readonly until?: number | undefined;
}

export interface RunningApp {
  readonly app: RemoteAppSpec;
  /** Of that spec (spec-hash.ts). */
  readonly hash: string;
}

/** What is so here, for the peer that asks. */
export interface AdmissionContext {
  /** Our name for the peer. */
  readonly peer: string;
  /** What the peer may do here at all, before any policy. */
  readonly grants: readonly string[];
  readonly policy: EffectivePolicy;
  /** What the peer's other apps ask for. */
  readonly usage: Usage;
  /** What all other apps of all peers ask for. */
  readonly totalUsage: Usage;
  /** Of the peer's other running apps, normalised; without those that run by an approval which ends. */
  readonly knownImages: ImageSet;
  /** What this very app runs now; undefined when nothing of it runs. */
  readonly running?: RunningApp | undefined;
  /** That it runs by an approval which ends. */
  readonly isRunningBounded?: boolean | undefined;
  readonly decision?: AdmissionDecision | undefined;
  /** That this cluster's nodes can pull what peers bring along. */
  readonly hasImageDoor: boolean;
  /** Of the app that is asked for (spec-hash.ts). */
  readonly hash: string;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** What one rule has to say against a request. */
export interface Finding {
  /** Names the rule for programs, e.g. `grants/apps`. */
  readonly rule: string;
  /** Path in the spec; empty when it is about the whole. */
  readonly field: string;
  /** What is wrong, and who can do what about it. */
  readonly message: string;
  /** The value that is asked for and the one that is allowed, where the rule compares values. */
  readonly asked?: string;
  readonly allowed?: string;
}

/** What there is to know for a rule. */
export interface Question extends AdmissionRequest {
  readonly context: AdmissionContext;
  /** What this very app asks for as it runs now, under the present policy; undefined when nothing of it runs. */
  readonly runningDemand: Demand | undefined;
  /** It runs already, exactly so. */
  readonly isUnchanged: boolean;
}

/** Says nothing when it has nothing against the request. */
export type Rule = (question: Question) => readonly Finding[];
