/** What `--watch` prints: what is there now, then each change, until Ctrl-C. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { FairleadClient } from "../client/index.ts";
import type { App } from "../gen/fairlead/console/v1/app_service_pb.ts";
import { type InboxItem, InboxItem_State } from "../gen/fairlead/console/v1/inbox_service_pb.ts";
import type { Peer } from "../gen/fairlead/console/v1/peer_service_pb.ts";
import { type Change, Topic, type WatchTopicSchema } from "../gen/fairlead/console/v1/watch_service_pb.ts";
import type { Terminal } from "./context.ts";
import { CliError, exitCode } from "./errors.ts";
import { createWatchPrinter, type Format, type View } from "./output.ts";

/** One thing that a watch heard. */
export type Heard<T> =
  | { readonly kind: "now"; readonly item: T }
  | { readonly kind: "gone"; readonly name: string }
  /** All that was there at the start has been told. */
  | { readonly kind: "synced" };

/** Apps of a namespace, of all when it is empty, or one of them. */
export async function* watchApps(
  client: FairleadClient,
  wanted: { readonly namespace: string; readonly name?: string },
  signal: AbortSignal,
): AsyncGenerator<Heard<App>> {
  const { namespace, name = "" } = wanted;
  for await (const heard of watchTopic(client, { topic: Topic.APPS, namespace, name }, signal)) {
    if (heard.kind === "synced") yield heard;
    else if (heard.change.now.case === "app") yield { kind: "now", item: heard.change.now.value };
    else if (heard.change.gone) {
      const { change } = heard;
      yield { kind: "gone", name: namespace === "" ? `${change.namespace}/${change.name}` : change.name };
    }
  }
}

/** All peers. */
export async function* watchPeers(client: FairleadClient, signal: AbortSignal): AsyncGenerator<Heard<Peer>> {
  for await (const heard of watchTopic(client, { topic: Topic.PEERS }, signal)) {
    if (heard.kind === "synced") yield heard;
    else if (heard.change.now.case === "peer") yield { kind: "now", item: heard.change.now.value };
    else if (heard.change.gone) yield { kind: "gone", name: heard.change.name };
  }
}

/** What peers ask for: what waits, and what becomes of it; with `decided` also what was decided before. */
export async function* watchInbox(
  client: FairleadClient,
  { peer, decided }: { readonly peer: string; readonly decided: boolean },
  signal: AbortSignal,
): AsyncGenerator<Heard<InboxItem>> {
  const told = new Set<string>();
  for await (const heard of watchTopic(client, { topic: Topic.INBOX, peer }, signal)) {
    if (heard.kind === "synced") yield heard;
    else if (heard.change.now.case === "inboxItem") {
      const item = heard.change.now.value;
      const isNew = item.state === InboxItem_State.HELD || decided;
      if (!isNew && !told.has(item.name)) continue;
      told.add(item.name);
      yield { kind: "now", item };
    } else if (heard.change.gone && told.delete(heard.change.name)) yield { kind: "gone", name: heard.change.name };
  }
}

/** The changes of one topic one by one, and where the present state ends. */
async function* watchTopic(
  client: FairleadClient,
  topic: MessageInitShape<typeof WatchTopicSchema>,
  signal: AbortSignal,
): AsyncGenerator<{ kind: "change"; change: Change } | { kind: "synced" }> {
  for await (const { changes, isSynced } of client.watch.watch({ topics: [topic] }, { signal })) {
    for (const change of changes) yield { kind: "change", change };
    if (isSynced) yield { kind: "synced" };
  }
}

/** Prints what is heard; `untilGone` ends it with the first thing that goes. */
export async function printWatch<T>(
  terminal: Terminal,
  heard: AsyncIterable<Heard<T>>,
  options: { view: () => View<T>; format: Format; untilGone?: boolean; only?: (item: T) => boolean },
): Promise<void> {
  const printer = createWatchPrinter(terminal, options.view, options.format);
  let first: T[] | undefined = [];
  for await (const event of heard) {
    if (event.kind === "synced" && first) {
      if (first.length === 0) terminal.err(`${options.view().empty}\n`);
      await printer.print(first.sort((a, b) => options.view().name(a).localeCompare(options.view().name(b))));
      first = undefined;
    } else if (event.kind === "now" && options.only?.(event.item) !== false) {
      if (first) first.push(event.item);
      else await printer.print([event.item]);
    } else if (event.kind === "gone") {
      terminal.err(`${event.name} is gone\n`);
      if (options.untilGone) return;
    }
  }
  throw new CliError("the agent ended the watch", { code: exitCode.unavailable });
}
