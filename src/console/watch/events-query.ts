/** What GET /events is asked for. Pure. */
import { create } from "@bufbuild/protobuf";
import { Topic, type WatchRequest, WatchRequestSchema } from "../../gen/fairlead/console/v1/watch_service_pb.ts";

/** By the word that stands for it in a query: "apps" for TOPIC_APPS. */
const topics: ReadonlyMap<string, Topic> = new Map(
  Object.entries(Topic)
    .filter(([, topic]) => topic !== Topic.UNSPECIFIED)
    .map(([name, topic]) => [name.toLowerCase(), topic] as const),
);

const words: readonly string[] = ["topics", "namespace", "peer", "name", "labelSelector", "resume"];

export type EventsQuery =
  | { readonly ok: true; readonly request: WatchRequest }
  | { readonly ok: false; readonly word: string; readonly message: string };

/** `lastEventId` is what the client was told last, if it was here before. */
export function readEventsQuery(url: string, lastEventId: string | undefined): EventsQuery {
  const at = url.indexOf("?");
  const query = new URLSearchParams(at < 0 ? "" : url.slice(at + 1));
  const foreign = [...query.keys()].find((key) => !words.includes(key));
  if (foreign !== undefined) {
    return {
      ok: false,
      word: foreign.slice(0, 40),
      message: `There is no "${foreign.slice(0, 40)}" here; there are ${words.join(", ")}.`,
    };
  }
  const twice = words.find((word) => query.getAll(word).length > 1);
  if (twice !== undefined) return { ok: false, word: twice, message: `"${twice}" stands there more than once.` };
  const one = (word: string): string => query.get(word) ?? "";
  const asked = one("topics")
    .split(",")
    .filter((word) => word !== "");
  const unknown = asked.find((word) => !topics.has(word));
  if (unknown !== undefined) {
    return {
      ok: false,
      word: "topics",
      message: `"${unknown.slice(0, 40)}" is no topic; there are ${[...topics.keys()].join(", ")}.`,
    };
  }
  const same = {
    namespace: one("namespace"),
    peer: one("peer"),
    name: one("name"),
    labelSelector: one("labelSelector"),
  };
  if (asked.length === 0 && Object.values(same).some((value) => value !== "")) {
    return { ok: false, word: "topics", message: "Name the topics of which this is wanted, as in topics=apps." };
  }
  const request = create(WatchRequestSchema, {
    topics: asked.map((word) => ({ ...same, topic: topics.get(word) ?? Topic.UNSPECIFIED })),
    resume: lastEventId ?? one("resume"),
  });
  return { ok: true, request };
}
