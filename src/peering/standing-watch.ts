/** What this agent may do at its peers, as they say: the following half of `WatchStanding`. */
import { isDeepStrictEqual } from "node:util";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createBackoff } from "../base/backoff.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { MembershipService, type WatchStandingResponse } from "../gen/fairlead/peer/v1/membership_pb.ts";
import { readTime, timeText } from "../kube/time.ts";
import type { LinkListener } from "./switchboard.ts";

/** A grant that this agent has at a peer. */
export interface HeldGrant {
  readonly name: string;
  /** RFC 3339 in UTC, whole seconds; undefined: until it is withdrawn. */
  readonly until?: string;
}

export interface StandingWatch {
  /** What a peer said last; undefined before it said anything, and for one that does not know how to. */
  held(peer: string): readonly HeldGrant[] | undefined;
  forget(peer: string): void;
  close(): Promise<void>;
}

export interface StandingWatchDeps {
  readonly clock: Clock;
  readonly log: Log;
  transport(peer: string): Transport;
  /** Tells of each change of a link. */
  subscribe(listener: LinkListener): () => void;
  /** Told when a peer says something new. */
  changed(peer: string): void;
}

/** Waits between attempts over the same link, in milliseconds. */
const retry = { minMs: 1_000, maxMs: 60_000 };
/** As the resource has it. */
const mostGrants = 32;

/** One watch for each link that counts. */
interface Watch {
  readonly epoch: number;
  readonly end: AbortController;
}

export function createStandingWatch(deps: StandingWatchDeps): StandingWatch {
  const { clock, log } = deps;
  const said = new Map<string, readonly HeldGrant[]>();
  const watches = new Map<string, Watch>();
  const running = new Set<Promise<void>>();
  const unsubscribe = deps.subscribe((peer, { held, epoch }) => {
    if (held && watches.get(peer)?.epoch === epoch) return;
    stop(peer);
    if (held) start(peer, epoch);
  });

  function start(peer: string, epoch: number): void {
    const watch: Watch = { epoch, end: new AbortController() };
    watches.set(peer, watch);
    const run = follow(peer, watch.end.signal).finally(() => running.delete(run));
    running.add(run);
  }

  function stop(peer: string): void {
    watches.get(peer)?.end.abort(new Error("The link does not count any more."));
    watches.delete(peer);
  }

  /** Never rejects. */
  async function follow(peer: string, signal: AbortSignal): Promise<void> {
    const backoff = createBackoff(retry);
    while (!signal.aborted) {
      try {
        const client = createClient(MembershipService, deps.transport(peer));
        for await (const standing of client.watchStanding({}, { signal })) {
          if (signal.aborted) return;
          hear(peer, boundStanding(standing));
          backoff.reset();
        }
      } catch (error) {
        if (signal.aborted) return;
        if (ConnectError.from(error).code === Code.Unimplemented) {
          hear(peer, undefined);
          return; // An older agent; a newer one comes with a link of its own.
        }
        log.debug({ err: error, peer }, "peer does not tell what may be done there");
      }
      await clock.sleep(backoff.next(), signal).catch(() => undefined);
    }
  }

  function hear(peer: string, grants: readonly HeldGrant[] | undefined): void {
    if (isDeepStrictEqual(said.get(peer), grants)) return;
    if (grants) said.set(peer, grants);
    else said.delete(peer);
    deps.changed(peer);
  }

  return {
    held: (peer) => said.get(peer),
    forget(peer) {
      stop(peer);
      said.delete(peer);
    },
    async close() {
      unsubscribe();
      for (const peer of [...watches.keys()]) stop(peer);
      await Promise.all(running);
    },
  };
}

/**
 * What can be shown of it, once each: a peer may say what it likes. What says nonsense of its end is left out, for it
 * would be shown as more than it is. Pure.
 */
export function boundStanding({ grants }: Pick<WatchStandingResponse, "grants">): HeldGrant[] {
  const held = new Map<string, HeldGrant>();
  for (const { name, until } of grants) {
    if (held.size >= mostGrants) break;
    const end = until === "" ? undefined : readTime(until.slice(0, 64));
    if (!/^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name) || (until !== "" && end === undefined)) continue;
    held.set(name, { name, ...(end !== undefined && { until: timeText(end) }) });
  }
  return [...held.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}
