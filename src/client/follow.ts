/** A watch that goes on for ever: over connections that break, an agent that restarts, and a laptop that slept. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import { createBackoff } from "../base/backoff.ts";
import { type Clock, systemClock, type Timer } from "../base/clock.ts";
import type { Change, Reset, WatchService, WatchTopicSchema } from "../gen/fairlead/console/v1/watch_service_pb.ts";

/** What one who follows is told. */
export type Followed =
  | {
      readonly kind: "news";
      /** The present state is told anew: whatever is not told again before `isSynced` is gone. */
      readonly beginsAnew: boolean;
      /** Why, when the agent says so. */
      readonly reset: Reset | undefined;
      readonly changes: readonly Change[];
      /** What was told up to here is all that there is. */
      readonly isSynced: boolean;
    }
  /** What is known may be old from here on, until there is news again. It is tried again by itself. */
  | { readonly kind: "lost"; readonly error: ConnectError };

export interface FollowOptions {
  /** Ends it: without it, it goes on for ever. */
  readonly signal: AbortSignal;
  /** Between attempts, in milliseconds: 250 to 15,000 unless given, with full jitter. */
  readonly waits?: { readonly minMs: number; readonly maxMs: number };
  /** Silence after which a connection is dead, in milliseconds; the agent speaks every 15 s. 45,000 unless given. */
  readonly silentMs?: number;
  /** That of the machine unless given. */
  readonly clock?: Clock;
}

/** What does not get better by itself. */
const final: readonly Code[] = [
  Code.Unauthenticated,
  Code.PermissionDenied,
  Code.InvalidArgument,
  Code.Unimplemented,
  Code.FailedPrecondition,
];

/**
 * Each change of these topics, none missed and none twice. Returns when the signal aborts; throws the `ConnectError` when the agent
 * refuses and asking again would not help.
 *
 * @example
 * ```ts
 * for await (const told of followChanges(fairlead.watch, [{ topic: Topic.APPS }], { signal })) {
 *   if (told.kind === "lost") console.log("offline:", told.error.rawMessage);
 *   else for (const { name, gone } of told.changes) console.log(gone ? `${name} is gone` : `${name} changed`);
 * }
 * ```
 */
export async function* followChanges(
  watch: Pick<Client<typeof WatchService>, "watch">,
  topics: MessageInitShape<typeof WatchTopicSchema>[],
  options: FollowOptions,
): AsyncGenerator<Followed, void, undefined> {
  const { signal, waits = { minMs: 250, maxMs: 15_000 }, silentMs = 45_000, clock = systemClock } = options;
  const backoff = createBackoff(waits);
  let resume = "";
  while (!signal.aborted) {
    const listening = listen(clock, silentMs, signal);
    try {
      let beginsAnew = resume === "";
      for await (const said of watch.watch({ topics, resume }, { signal: listening.signal })) {
        listening.heard();
        backoff.reset();
        resume = said.resume;
        const { changes, isSynced, reset } = said;
        beginsAnew ||= reset !== undefined;
        if (beginsAnew || isSynced || changes.length > 0) {
          yield { kind: "news", beginsAnew, reset, changes, isSynced };
        }
        beginsAnew = false;
      }
      yield { kind: "lost", error: new ConnectError("The agent ended the watch.", Code.Unavailable) };
    } catch (error) {
      if (signal.aborted) return;
      const failed = ConnectError.from(listening.signal.aborted ? listening.signal.reason : error);
      if (final.includes(failed.code)) throw failed;
      yield { kind: "lost", error: failed };
    } finally {
      listening.done();
    }
    await clock.sleep(backoff.next(), signal).catch(() => undefined);
  }
}

/** A signal that aborts when nothing is heard for so long. */
function listen(clock: Clock, silentMs: number, parent: AbortSignal) {
  const silent = new AbortController();
  const error = new ConnectError(`Nothing was heard for ${silentMs / 1000} s.`, Code.Unavailable);
  let timer: Timer | undefined;
  const heard = (): void => {
    timer?.cancel();
    timer = clock.after(silentMs, () => silent.abort(error));
  };
  heard();
  return { signal: AbortSignal.any([parent, silent.signal]), heard, done: () => timer?.cancel() };
}
