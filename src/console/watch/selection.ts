/** What a watch is of: what was asked for, and of that what its caller may see. Pure. */
import { Code, ConnectError } from "@connectrpc/connect";
import { parseLabelSelector, SelectorError } from "../../base/label-selector.ts";
import type { Topic, WatchTopic } from "../../gen/fairlead/console/v1/watch_service_pb.ts";
import type { Principal } from "../auth/principal.ts";
import { allTopics, mayCall, methodOf, sightOf } from "./sight.ts";
import type { Selection } from "./watch-reader.ts";

/** One topic, or what of it is asked for. */
export type WatchedTopic = Pick<WatchTopic, "topic" | "namespace" | "peer" | "name" | "labelSelector">;

/** Each change is held against each of them, for each watch. */
const mostSelectors = 4;

/** None: everything that they may see. Throws INVALID_ARGUMENT for a selector that cannot be read, and for too many of them. */
export function selectionOf(
  asked: readonly WatchedTopic[],
  principal: Principal | undefined,
  mostAtFirst: (topic: Topic) => number,
): Selection {
  if (asked.filter(({ labelSelector }) => labelSelector !== "").length > mostSelectors) {
    throw new ConnectError(`One watch selects ${mostSelectors} topics by labels at most.`, Code.InvalidArgument);
  }
  const whole = allTopics.map((topic) => ({ ...everything, topic }));
  const watched = (asked.length > 0 ? asked : whole).filter(({ topic }) => mayCall(principal, methodOf(topic)).ok);
  const sights = new Map(watched.map(({ topic }) => [topic, sightOf(principal, topic)] as const));
  const wanted = watched.map(asking);
  return {
    topics: new Set(sights.keys()),
    wants: (one, traits) =>
      sights.get(one.topic)?.(traits.peers) === true && wanted.some((wants) => wants(one, traits)),
    mostAtFirst,
  };
}

/** The same for what asks for the same. */
export function askedText(asked: readonly WatchedTopic[]): string {
  const texts = asked.map(({ topic, namespace, peer, name, labelSelector }) =>
    JSON.stringify([topic, namespace, peer, name, labelSelector]),
  );
  return texts.sort().join();
}

const everything = { namespace: "", peer: "", name: "", labelSelector: "" };

/** Throws INVALID_ARGUMENT for a selector that cannot be read. */
function asking({ topic, namespace, peer, name, labelSelector }: WatchedTopic): Selection["wants"] {
  const selects = selectorOf(labelSelector);
  return (one, { peers, labels = {} }) =>
    topic === one.topic &&
    (namespace === "" || namespace === one.namespace) &&
    (name === "" || name === one.name) &&
    (peer === "" || peers.includes(peer)) &&
    selects(labels);
}

function selectorOf(text: string): (labels: Readonly<Record<string, string>>) => boolean {
  try {
    return parseLabelSelector(text);
  } catch (error) {
    if (!(error instanceof SelectorError)) throw error;
    throw new ConnectError(error.message, Code.InvalidArgument, undefined, undefined, error);
  }
}
