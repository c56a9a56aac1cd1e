/**
 * What peers say of themselves: version, architecture, region. It is shown as said by them, may help to place work, and
 * never selects a policy.
 */
import { isDeepStrictEqual } from "node:util";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import type { Clock } from "../base/clock.ts";
import { createKeyedWorker } from "../base/keyed-worker.ts";
import type { Log } from "../base/log.ts";
import { type GetFactsResponse, MembershipService } from "../gen/fairlead/peer/v1/membership_pb.ts";
import type { LinkListener } from "./switchboard.ts";

export interface PeerFacts {
  readonly version: string;
  readonly facts: Readonly<Record<string, string>>;
}

export interface Directory {
  /** What a peer said last; undefined before it said anything. */
  get(peer: string): PeerFacts | undefined;
  /** Calls `fn` after each change of what a peer says. Returns how to end that. */
  subscribe(fn: (peer: string) => void): () => void;
  forget(peer: string): void;
  close(): Promise<void>;
}

export interface DirectoryDeps {
  readonly clock: Clock;
  readonly log: Log;
  transport(peer: string): Transport;
  /** Tells of each change of a link. */
  subscribe(listener: LinkListener): () => void;
  /** Told when a peer says something new. */
  changed(peer: string): void;
  /** Told when a peer answers that we are none of its peers. */
  disowned(peer: string): void;
}

/** How often a peer is asked again while its link stands, in milliseconds. */
const refreshMs = 60_000;
const timeoutMs = 10_000;
const mostFacts = 64;

export function createDirectory(deps: DirectoryDeps): Directory {
  const { clock, log } = deps;
  const known = new Map<string, PeerFacts>();
  const listeners = new Set<(peer: string) => void>();
  const epochs = new Map<string, number>();
  const worker = createKeyedWorker({
    clock,
    minMs: 5_000,
    maxMs: refreshMs,
    run: ask,
    onError: (peer, error) => log.debug({ err: error, peer }, "peer did not tell its facts"),
  });
  const unsubscribe = deps.subscribe((peer, { held, epoch }) => {
    if (!held) epochs.delete(peer);
    else if (epochs.get(peer) !== epoch) {
      epochs.set(peer, epoch);
      worker.add(peer);
    }
  });

  async function ask(peer: string, signal: AbortSignal): Promise<void | { againMs: number }> {
    // Without a link there is nobody to ask; the next link asks anew.
    if (!epochs.has(peer)) return undefined;
    const client = createClient(MembershipService, deps.transport(peer));
    const epoch = epochs.get(peer);
    let said: PeerFacts;
    try {
      said = boundFacts(await client.getFacts({}, { signal, timeoutMs }));
    } catch (error) {
      if (ConnectError.from(error).code !== Code.PermissionDenied || epochs.get(peer) !== epoch) throw error;
      deps.disowned(peer);
      return undefined;
    }
    if (!epochs.has(peer)) return undefined;
    const isNews = !isDeepStrictEqual(known.get(peer), said);
    known.set(peer, said);
    if (isNews) {
      deps.changed(peer);
      for (const fn of listeners) fn(peer);
    }
    return { againMs: refreshMs };
  }

  return {
    get: (peer) => known.get(peer),
    subscribe(fn) {
      listeners.add(fn);
      return () => void listeners.delete(fn);
    },
    forget(peer) {
      epochs.delete(peer);
      known.delete(peer);
    },
    close() {
      unsubscribe();
      return worker.close();
    },
  };
}

/** Leaves out what is too much: a peer may say what it likes, and we keep what we have room for. */
export function boundFacts(said: Pick<GetFactsResponse, "version" | "facts">): PeerFacts {
  const facts = Object.entries(said.facts)
    .filter(([key, value]) => /^[a-z][a-z0-9-]{0,62}$/.test(key) && value.length <= 256 && value.isWellFormed())
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .slice(0, mostFacts);
  return { version: said.version.slice(0, 63).toWellFormed(), facts: Object.fromEntries(facts) };
}
