/**
 * Whether an app that a peer asks for may run here. Pure: the same request under the same rules gets the same answer. Each
 * rule looks at the whole and speaks for itself, so that a refusal names everything that is wrong at once.
 */
import type { RemoteAppSpec } from "../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { missingGrant } from "./grants.ts";

/** What is asked. */
export interface AdmissionRequest {
  readonly app: RemoteAppSpec;
}

/** What is so here, for the peer that asks. */
export interface AdmissionContext {
  /** Our name for the peer. */
  readonly peer: string;
  /** What the peer may do here at all, before any policy. */
  readonly grants: readonly string[];
}

/** What one rule has to say against a request. */
export interface Finding {
  /** Names the rule for programs, e.g. `grants/apps`. */
  readonly rule: string;
  /** Path in the spec; empty when it is about the whole. */
  readonly field: string;
  /** What is wrong, and who can do what about it. */
  readonly message: string;
}

/** `findings` names every rule that spoke, and is empty exactly when the verdict is "admit". */
export interface Verdict {
  readonly decision: "admit" | "hold" | "deny";
  readonly findings: readonly Finding[];
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
