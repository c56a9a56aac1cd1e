/** Changes as they come, for as long as a command goes on: over connections that break, as every `--watch` has them. */
import { create, equals, type MessageInitShape } from "@bufbuild/protobuf";
import { type Followed, followChanges } from "../client/follow.ts";
import type { FairleadClient } from "../client/index.ts";
import { type Change, ChangeSchema, type WatchTopicSchema } from "../gen/fairlead/console/v1/watch_service_pb.ts";
import { plain } from "./table.ts";

/** Whom a watch is for. */
export interface Watcher {
  readonly client: Pick<FairleadClient, "watch">;
  /** Ends it. */
  readonly signal: AbortSignal;
  /** Writes a line that is no part of what is watched. */
  say(line: string): void;
}

type Topics = MessageInitShape<typeof WatchTopicSchema>[];
type News = Extract<Followed, { kind: "news" }>;

/**
 * What happens in these topics; of none: in all that the caller may see. That the connection is lost is said, and that it is back. Throws
 * when the agent was never reached or refuses, and the signal's reason.
 */
export async function* follow({ client, signal, say }: Watcher, topics: Topics): AsyncGenerator<News, void, undefined> {
  let touch: "none" | "lost" | "held" = "none";
  for await (const told of followChanges(client.watch, topics, { signal })) {
    if (told.kind === "news") {
      if (touch === "lost") say("in touch with the agent again\n");
      touch = "held";
      yield told;
    } else if (touch === "none") throw told.error;
    else if (touch === "held") {
      touch = "lost";
      say(`lost touch with the agent, and trying again: ${plain(told.error.rawMessage)}\n`);
    }
  }
  signal.throwIfAborted();
}

/** Each change of a topic one by one, and each time that all there is has been told. What is told anew and was known as it is comes once. */
export async function* followTopic(
  watcher: Watcher,
  topic: Topics[number],
): AsyncGenerator<Change | "synced", void, undefined> {
  const known = new Map<string, Change>();
  /** What has not been told again since the agent began anew. */
  const old = new Set<string>();
  for await (const { beginsAnew, changes, isSynced } of follow(watcher, [topic])) {
    if (beginsAnew) for (const key of known.keys()) old.add(key);
    for (const change of changes) {
      const key = `${change.namespace}/${change.name}`;
      const before = known.get(key);
      const wasOld = old.delete(key);
      if (change.gone) known.delete(key);
      else known.set(key, change);
      if (!wasOld || !before || !isSame(before, change)) yield change;
    }
    if (!isSynced) continue;
    for (const key of old) {
      const before = known.get(key);
      known.delete(key);
      if (before) yield create(ChangeSchema, { ...before, now: { case: undefined }, gone: true });
    }
    old.clear();
    yield "synced";
  }
}

/** Another agent counts its changes by other numbers. */
function isSame(a: Change, b: Change): boolean {
  return equals(ChangeSchema, { ...a, number: 0n }, { ...b, number: 0n });
}
