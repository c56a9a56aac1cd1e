/** The head of an app's answer, as the door gives it to the client. */
import { type IncomingMessage, STATUS_CODES } from "node:http";
import { type ClientResponse, sendHead } from "./client-side.ts";
import { responseHeaders, responseRules } from "./headers.ts";
import type { Passage } from "./passage.ts";

/**
 * Sends status and headers at once, so that a stream of events begins when the app says so. False for an answer that
 * Node's client has let through and its server refuses to write, such as a status of 42; nothing was sent then.
 */
export function beginAnswer(
  answer: Pick<IncomingMessage, "statusCode" | "statusMessage" | "rawHeaders">,
  res: ClientResponse,
  passage: Passage,
  ends = false,
): boolean {
  const headers = [...responseHeaders(answer.rawHeaders, responseRules(passage)), ...(passage.answerHeaders ?? [])];
  const status = answer.statusCode ?? 0;
  try {
    sendHead(res, { status, message: answer.statusMessage || (STATUS_CODES[status] ?? ""), headers, ends });
  } catch {
    return false;
  }
  return true;
}
