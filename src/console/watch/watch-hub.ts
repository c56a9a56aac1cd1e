/** All watches of this agent: how many there are, who may have them, and what each is told when. */

import type { Timer } from "../../base/clock.ts";
import { createPlaces } from "../../base/places.ts";
import type { WatchRequest } from "../../gen/fairlead/console/v1/watch_service_pb.ts";
import { type Principal, personOf } from "../auth/principal.ts";
import { tryLater } from "../try-later.ts";
import { allTopics } from "./topics.ts";
import { type News, Watch, type WatchDeps } from "./watch.ts";

export interface WatchHubDeps extends WatchDeps {
  /** 1,000 in all and 100 of one person, by whatever credentials, unless given. */
  readonly most?: { readonly all: number; readonly ofOne: number };
}

export interface WatchHub {
  /** Lasts until the signal aborts, the caller may no longer, or is refused: then it throws a ConnectError. */
  watch(
    request: Pick<WatchRequest, "topics" | "resume">,
    principal: Principal | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<News, void, undefined>;
  /** Watches now. */
  readonly size: number;
  close(): void;
}

/** How long it may take to see that somebody may see something else, in milliseconds. */
const lookMs = 500;

export function createWatchHub(deps: WatchHubDeps): WatchHub {
  const { log, sources, clock } = deps;
  const most = deps.most ?? { all: 1_000, ofOne: 100 };
  const places = createPlaces(most);
  const watches = new Set<Watch>();
  let next: Timer | undefined;

  /** One timer for all. */
  function look(): void {
    next = undefined;
    for (const watch of watches) watch.look();
    if (watches.size > 0) arm();
  }

  function arm(): void {
    next ??= clock.after(lookMs, look);
    next.unref?.();
  }

  function takePlace(person: string): () => void {
    const place = places.take(person);
    if (typeof place !== "string") return place;
    const many = place === "own" ? `${most.ofOne} of your watches` : `${most.all} watches`;
    throw tryLater(`There are ${many} open, which is as many as there may be. Close some.`, { seconds: 5 });
  }

  return {
    async *watch(request, principal, signal) {
      const watch = new Watch(deps, request.topics, principal);
      const leavePlace = takePlace(principal ? personOf(principal) : "");
      const topics = request.topics.length > 0 ? request.topics.map(({ topic }) => topic) : allTopics;
      watches.add(watch);
      arm();
      const ends = [sources.hold(topics), log.subscribe(() => watch.wake())];
      // Also of one who has gone and reads no further, so that nothing here goes on by itself.
      const leave = (): void => {
        watches.delete(watch);
        leavePlace();
        for (const end of ends.splice(0)) end();
        watch.wake();
      };
      signal.addEventListener("abort", leave, { once: true });
      try {
        signal.throwIfAborted();
        await sources.synced(new Set(topics), signal);
        watch.begin(request.resume);
        for (;;) {
          signal.throwIfAborted();
          const news = watch.take();
          if (news) yield news;
          else await watch.some();
        }
      } finally {
        signal.removeEventListener("abort", leave);
        leave();
      }
    },
    get size() {
      return watches.size;
    },
    close() {
      next?.cancel();
    },
  };
}
