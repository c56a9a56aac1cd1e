import { isDeepStrictEqual } from "node:util";
import type { Clock, Timer } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Fingerprint } from "../identity/fingerprint.ts";
import { PeeringError } from "./error.ts";
import { countedNow, nextEnd, timesOf } from "./grants.ts";
import type { Peer, PeerStore, Removal, StoredPeer } from "./peer.ts";
import { checkGrantsAndLabels, checkPeerName, nameTaken } from "./peer-name.ts";

/** What became of a peer: added when `before` is missing, removed when `after` is. */
export interface RosterChange {
  readonly name: string;
  readonly before?: Peer;
  readonly after?: Peer;
}

export type RosterListener = (change: RosterChange) => void;

/**
 * The peers that we know, with the grants that count now: one whose time is over is withdrawn at that moment, and told as
 * such. A removed peer is unknown; only its name is still taken.
 */
export interface Roster {
  get(name: string): Peer | undefined;
  byFingerprint(fingerprint: Fingerprint): Peer | undefined;
  /** By name. */
  list(): Peer[];
  /** Calls the listener for each peer that is known already, at once, and then for each change. */
  subscribe(listener: RosterListener): () => void;
  /** Whether a peer has the name, or a removed one had it. */
  nameState(name: string): "free" | "removed" | "taken";
  /** What a peer said of itself when it was last heard, its version among it; undefined when it never did. */
  facts(name: string): Readonly<Record<string, string>> | undefined;
  /** The short words that both ends saw when they paired. */
  words(name: string): string | undefined;
  /** What an agent that is no peer any more was called, and when it was removed, in milliseconds since 1970. */
  former(fingerprint: Fingerprint): { name: string; removedAt: number } | undefined;
  /**
   * Stores a new peer. Throws `name-taken`, also for a name that a removed peer had, unless that one was the same agent or
   * `reuseName` is set.
   */
  add(peer: Peer, o: { reuseName?: boolean }, signal: AbortSignal): Promise<Peer>;
  /**
   * Changes a peer by what `change` makes of it as it counts now; its name stays, and grants that are over are forgotten.
   * Throws `not-found`.
   */
  update(name: string, change: (peer: Peer) => Peer, signal: AbortSignal): Promise<Peer>;
  /** Ends a pairing here. Throws `not-found`; a second removal changes nothing. */
  remove(name: string, removal: Omit<Removal, "at">, signal: AbortSignal): Promise<void>;
  /** Resolves when everything that is stored is known. */
  synced(signal: AbortSignal): Promise<void>;
  /** Counts changes of what the operator wants of a peer; 0 when it is unknown. */
  generation(name: string): number;
  close(): void;
}

/** A change is tried so often when others change the same record meanwhile. */
const attempts = 5;
/**
 * Grants end by the wall clock, which may be set forward while a timer waits: it is read again at least so often, in
 * milliseconds, as long as a grant has an end.
 */
const longestWaitMs = 60_000;
/** The last moment that a `Date` can say, in milliseconds since 1970. */
const latestTime = 8.64e15;

interface Known {
  readonly stored: StoredPeer;
  /** With what counts of its grants. */
  readonly peer: Peer;
}

