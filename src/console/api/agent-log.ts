/** The agent's own log, as the API shows it: filtered, and followed as fast as the caller reads. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  LogLineSchema,
  type ReadLogRequest,
  type ReadLogResponse,
  ReadLogResponseSchema,
} from "../../gen/fairlead/console/v1/agent_service_pb.ts";
import { isJsonObject } from "../../kube/object.ts";

/** What is kept of the log. A line is one JSON object. */
export interface KeptLog {
  after(sequence: number): readonly { readonly sequence: number; readonly text: string }[];
  beyond(sequence: number, signal: AbortSignal): Promise<void>;
}

type Wanted = Pick<ReadLogRequest, "level" | "follow" | "tail" | "contains">;

const levels: readonly string[] = ["debug", "info", "warn", "error"];

/** Ends with the last line that is kept, or with the signal's reason when it follows. */
export async function* readLog(
  log: KeptLog,
  { level, follow, tail, contains }: Wanted,
  signal: AbortSignal,
): AsyncGenerator<ReadLogResponse, void, undefined> {
  const least = levels.indexOf(level);
  const needle = contains.toLowerCase();
  const read = (one: { sequence: number; text: string }): ReturnType<typeof readLine>[] => {
    if (!one.text.toLowerCase().includes(needle)) return [];
    const line = readLine(one);
    return levels.indexOf(line.level ?? "") < least ? [] : [line];
  };
  const found = log.after(0);
  let last = found.at(-1)?.sequence ?? 0;
  const matching = found.flatMap(read);
  for (const line of tail > 0 ? matching.slice(-tail) : matching)
    yield tell({ case: "line", value: create(LogLineSchema, line) });
  while (follow) {
    await log.beyond(last, signal);
    const next = log.after(last);
    const missed = (next[0]?.sequence ?? last + 1) - last - 1;
    if (missed > 0) yield tell({ case: "missed", value: BigInt(missed) });
    // Before the yields: meanwhile later lines may overtake these.
    last = next.at(-1)?.sequence ?? last;
    for (const line of next.flatMap(read)) yield tell({ case: "line", value: create(LogLineSchema, line) });
  }
}

function tell(event: ReadLogResponse["event"]): ReadLogResponse {
  return create(ReadLogResponseSchema, { event });
}

/** What is no line of this agent's own, such as what a library prints, is its message. */
function readLine({ sequence, text }: { sequence: number; text: string }): MessageInitShape<typeof LogLineSchema> {
  const { level, time, msg, ...fields } = parse(text);
  return {
    sequence: BigInt(sequence),
    at: typeof time === "string" ? time : "",
    level: typeof level === "string" ? level : "info",
    message: typeof msg === "string" ? msg : text,
    fields: JSON.stringify(fields),
  };
}

function parse(text: string): ReturnType<typeof JSON.parse> {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : {};
  } catch {
    return {};
  }
}
