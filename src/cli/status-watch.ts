/** When `fairlead status --watch` shows it again. */
import { systemClock } from "../base/clock.ts";
import { Topic } from "../gen/fairlead/console/v1/watch_service_pb.ts";
import { follow, type Watcher } from "./follow.ts";

/** Peers tell their round trips, and apps their rollouts, faster than somebody reads. Milliseconds. */
const restMs = 1_000;

/** What the status shows something of. */
const shown: readonly Topic[] = [
  Topic.PEERS,
  Topic.APPS,
  Topic.INBOX,
  Topic.INVITES,
  Topic.ORPHANS,
  Topic.ORPHANS_AT_PEERS,
  Topic.NOTIFICATIONS,
];

/** Yields at once, and each time that something has changed of what the status shows. */
export async function* watchStatus(watcher: Watcher): AsyncGenerator<void, void, undefined> {
  let isSynced = false;
  // All that the caller may see: a topic that is not for them, asked for by name, would be refused with all others.
  for await (const told of follow(watcher, [])) {
    if (told.beginsAnew) isSynced = false;
    const begins = !isSynced && told.isSynced;
    isSynced ||= told.isSynced;
    if (!isSynced || !(begins || told.changes.some(({ topic }) => shown.includes(topic)))) continue;
    yield;
    // Whatever changes meanwhile comes as one.
    await systemClock.sleep(restMs, watcher.signal);
  }
}