export function createRoster(deps: { store: PeerStore; clock: Clock; log: Log }): Roster {
  const { store, clock, log } = deps;
  const records = new Map<string, Known>();
  const names = new Map<Fingerprint, Set<string>>();
  const listeners = new Set<RosterListener>();
  let expiry: Timer | undefined;
  const stopWatch = store.watch((name, stored) => accept(name, stored));

  /** Of several records with one fingerprint the first by name counts, so that an agent has one set of rights. */
  function byFingerprint(fingerprint: Fingerprint): Peer | undefined {
    const [first] = [...(names.get(fingerprint) ?? [])].sort();
    return first === undefined ? undefined : records.get(first)?.peer;
  }

  function accept(name: string, stored: StoredPeer | undefined): void {
    const old = records.get(name);
    if (old?.stored.version === stored?.version) return;
    const touched = new Set([old?.peer.fingerprint, stored?.peer.fingerprint].filter((one) => one !== undefined));
    const before = [...touched].map((fingerprint) => byFingerprint(fingerprint));
    if (old) names.get(old.peer.fingerprint)?.delete(name);
    if (old && names.get(old.peer.fingerprint)?.size === 0) names.delete(old.peer.fingerprint);
    if (stored) records.set(name, { stored, peer: countedNow(stored.peer, clock.now()) });
    else records.delete(name);
    if (stored && !stored.removal) {
      const { fingerprint } = stored.peer;
      const known = names.get(fingerprint) ?? new Set();
      names.set(fingerprint, known.add(name));
      if (known.size > 1) log.warn({ fingerprint, peers: [...known] }, "peers with one fingerprint: the first counts");
    }
    awaitExpiry();
    for (const [index, fingerprint] of [...touched].entries()) tell(before[index], byFingerprint(fingerprint));
  }

  /** One timer for all, for the grant that ends next. */
  function awaitExpiry(): void {
    expiry?.cancel();
    expiry = undefined;
    const ends = [...records.values()].map(({ peer }) => nextEnd(peer)).filter((end) => end !== undefined);
    if (ends.length === 0) return;
    const waitMs = Math.max(0, Math.min(...ends) - clock.now());
    expiry = clock.after(Math.min(waitMs, longestWaitMs), expire);
    expiry.unref?.();
  }

  function expire(): void {
    const now = clock.now();
    const changed = [...records].filter(([, { peer }]) => (nextEnd(peer) ?? Number.POSITIVE_INFINITY) <= now);
    for (const [name, { stored, peer: before }] of changed) {
      const wasCounted = known(name) !== undefined;
      records.set(name, { stored, peer: countedNow(before, now) });
      if (wasCounted) tell(before, known(name));
    }
    awaitExpiry();
  }

  function tell(before: Peer | undefined, after: Peer | undefined): void {
    if (isDeepStrictEqual(before, after)) return;
    if (before && after && before.name !== after.name) {
      tell(before, undefined);
      tell(undefined, after);
      return;
    }
    const name = (after ?? before)?.name ?? "";
    if (!before) log.info({ peer: name, fingerprint: after?.fingerprint }, "peer known");
    if (!after) log.info({ peer: name, fingerprint: before?.fingerprint }, "peer no longer known");
    for (const listener of [...listeners]) {
      try {
        listener({ name, ...(before && { before }), ...(after && { after }) });
      } catch (error) {
        log.error({ err: error, peer: name }, "a listener of the roster failed");
      }
    }
  }

  async function rewrite(
    name: string,
    decide: (stored: StoredPeer | undefined) => { peer: Peer; removal?: Removal } | undefined,
    signal: AbortSignal,
  ): Promise<StoredPeer | undefined> {
    for (let attempt = 0; attempt < attempts; attempt += 1) {
      const stored = await store.get(name, signal);
      const next = decide(stored);
      if (!next) return stored;
      const written = await store.put(next, stored?.version, signal);
      if (!written) continue;
      // The watch will tell the same later; whoever wrote must not read what was before.
      accept(name, written);
      return written;
    }
    throw new PeeringError("conflict", `The peer ${name} is being changed by somebody else all the time. Try again.`);
  }

  function known(name: string): Peer | undefined {
    const record = records.get(name);
    return record && byFingerprint(record.peer.fingerprint) === record.peer && !record.stored.removal
      ? record.peer
      : undefined;
  }

  function list(): Peer[] {
    return [...records.keys()]
      .sort()
      .map((name) => known(name))
      .filter((peer) => peer !== undefined);
  }

  return {
    get: known,
    byFingerprint,
    list,
    subscribe(listener) {
      listeners.add(listener);
      for (const after of list()) listener({ name: after.name, after });
      return () => listeners.delete(listener);
    },
    former(fingerprint) {
      if (names.has(fingerprint)) return undefined;
      const removals = [...records.values()]
        .filter((record) => record.peer.fingerprint === fingerprint)
        .map(({ peer, stored }) => ({ name: peer.name, removedAt: stored.removal?.at ?? 0 }));
      return removals.sort((a, b) => b.removedAt - a.removedAt)[0];
    },
    nameState(name) {
      const record = records.get(name);
      return record ? (record.stored.removal ? "removed" : "taken") : "free";
    },
    facts: (name) => records.get(name)?.stored.facts,
    words: (name) => records.get(name)?.stored.words,
    async add(added, { reuseName = false }, signal) {
      const peer = tidy(added);
      checkPeerName(peer.name);
      const decide = (stored: StoredPeer | undefined): { peer: Peer } => {
        if (!stored || (stored.removal && (reuseName || stored.peer.fingerprint === peer.fingerprint))) return { peer };
        throw nameTaken(peer.name, stored.removal ? "removed" : "taken");
      };
      await rewrite(peer.name, decide, signal);
      return peer;
    },
    async update(name, change, signal) {
      const decide = (stored: StoredPeer | undefined): { peer: Peer } => {
        if (!stored || stored.removal) throw noSuchPeer(name);
        return { peer: tidy({ ...change(countedNow(stored.peer, clock.now())), name }) };
      };
      const written = await rewrite(name, decide, signal);
      if (!written) throw noSuchPeer(name);
      return countedNow(written.peer, clock.now());
    },
    async remove(name, removal, signal) {
      await rewrite(
        name,
        (stored) => {
          if (!stored) throw noSuchPeer(name);
          return stored.removal ? undefined : { peer: stored.peer, removal: { ...removal, at: clock.now() } };
        },
        signal,
      );
    },
    synced: (signal) => store.synced(signal),
    generation: (name) => records.get(name)?.stored.generation ?? 0,
    close() {
      expiry?.cancel();
      stopWatch();
      listeners.clear();
    },
  };
}

/** As it may be stored. Throws `invalid` when it may not. */
function tidy(peer: Peer): Peer {
  const { grantsUntil, ...rest } = peer;
  checkGrantsAndLabels(peer.grants, peer.labels);
  const times = timesOf(peer.grants, grantsUntil);
  for (const until of Object.values(times ?? {})) {
    if (!(Math.abs(until) <= latestTime)) throw new PeeringError("invalid", "A grant's end is not a time.");
  }
  return { ...rest, ...(times && { grantsUntil: times }) };
}

export function noSuchPeer(name: string): PeeringError {
  return new PeeringError("not-found", `There is no peer "${name}". See: fairlead peer list`);
}
