/** What a peer may do here, told to that peer: the serving half of `WatchStanding`. */
import { isDeepStrictEqual } from "node:util";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Fingerprint } from "../identity/fingerprint.ts";
import { untilOf } from "./grants.ts";
import type { Peer } from "./peer.ts";
import type { Roster } from "./roster.ts";

/** A grant as it is said to its holder. */
export interface GrantStanding {
  readonly name: string;
  /** RFC 3339 in UTC; empty: until it is withdrawn. */
  readonly until: string;
}

/** Watches of one peer at a time: one for each link that comes or goes. */
const mostWatches = 8;
/** As membership.proto has it. */
const mostGrants = 32;

/** Serves any number of peers, each with what is its own. */
export function createStandings(roster: Roster): {
  /**
   * What the peer with this fingerprint may do now, and after each change, until `signal` aborts. Of changes that come
   * faster than they are read the last one counts. Throws ResourceExhausted.
   */
  watch(fingerprint: Fingerprint, signal: AbortSignal): AsyncGenerator<GrantStanding[], void, undefined>;
} {
  const watches = new Map<Fingerprint, number>();

  function count(fingerprint: Fingerprint, change: 1 | -1): void {
    const next = (watches.get(fingerprint) ?? 0) + change;
    if (next > 0) watches.set(fingerprint, next);
    else watches.delete(fingerprint);
  }

  return {
    async *watch(fingerprint, signal) {
      if ((watches.get(fingerprint) ?? 0) >= mostWatches) {
        throw new ConnectError(`You watch your standing ${mostWatches} times already.`, Code.ResourceExhausted);
      }
      count(fingerprint, 1);
      let wake = (): void => undefined;
      const unsubscribe = roster.subscribe(({ before, after }) => {
        if ((after ?? before)?.fingerprint === fingerprint) wake();
      });
      const stop = (): void => wake();
      signal.addEventListener("abort", stop, { once: true });
      try {
        let told: GrantStanding[] | undefined;
        while (!signal.aborted) {
          const news = new Promise<void>((resolve) => {
            wake = resolve;
          });
          const standing = standingOf(roster.byFingerprint(fingerprint));
          if (!isDeepStrictEqual(standing, told)) {
            told = standing;
            yield standing;
          }
          if (!signal.aborted) await news;
        }
      } finally {
        unsubscribe();
        signal.removeEventListener("abort", stop);
        count(fingerprint, -1);
      }
    },
  };
}

function standingOf(peer: Peer | undefined): GrantStanding[] {
  return (peer?.grants ?? []).slice(0, mostGrants).map((name) => {
    const until = untilOf(peer?.grantsUntil, name);
    return { name, until: until === undefined ? "" : new Date(until).toISOString() };
  });
}
