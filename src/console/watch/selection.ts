/** What a watch is of: what was asked for, and of that what its caller may see. Pure. */
import { parseLabelSelector, SelectorError } from "../../base/label-selector.ts";
import { type Topic, WatchRequestSchema, type WatchTopic } from "../../gen/fairlead/console/v1/watch_service_pb.ts";
import { brokenRule } from "../api/broken-rule.ts";
import type { Principal } from "../auth/principal.ts";
import { mayCall, sightOf } from "./sight.ts";
import { allTopics, hasSelector, methodOf, type Selector, topicName } from "./topics.ts";
import type { Selection } from "./watch-reader.ts";

/** One topic, or what of it is asked for. */
export type WatchedTopic = Pick<WatchTopic, "topic" | "name" | Selector>;

/** Each change is held against each of them, for each watch. */
const mostSelectors = 4;

/** None: everything that they may see. Throws INVALID_ARGUMENT for what cannot be selected, or not read, and for too many selectors. */
export function selectionOf(
  asked: readonly WatchedTopic[],
  principal: Principal | undefined,
  mostAtFirst: (topic: Topic) => number,
): Selection {
  if (asked.filter(({ labelSelector }) => labelSelector !== "").length > mostSelectors) {
    const message = `One watch selects ${mostSelectors} topics by labels at most.`;
    throw brokenRule(WatchRequestSchema, { path: "topics", rule: "watch.label_selectors", message });
  }
  const wanted = (asked.length > 0 ? asked : everything).map((one, index) => ({ ...one, wants: asking(one, index) }));
  const watched = wanted.filter(({ topic }) => mayCall(principal, methodOf(topic)).ok);
  const sights = new Map(watched.map(({ topic }) => [topic, sightOf(principal, topic)] as const));
  return {
    topics: new Set(sights.keys()),
    wants: (one, traits) => sights.get(one.topic)?.(traits) === true && watched.some(({ wants }) => wants(one, traits)),
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

const everything: readonly WatchedTopic[] = allTopics.map((topic) => {
  return { topic, namespace: "", peer: "", name: "", labelSelector: "" };
});

/** In the proto, and what things lack that cannot be asked for by it. */
const selectors: Readonly<Record<Selector, { readonly field: string; readonly lacking: string }>> = {
  namespace: { field: "namespace", lacking: "are in no namespace" },
  peer: { field: "peer", lacking: "have to do with no peer" },
  labelSelector: { field: "label_selector", lacking: "have no labels" },
};

const words: readonly Selector[] = ["namespace", "peer", "labelSelector"];

/** Throws INVALID_ARGUMENT for a selector that the topic has not, or that cannot be read. */
function asking(asked: WatchedTopic, index: number): Selection["wants"] {
  const { topic, namespace, peer, name, labelSelector } = asked;
  for (const word of words) {
    if (asked[word] === "" || hasSelector(topic, word)) continue;
    const { field, lacking } = selectors[word];
    const message = `Things of ${topicName(topic)} ${lacking}, so nothing would be told. Leave it empty.`;
    throw brokenRule(WatchRequestSchema, { path: `topics[${index}].${field}`, rule: `watch.${field}`, message });
  }
  const selects = selectorOf(labelSelector, index);
  return (one, { about, labels = {} }) =>
    topic === one.topic &&
    (namespace === "" || namespace === one.namespace) &&
    (name === "" || name === one.name) &&
    (peer === "" || about.includes(peer)) &&
    selects(labels);
}

function selectorOf(text: string, index: number): (labels: Readonly<Record<string, string>>) => boolean {
  try {
    return parseLabelSelector(text);
  } catch (cause) {
    if (!(cause instanceof SelectorError)) throw cause;
    const { message } = cause;
    const path = `topics[${index}].label_selector`;
    throw brokenRule(WatchRequestSchema, { path, rule: "watch.label_selector", message, cause });
  }
}
