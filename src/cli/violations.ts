/** What validation at the agent found wrong with a request, in the words of manifests. Pure. */
import type { ExplainedError, FieldViolation } from "../client/explain.ts";

/** One mistake a line, as in "spec.ports[0].containerPort: must be …"; undefined when the error is about something else. */
export function explainViolations({ violations }: Pick<ExplainedError, "violations">): string | undefined {
  const lines = violations.map((violation) =>
    [pathOf(violation), wordsOf(violation.message)].filter(Boolean).join(": "),
  );
  return lines.length > 0 ? lines.join("\n") : undefined;
}

/** A pattern is for programs; those that people meet daily are told in words. */
function wordsOf(message: string): string {
  const pattern = /^does not match regex pattern `(.*)`$/s.exec(message)?.[1];
  if (pattern === undefined) return message || "is wrong";
  if (pattern === "^\\S+$") return "must have no space in it";
  if (/^\^\[a-z0-9\]/.test(pattern) && !/[A-Z_]/.test(pattern)) {
    return `must be small letters, digits and "-", with a letter or digit at both ends${pattern.includes(".]") || pattern.includes("\\.") ? '; "." may stand between' : ""}`;
  }
  return message;
}

/** The request calls the object's names a reference; in a manifest they are its metadata. */
function pathOf({ field }: FieldViolation): string {
  return field.replace(/^ref(?=\.|$)/, "metadata");
}
