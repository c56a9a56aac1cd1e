/** What happened, as lines of one timeline: entries of the audit, and Events of an app. Pure. */
import type { AuditEntry } from "../../../src/gen/fairlead/console/v1/audit_service_pb.ts";
import type { AppEvent } from "../../../src/gen/fairlead/resources/v1alpha1/app_pod_pb.ts";
import { deedOf } from "./deeds.ts";
import type { Tone } from "./tone.ts";

/** Read from left to right it is a sentence: "ana deployed shop/web", and why or how. */
export interface StoryLine {
  readonly key: string;
  readonly at: string;
  readonly tone: Tone;
  /** A person, a peer, or what an Event is about. */
  readonly who: string;
  readonly did: string;
  readonly target: string;
  readonly detail: string;
}

export function lineOfEntry(entry: AuditEntry): StoryLine {
  const { sequence, at, verdict, target, message } = entry;
  const { who, did, hasTarget } = deedOf(entry);
  const shown = hasTarget && target !== who ? target : "";
  return { key: String(sequence), at, tone: toneOfVerdict(verdict), who, did, target: shown, detail: message };
}

export function lineOfEvent(event: AppEvent): StoryLine {
  const { type = "", reason = "", message = "", object = "", count = 1, lastAt = "" } = event;
  return {
    key: `${lastAt} ${object} ${reason}`,
    at: lastAt,
    tone: type === "Warning" ? "degraded" : "ok",
    who: count > 1 ? `${reason} × ${count}` : reason,
    did: "",
    target: object,
    detail: message,
  };
}

/** The latest first. */
export function latestFirst(lines: readonly StoryLine[], most: number): StoryLine[] {
  return [...lines].sort((a, b) => Date.parse(b.at) - Date.parse(a.at)).slice(0, most);
}

function toneOfVerdict(verdict: string): Tone {
  if (verdict === "denied" || verdict === "failed") return "failed";
  return verdict === "held" ? "held" : "ok";
}
