/**
 * Whether an app that a peer asks for may run here. Pure: the same request under the same rules gets the same answer. Each
 * rule looks at the whole and speaks for itself, so that an answer names everything that is wrong at once.
 */
import type { RemoteAppSpec } from "../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { Demand } from "./demand.ts";
import type { EffectivePolicy } from "./effective-policy.ts";
import { missingGrant } from "./grants.ts";
import type { ImageSet, Usage } from "./usage.ts";

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
  /** Of the peer's other running apps, normalised. */
  readonly knownImages: ImageSet;
  /** What this very app runs now; undefined when nothing of it runs. */
  readonly running?: RemoteAppSpec | undefined;
  readonly decision?: AdmissionDecision | undefined;
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

/** `findings` names every rule that spoke, and is empty exactly when the verdict is "admit". */
export interface Verdict {
  readonly decision: "admit" | "hold" | "deny";
  readonly findings: readonly Finding[];
  /** When the passing of time alone changes it, in milliseconds since 1970. */
  readonly until?: number;
  /** What a person here had to say. */
  readonly message?: string;
}

/** A rule says nothing when it has nothing against the request. */
type Rule = (request: AdmissionRequest, context: AdmissionContext) => readonly Finding[];

const denials: readonly Rule[] = [mayRunApps];

export function admit(request: AdmissionRequest, context: AdmissionContext): Verdict {
  const findings = denials.flatMap((rule) => rule(request, context));
  return { decision: findings.length > 0 ? "deny" : "admit", findings };
}

function mayRunApps(_request: AdmissionRequest, { peer, grants }: AdmissionContext): readonly Finding[] {
  if (grants.includes("apps")) return [];
  return [{ rule: "grants/apps", field: "", message: missingGrant(peer, "apps") }];
}
