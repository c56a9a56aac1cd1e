/** News of a watch as server-sent events: JSON of the same messages. Pure. */
import { create, toJsonString } from "@bufbuild/protobuf";
import { ResetSchema } from "../../gen/fairlead/console/v1/watch_service_pb.ts";
import { resetText } from "./reset-text.ts";
import type { News } from "./watch.ts";

/** What a client does when its connection is lost, in milliseconds. */
const retryMs = 2_000;

/** So that the client knows of the answer before anything has happened. */
export const firstWords = `retry: ${retryMs}\n\n`;

/**
 * `event: reset`, then an `event: change` each, then `event: synced`. The `id` of each is where the watch is after it, and empty while
 * there is no going on from there.
 */
export function eventsOf({ reset, changes, isSynced, resume }: News): string {
  const texts: string[] = [];
  if (reset !== undefined) {
    const message = create(ResetSchema, { reason: reset, message: resetText(reset) });
    texts.push(`event: reset\nid: \ndata: ${toJsonString(ResetSchema, message)}\n\n`);
  }
  for (const { one, gone, resume: after } of changes) {
    texts.push(`event: change\nid: ${after}\ndata: ${one.json(gone)}\n\n`);
  }
  if (isSynced) texts.push(`event: synced\nid: ${resume}\ndata: {}\n\n`);
  // An event without data is told to nobody, and its id counts.
  if (texts.length === 0) texts.push(resume === "" ? ":\n\n" : `:\nid: ${resume}\n\n`);
  return texts.join("");
}

/** The last of an answer that the agent ends. */
export function lastWords(code: string, message: string): string {
  return `event: end\ndata: ${JSON.stringify({ code, message })}\n\n`;
}
