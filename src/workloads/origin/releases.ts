/**
 * Before a peer is removed here, what it runs of apps that may go elsewhere ends there, so that none of them runs at two. That takes a
 * link and the time that pods have to end; what has not ended by then is left to the peer.
 */
import type { Clock } from "../../base/clock.ts";
import { keyOf } from "../../kube/object.ts";
import type { RemoteApp } from "../../kube/resources.ts";
import type { Latest } from "../latest.ts";
import { holdingOf, isLeftRunning } from "./holding.ts";

/** What came of it. */
export interface Released {
  /** Apps that have ended there. */
  readonly ended: number;
  /** Apps of which the peer may still run something. */
  readonly left: number;
  /** The peer is no peer any more, or is to stay one after all. */
  done(): void;
}

export interface Releases {
  /** Whether the peer is to get nothing any more, and to end what may go elsewhere. */
  isReleasing(peer: string): boolean;
  release(peer: string, signal: AbortSignal): Promise<Released>;
}

/** Beside the time that pods have to end, the peer has this to say that it is over, in milliseconds; and that is waited for at most. */
const slackMs = 10_000;
const mostMs = 120_000;
const defaultGraceSeconds = 30;

export function createReleases(deps: {
  latest: Pick<Latest<RemoteApp>, "list" | "subscribe">;
  isConnected(peer: string): boolean;
  /** It is to be decided anew where the app with this key runs. */
  reconsider(key: string): void;
  clock: Clock;
}): Releases {
  const { latest, clock } = deps;
  /** How many removals of it are under way. */
  const leaving = new Map<string, number>();

  function heldBy(peer: string): RemoteApp[] {
    return [...latest.list()].filter((app) => holdingOf(app).peers.includes(peer) && !isLeftRunning(app));
  }

  function reconsider(apps: Iterable<RemoteApp>): void {
    for (const app of apps) deps.reconsider(keyOf(app));
  }

  /** Resolves when the peer has ended all of them that it is to, or has had the time for it; rejects when the signal aborts. */
  async function ended(peer: string, going: readonly RemoteApp[], signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const unsubscribe = latest.subscribe(() => {
      if (!heldBy(peer).some(isGoing)) resolve();
    });
    const grace = Math.max(...going.map(({ spec }) => spec.terminationGracePeriodSeconds ?? defaultGraceSeconds));
    const enough = new AbortController();
    const limit = clock.sleep(Math.min(grace * 1000 + slackMs, mostMs), AbortSignal.any([signal, enough.signal]));
    reconsider(going);
    try {
      await Promise.race([limit, promise]);
    } finally {
      unsubscribe();
      limit.catch(() => undefined); // It ends without having come to its end.
      enough.abort();
    }
  }

  return {
    isReleasing: (peer) => leaving.has(peer),
    async release(peer, signal) {
      const going = heldBy(peer).filter(isGoing);
      leaving.set(peer, (leaving.get(peer) ?? 0) + 1);
      const done = (): void => {
        const others = (leaving.get(peer) ?? 1) - 1;
        if (others > 0) leaving.set(peer, others);
        else leaving.delete(peer);
        reconsider(latest.list());
      };
      try {
        if (going.length > 0 && deps.isConnected(peer)) await ended(peer, going, signal);
      } catch (error) {
        done();
        throw error;
      }
      const held = new Set(heldBy(peer).map(({ metadata }) => metadata.uid));
      return { ended: going.filter(({ metadata }) => !held.has(metadata.uid)).length, left: held.size, done };
    },
  };
}

/** Whether it ends at a peer that gets nothing any more. */
function isGoing({ metadata, spec, problems }: RemoteApp): boolean {
  if (metadata.deletionTimestamp !== undefined) return true;
  return spec.placement !== undefined && (spec.placement.move ?? "Gone") !== "Never" && !problems?.length;
}
