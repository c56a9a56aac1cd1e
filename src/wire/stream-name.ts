import type { Session } from "./session.ts";

/**
 * A stream as the records of both ends name it, such as "stream:1a2b3c4d/7": the beginning of the session's id, which both
 * have from the Hellos, and the stream's number in it. No request says it, so that nobody can give theirs another's name.
 */
export function streamName(session: Pick<Session, "id">, stream: number): string {
  return `stream:${Buffer.from(session.id.subarray(0, 4)).toString("hex")}/${stream}`;
}
