/** How things are, in the six tones that the console has for it, and the words for each. Pure. */

export type Tone = "ok" | "progressing" | "held" | "degraded" | "failed" | "unknown";

/** The worst first: in this order they are shown where the tone is what matters. */
export const tones: readonly Tone[] = ["failed", "degraded", "held", "unknown", "progressing", "ok"];

const ofPhases: Readonly<Record<string, Tone>> = {
  Ready: "ok",
  Pending: "progressing",
  Progressing: "progressing",
  Deleting: "progressing",
  Held: "held",
  Degraded: "degraded",
  Denied: "failed",
  Orphaned: "unknown",
  Unknown: "unknown",
};

/** An app's phase; one that this console does not know is shown as it is, and as unknown. */
export function toneOfPhase(phase: string): Tone {
  return ofPhases[phase] ?? "unknown";
}
