/** What is said when the API server does not take a content: never its own words, where these could repeat the content. Pure. */
import type { Attachment, Refusal } from "../../intent/wish.ts";
import { KubeError } from "../../kube/errors.ts";

/** What a quota says, in words that have no room for anything else. */
const quotaWords =
  /exceeded quota: [a-z0-9.-]+, requested: [a-z0-9/.,=-]+, used: [a-z0-9/.,=-]+, limited: [a-z0-9/.,=-]+/;

/** The API server's refusal as an answer; throws what may pass, in words that repeat nothing. */
export function contentRefusal({ kind, name }: Attachment, error: unknown): Refusal {
  if (!(error instanceof KubeError) || error.status === 0) throw error;
  const { status } = error;
  const said = kind === "ConfigMap" ? error.message : saidOf(error);
  if (error.retryable() || status === 404 || status === 409) {
    // Without its cause, whose message may repeat what is secret.
    throw kind === "ConfigMap" ? error : new Error(`The host's cluster did not take the Secret ${name}: ${said}.`);
  }
  const what = status === 403 ? "does not let its agent store" : "refuses";
  const message = `The host's cluster ${what} the ${kind} ${name}: ${said}.`;
  const violations = [{ field: "", rule: "attachments", message }];
  return { reason: status === 403 ? "NotPermitted" : "Invalid", message, violations };
}

function saidOf({ status, reason, message, fields }: KubeError): string {
  const quota = quotaWords.exec(message)?.[0];
  const paths = fields.map(({ field }) => field).filter((field) => /^[a-zA-Z0-9.[\]_-]{1,300}$/.test(field));
  return [`${reason} (${status})`, ...paths, ...(quota ? [quota] : [])].join(", ");
}
