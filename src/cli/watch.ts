/** What `--watch` prints: what is there now, then each change, until Ctrl-C. */
import type { App } from "../gen/fairlead/console/v1/app_service_pb.ts";
import { type InboxItem, InboxItem_State } from "../gen/fairlead/console/v1/inbox_service_pb.ts";
import type { Notification } from "../gen/fairlead/console/v1/notification_service_pb.ts";
import type { Peer } from "../gen/fairlead/console/v1/peer_service_pb.ts";
import { Topic } from "../gen/fairlead/console/v1/watch_service_pb.ts";
import type { Terminal } from "./context.ts";
import { followTopic, type Watcher } from "./follow.ts";
import { createWatchPrinter, type Format, type View } from "./output.ts";

/** One thing that a watch heard. */
export type Heard<T> =
  | { readonly kind: "now"; readonly item: T }
  | { readonly kind: "gone"; readonly name: string }
  /** All that was there at the start, or since the agent was lost, has been told. */
  | { readonly kind: "synced" };

/** Apps of a namespace, of all when it is empty, or one of them. */
export async function* watchApps(
  watcher: Watcher,
  wanted: { readonly namespace: string; readonly name?: string; readonly labelSelector?: string },
): AsyncGenerator<Heard<App>, void, undefined> {
  for await (const heard of followTopic(watcher, { topic: Topic.APPS, ...wanted })) {
    if (heard === "synced") yield { kind: "synced" };
    else if (heard.now.case === "app") yield { kind: "now", item: heard.now.value };
    else if (heard.gone) {
      yield { kind: "gone", name: wanted.namespace === "" ? `${heard.namespace}/${heard.name}` : heard.name };
    }
  }
}

/** All peers, or those with these labels. */
export async function* watchPeers(
  watcher: Watcher,
  labelSelector: string,
): AsyncGenerator<Heard<Peer>, void, undefined> {
  for await (const heard of followTopic(watcher, { topic: Topic.PEERS, labelSelector })) {
    if (heard === "synced") yield { kind: "synced" };
    else if (heard.now.case === "peer") yield { kind: "now", item: heard.now.value };
    else if (heard.gone) yield { kind: "gone", name: heard.name };
  }
}

/** What peers ask for: what waits, and what becomes of it; with `decided` also what was decided before. */
export async function* watchInbox(
  watcher: Watcher,
  { peer, decided }: { readonly peer: string; readonly decided: boolean },
): AsyncGenerator<Heard<InboxItem>, void, undefined> {
  const told = new Set<string>();
  for await (const heard of followTopic(watcher, { topic: Topic.INBOX, peer })) {
    if (heard === "synced") yield { kind: "synced" };
    else if (heard.now.case === "inboxItem") {
      const item = heard.now.value;
      const isNew = item.state === InboxItem_State.HELD || decided;
      if (!isNew && !told.has(item.name)) continue;
      told.add(item.name);
      yield { kind: "now", item };
    } else if (heard.gone && told.delete(heard.name)) yield { kind: "gone", name: heard.name };
  }
}

/** What needs somebody: what this one has not acknowledged, or all unless one is named, and what becomes of it. */
export async function* watchNotifications(
  watcher: Watcher,
  { notOf, living }: { readonly notOf: string | undefined; readonly living: boolean },
): AsyncGenerator<Heard<Notification>, void, undefined> {
  const told = new Set<string>();
  for await (const heard of followTopic(watcher, { topic: Topic.NOTIFICATIONS })) {
    if (heard === "synced") yield { kind: "synced" };
    else if (heard.now.case === "notification") {
      const item = heard.now.value;
      const isNew = !item.acknowledged.some(({ name }) => name === notOf) && (!living || item.resolvedAt === "");
      if (!isNew && !told.has(item.id)) continue;
      told.add(item.id);
      yield { kind: "now", item };
    } else if (heard.gone && told.delete(heard.name)) yield { kind: "gone", name: heard.name };
  }
}

/** Prints what is heard; `untilGone` ends it with the first thing that goes. */
export async function printWatch<T>(
  terminal: Terminal,
  heard: AsyncIterable<Heard<T>>,
  options: { view: () => View<T>; format: Format; untilGone?: boolean },
): Promise<void> {
  const printer = createWatchPrinter(terminal, options.view, options.format);
  let first: T[] | undefined = [];
  for await (const event of heard) {
    if (event.kind === "synced" && first) {
      if (first.length === 0) terminal.err(`${options.view().empty}\n`);
      await printer.print(first.sort((a, b) => options.view().name(a).localeCompare(options.view().name(b))));
      first = undefined;
    } else if (event.kind === "now") {
      if (first) first.push(event.item);
      else await printer.print([event.item]);
    } else if (event.kind === "gone") {
      terminal.err(`${event.name} is gone\n`);
      if (options.untilGone) return;
    }
  }
}
