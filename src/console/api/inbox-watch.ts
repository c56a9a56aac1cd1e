/** What one watcher of the inbox has been shown, and what is new to it. */
import { toBinary } from "@bufbuild/protobuf";
import { type InboxItem, InboxItemSchema } from "../../gen/fairlead/console/v1/inbox_service_pb.ts";
import type { WatchResponse } from "../../gen/fairlead/console/v1/watch_service_pb.ts";

/** It remembers each item's bytes, of which the rooms that hold them bound the number and the size. */
export class ShownInbox {
  #shown = new Map<string, Uint8Array>();

  /** What is to be told so that the watcher knows just these items. */
  update(items: readonly InboxItem[]): WatchResponse["change"][] {
    const now = new Map<string, Uint8Array>();
    const changes: WatchResponse["change"][] = [];
    for (const item of items) {
      const bytes = toBinary(InboxItemSchema, item);
      const before = this.#shown.get(item.name);
      if (!before || Buffer.compare(before, bytes) !== 0) changes.push({ case: "inboxItem", value: item });
      now.set(item.name, bytes);
    }
    for (const name of this.#shown.keys()) if (!now.has(name)) changes.push({ case: "inboxItemGone", value: name });
    this.#shown = now;
    return changes;
  }
}
