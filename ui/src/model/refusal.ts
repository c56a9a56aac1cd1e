/** What a failed call says to a person: what happened, why, and what to do. Pure. */
import { Code, explainError } from "../../../src/client/browser.ts";

export interface Refusal {
  /** In a few words. */
  readonly title: string;
  readonly detail: string;
  /** What to do; empty when that is not known. */
  readonly remedy: string;
  /** Nobody is signed in any more. */
  readonly isSignedOut: boolean;
  readonly isWorthRetrying: boolean;
}

/** `deed` is what was tried, as in "delete shop/web". */
export function toRefusal(error: unknown, deed: string): Refusal {
  const { code, message, violations, missing, isWorthRetrying, retryAfter } = explainError(error);
  const isSignedOut = code === Code.Unauthenticated;
  const common = { isSignedOut, isWorthRetrying };
  if (missing) {
    return { ...common, title: `You may not ${deed}`, detail: message, remedy: askOf(missing.givenBy) };
  }
  if (violations.length > 0) {
    const rules = violations.map(({ field, message: rule }) => (field === "" ? rule : `${field}: ${rule}`));
    return { ...common, title: `Could not ${deed}`, detail: rules.join("; "), remedy: "" };
  }
  if (code === Code.Unavailable) {
    const remedy = "It may pass by itself. Try again in a moment.";
    return { ...common, title: `Could not ${deed}`, detail: message, remedy };
  }
  const wait = retryAfter === undefined ? "" : `Try again in ${Math.ceil(retryAfter)} s.`;
  return { ...common, title: `Could not ${deed}`, detail: message, remedy: wait };
}

function askOf(givenBy: readonly string[]): string {
  return givenBy.length === 0 ? "" : `Who can give it: ${givenBy.join(", ")}.`;
}
