import type { LinkWatch } from "../../intent/origin.ts";
import type { LinkStatus } from "../../peering/link-status.ts";
import type { Roster } from "../../peering/roster.ts";

/**
 * Links as intent wants to hear of them: up only once what is wished is known, and down and up again for each new link, since
 * a call that was open on the old one is lost. One that has lost its carrier is up: it goes on, and its calls do.
 */
export function watchLinks(deps: {
  roster: Pick<Roster, "get" | "subscribe">;
  links: { status(peer: string): LinkStatus; subscribe(fn: (peer: string, status: LinkStatus) => void): () => void };
  /** Resolves when all wishes are known. */
  ready(signal: AbortSignal): Promise<void>;
}): LinkWatch {
  return {
    subscribe(fn) {
      /** The link that was told to be up, by peer. */
      const up = new Map<string, number>();
      const ended = new AbortController();
      let isReady = false;

      const look = (peer: string): void => {
        if (!isReady) return;
        const status = deps.roster.get(peer) ? deps.links.status(peer) : undefined;
        const epoch = status?.held ? status.epoch : undefined;
        const before = up.get(peer);
        if (epoch === before) return;
        if (before !== undefined) fn(peer, false);
        if (epoch === undefined) up.delete(peer);
        else up.set(peer, epoch);
        if (epoch !== undefined) fn(peer, true);
      };

      const known = new Set<string>();
      const ends = [
        deps.roster.subscribe(({ name, after }) => {
          if (after) known.add(name);
          else known.delete(name);
          look(name);
        }),
        deps.links.subscribe(look),
      ];
      deps.ready(ended.signal).then(
        () => {
          isReady = true;
          for (const peer of known) look(peer);
        },
        () => undefined, // It rejects only when nobody listens any more.
      );
      return () => {
        ended.abort(new Error("Nobody listens any more."));
        for (const end of ends) end();
      };
    },
  };
}
