/** The head of an app's answer, as the door gives it to the client. */
import { type IncomingMessage, STATUS_CODES } from "node:http";
import { type ClientResponse, sendHead } from "./client-side.ts";
import { pairs, responseHeaders, responseRules } from "./headers.ts";
import type { Passage } from "./passage.ts";

/**
 * Sends status and headers at once, so that a stream of events begins when the app says so. False for an answer that
 * Node's client has let through and its server refuses to write, such as a status of 42, and for a switch of protocols that is
 * none: a proxy before this door would take its connection for a tunnel. Nothing was sent then.
 */
export function beginAnswer(
  answer: Pick<IncomingMessage, "statusCode" | "statusMessage" | "rawHeaders">,
  res: ClientResponse,
  passage: Passage,
  ends = false,
): boolean {
  const status = answer.statusCode ?? 0;
  if (status < 200) return false;
  const headers = withAdded(responseHeaders(answer.rawHeaders, responseRules(passage)), passage.answerHeaders ?? []);
  try {
    sendHead(res, { status, message: answer.statusMessage || (STATUS_CODES[status] ?? ""), headers, ends });
  } catch {
    return false;
  }
  return true;
}

/** Of `nosniff` there is one, or HTTP/2 has no such answer; of policies for a page all count. */
function withAdded(headers: readonly string[], added: readonly string[]): string[] {
  const isOnce = added.includes("X-Content-Type-Options");
  const kept = pairs(headers).filter(([name]) => !(isOnce && name.toLowerCase() === "x-content-type-options"));
  return [...kept.flat(), ...added];
}
