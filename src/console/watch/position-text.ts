/** A watch's position as text that a client keeps: it says of which log, of what watch, and seen by whom. Pure. */
import { createHash } from "node:crypto";
import { Reset_Reason as Reason } from "../../gen/fairlead/console/v1/watch_service_pb.ts";
import type { Position } from "./watch-reader.ts";

/** What a position stands for, beside its numbers. */
export interface PositionOf {
  /** Of the log. */
  readonly instance: string;
  /** What is watched, in any form that is the same for the same. */
  readonly topics: string;
  /** What its caller may see, likewise. */
  readonly access: string;
}

/** One function for a watch: the numbers are all that changes in it. */
export function positionWriter({ instance, topics, access }: PositionOf): (position: Position) => string {
  const scope = `${instance}.${digest(topics)}.${digest(access)}`;
  return ({ settled, read }) => `${scope}.${settled.toString(36)}${read === settled ? "" : `.${read.toString(36)}`}`;
}

const form =
  /^(?<instance>[\w-]{1,32})\.(?<topics>[\w-]{12})\.(?<access>[\w-]{12})\.(?<settled>[0-9a-z]{1,10})(?:\.(?<read>[0-9a-z]{1,10}))?$/;

/** Or why nothing goes on there. */
export function readPosition(text: string, of: PositionOf): Position | Reason {
  const { instance, topics, access, settled = "", read = settled } = form.exec(text)?.groups ?? {};
  if (instance !== of.instance) return Reason.OTHER_INSTANCE;
  if (topics !== digest(of.topics)) return Reason.OTHER_TOPICS;
  if (access !== digest(of.access)) return Reason.OTHER_ACCESS;
  const position = { settled: Number.parseInt(settled, 36), read: Number.parseInt(read, 36) };
  return position.settled <= position.read ? position : Reason.OTHER_INSTANCE;
}

/** Short: nothing is proven by it, and who forges one sees what they may see anyway. */
function digest(text: string): string {
  return createHash("sha256").update(text).digest("base64url").slice(0, 12);
}
