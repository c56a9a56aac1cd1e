/** The head of an app's answer, as the door gives it to the client. */
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import { responseHeaders, responseRules } from "./headers.ts";
import type { Passage } from "./passage.ts";

/** Interim answers that Node can write. One that it does not like is no reason to fail: they are hints. */
export function sendInformation(
  res: ServerResponse,
  info: { statusCode: number; headers: NodeJS.Dict<string | string[]> },
): void {
  if (res.headersSent) return;
  const { link } = info.headers;
  try {
    if (info.statusCode === 102) res.writeProcessing();
    if (info.statusCode === 103 && link !== undefined) res.writeEarlyHints({ link });
  } catch {
    // The link was malformed.
  }
}

/**
 * Sends status and headers at once, so that a stream of events begins when the app says so. False for an answer that
 * Node's client has let through and its server refuses to write, such as a status of 42; nothing was sent then.
 */
export function beginAnswer(
  answer: Pick<IncomingMessage, "statusCode" | "statusMessage" | "rawHeaders">,
  res: ServerResponse,
  passage: Passage,
): boolean {
  const headers = [...responseHeaders(answer.rawHeaders, responseRules(passage)), ...(passage.answerHeaders ?? [])];
  const status = answer.statusCode ?? 0;
  try {
    res.writeHead(status, answer.statusMessage || (STATUS_CODES[status] ?? ""), headers);
  } catch {
    return false;
  }
  res.flushHeaders();
  return true;
}
