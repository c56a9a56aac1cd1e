/** The links that live: one for each peer. */
import type { Duplex } from "node:stream";
import { isDeepStrictEqual } from "node:util";
import type { Transport } from "@connectrpc/connect";
import type { Clock } from "../base/clock.ts";
import { errorText } from "../base/error-text.ts";
import type { Log } from "../base/log.ts";
import type { Target } from "../gen/fairlead/wire/v1/target_pb.ts";
import type { Fingerprint } from "../identity/fingerprint.ts";
import { LinkError } from "../link/error.ts";
import { Kept, type Link } from "../link/link.ts";
import type { Datagrams } from "../wire/datagrams.ts";
import { DialError, Reason } from "../wire/reason.ts";
import type { DialOptions, Session } from "../wire/session.ts";
import { streamName } from "../wire/stream-name.ts";
import { type PeerDestination, type PeerWay, waysBeside, waysToPeer } from "./dial-peer.ts";
import { createGuests } from "./guests.ts";
import type { HeldLink } from "./held-link.ts";
import { PeerLine, removed } from "./line.ts";
import type { LineTotals, PastCarrier } from "./line-tally.ts";
import type { LinkStatus } from "./link-status.ts";
import { Unreachable } from "./link-waiters.ts";
import type { Peer } from "./peer.ts";
import { createPeerTransport } from "./peer-transport.ts";
import { createRedialer } from "./redialer.ts";
import { noSuchPeer, type Roster } from "./roster.ts";

export interface PeerDialOptions extends Omit<DialOptions, "numbered"> {
  /** Told what the records of both ends call the stream, once the other end has answered, well or not. */
  answered?(correlation: string): void;
}

/** All that is to be seen of the links to one peer at a moment. */
export interface LinkLook {
  readonly status: LinkStatus;
  readonly totals: LineTotals;
  /** Carriers that are gone, the latest last. */
  readonly past: readonly PastCarrier[];
}

export type LinkListener = (peer: string, status: LinkStatus) => void;

/** Who is behind a link now. While it is undecided, `settled` says when to ask again. */
export type Standing =
  | { readonly kind: "peer"; readonly peer: Peer }
  | { readonly kind: "guest" }
  | { readonly kind: "undecided"; readonly settled: Promise<void> }
  | { readonly kind: "unknown" };

export interface Switchboard {
  /**
   * Calls to a peer, by our name for it. A call waits up to 10 s for a link that is being made; without one it ends with
   * Unavailable, which says since when.
   */
  transport(peer: string): Transport;
  /** A connection to a target at the peer. Waits as calls do; rejects with a `DialError`. */
  dial(peer: string, target: Target, options?: PeerDialOptions): Promise<Duplex>;
  /** The same for datagrams; UNSUPPORTED when the peer's version carries none. */
  dialDatagrams(peer: string, target: Target, options?: PeerDialOptions): Promise<Datagrams>;
  /** Throws `not-found`. */
  status(peer: string): LinkStatus;
  /** How the link is, and what it moves and meets; undefined when there is no such peer. */
  look(peer: string): LinkLook | undefined;
  /** The peer that carries the link to this one; undefined when the link is direct, or there is none. */
  through(peer: string): string | undefined;
  /** Told of each change of a link; not of each round trip. */
  subscribe(listener: LinkListener): () => void;
  /** Dials a peer at once, if it has a URL here; a link that stands goes on at the new carrier. Throws `not-found`. */
  reconnect(peer: string): void;

  /** The peer was reached and does not serve us as its peer. */
  disowned(peer: string): void;

  /** What a carrier to the agent with this fingerprint goes on with: a peer's, or nothing yet, for a guest. */
  kept(fingerprint: Fingerprint): Kept;
  /** Takes a link that stands, a peer's or a guest's. Harmless for one that it has. */
  offer(link: Link): void;
  standing(link: Link): Standing;
  /** A guest is joining; the answer says that it no longer is. */
  joining(session: Session): () => void;
  /** An agent is about to become our peer: what it opens meanwhile waits. The answer says that it is, or will not be. */
  expect(fingerprint: Fingerprint): () => void;
  /** Lets what runs end, at most so long, in milliseconds. */
  drain(message: string, withinMs: number): Promise<void>;
  close(): void;
}

export interface SwitchboardDeps {
  readonly roster: Roster;
  readonly clock: Clock;
  readonly log: Log;
  readonly random?: (() => number) | undefined;
  /** Dials a peer; `opened` is called with the link before its first stream. */
  dial(
    peer: Peer,
    by: Pick<PeerDestination, "ways" | "isWanted">,
    opened: (link: Link) => void,
    signal: AbortSignal,
  ): Promise<Link | undefined>;
  createTransport(link: Link): Transport;
  /** Whether the agent behind the link answers; never rejects. */
  probe(held: HeldLink): Promise<boolean>;
  /** Two living agents have the identity of this peer. */
  duplicate(peer: Peer, message: string): void;
}

export function createSwitchboard(deps: SwitchboardDeps): Switchboard {
  const { roster, clock, log } = deps;
  const lines = new Map<string, PeerLine>();
  const guests = createGuests({ clock, log });
  const expected = new Map<Fingerprint, Promise<void>>();
  const listeners = new Set<LinkListener>();
  let closed = false;
  const unsubscribe = roster.subscribe(({ name, before, after }) => {
    if (!after) dropLine(name);
    else if (!before || before.fingerprint !== after.fingerprint) addLine(after);
    else if (isDialledElsewhere(before, after)) lines.get(name)?.setRedialer(redialerFor(after), { moved: true });
  });

  function addLine(peer: Peer): void {
    if (closed) return;
    dropLine(peer.name);
    const line = new PeerLine({
      name: peer.name,
      clock,
      log,
      createTransport: deps.createTransport,
      nameOf: (fingerprint) => roster.byFingerprint(fingerprint)?.name ?? fingerprint,
      probe: deps.probe,
      changed: () => tell(peer.name),
      duplicate: (message) => deps.duplicate(peer, message),
    });
    lines.set(peer.name, line);
    for (const link of guests.release(peer.fingerprint)) line.offer(link);
    line.setRedialer(redialerFor(peer));
    tell(peer.name);
  }

  function dropLine(name: string): void {
    const line = lines.get(name);
    if (!line) return;
    lines.delete(name);
    line.cut(removed);
  }

  function redialerFor(peer: Peer): ReturnType<typeof createRedialer> | undefined {
    if (waysToPeer(peer).length === 0 || closed) return undefined;
    return createRedialer({
      clock,
      random: deps.random,
      direct: peer.url !== undefined,
      dial: async (signal) => {
        const way = (): "direct" | "relayed" | undefined => lines.get(peer.name)?.way;
        const ways = waysBeside(peer, way());
        // What is tried first may take so long that somebody has come meanwhile.
        const isWanted = (next: PeerWay): boolean => "url" in next || way() !== "direct";
        if (ways.length > 0) await deps.dial(peer, { ways, isWanted }, offer, signal);
      },
      onFailed: (error) => {
        const line = lines.get(peer.name);
        line?.tally.dialFailed(error instanceof LinkError ? error.code : "other");
        line?.attemptFailed(errorText(error));
      },
    });
  }

  function offer(link: Link): void {
    if (closed) {
      link.close({ reason: Reason.SHUTDOWN, message: "This agent is stopping." });
      return;
    }
    const line = lineTo(link.fingerprint);
    if (line) line.offer(link);
    else guests.admit(link);
  }

  function lineTo(fingerprint: Fingerprint): PeerLine | undefined {
    const peer = roster.byFingerprint(fingerprint);
    return peer && lines.get(peer.name);
  }

  function tell(name: string): void {
    const line = lines.get(name);
    if (!line) return;
    const status = line.status();
    retryThrough(name, status.state === "connected");
    for (const listener of [...listeners]) {
      try {
        listener(name, status);
      } catch (error) {
        log.error({ err: error, peer: name }, "a listener of the switchboard failed");
      }
    }
  }

  /**
   * A peer that carries for others is here: those that wait for it need not wait for their next attempt. Or it is lost: those
   * that it carries may be reached directly by now.
   */
  function retryThrough(relay: string, isHere: boolean): void {
    for (const { name, relays, url } of roster.list()) {
      const line = relays?.includes(relay) ? lines.get(name) : undefined;
      if (!line) continue;
      if (isHere ? line.way === undefined : line.status().through === relay && url !== undefined) line.kick();
    }
  }

  function lineOf(name: string): PeerLine {
    const line = lines.get(name);
    if (!line) throw noSuchPeer(name);
    return line;
  }

  /** Rejects with a DialError. */
  async function sessionFor(name: string, signal: AbortSignal | undefined): Promise<Session> {
    try {
      return (await lineOf(name).connected(signal)).link.session;
    } catch (cause) {
      if (signal?.aborted) throw new DialError(Reason.CANCELLED, "The dial was given up.", { cause });
      const reason = cause instanceof Unreachable ? Reason.UNREACHABLE : Reason.NOT_FOUND;
      throw new DialError(reason, errorText(cause), { cause });
    }
  }

  return {
    transport: (name) => createPeerTransport({ clock, connected: (signal) => lineOf(name).connected(signal) }),

    async dial(name, target, options = {}) {
      const session = await sessionFor(name, options.signal);
      return session.dial(target, namingStream(session, options));
    },

    async dialDatagrams(name, target, options = {}) {
      const session = await sessionFor(name, options.signal);
      return session.dialDatagrams(target, namingStream(session, options));
    },

    status: (name) => lineOf(name).status(),

    look(name) {
      const line = lines.get(name);
      return line && { status: line.status(), totals: line.tally.totals(), past: [...line.tally.past] };
    },

    through: (name) => lines.get(name)?.status().through,

    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },

    reconnect: (name) => lineOf(name).kick(),

    disowned: (name) => lines.get(name)?.disowned(),

    kept: (fingerprint) => lineTo(fingerprint)?.kept ?? new Kept(clock),

    offer,

    standing(link) {
      const peer = roster.byFingerprint(link.fingerprint);
      const line = peer && lines.get(peer.name);
      if (line) {
        const standing = line.standing(link);
        if (standing.kind === "undecided") return standing;
        return standing.kind === "held" ? { kind: "peer", peer } : { kind: "unknown" };
      }
      const settled = expected.get(link.fingerprint);
      if (settled) return { kind: "undecided", settled };
      return { kind: guests.has(link) ? "guest" : "unknown" };
    },

    joining: (session) => guests.busy(session),

    expect(fingerprint) {
      const settling = Promise.withResolvers<void>();
      expected.set(fingerprint, settling.promise);
      return () => {
        if (expected.get(fingerprint) === settling.promise) expected.delete(fingerprint);
        settling.resolve();
      };
    },

    async drain(message, withinMs) {
      closed = true;
      guests.close({ reason: Reason.SHUTDOWN, message });
      await Promise.all([...lines.values()].map((line) => line.drain(message, withinMs)));
    },

    close() {
      closed = true;
      unsubscribe();
      listeners.clear();
      const reason = { reason: Reason.SHUTDOWN, message: "This agent is stopping." };
      guests.close(reason);
      for (const line of lines.values()) line.cut(reason);
      lines.clear();
    },
  };
}

/** The options of a dial on this session, by which it says what the records of both ends call the stream. */
export function namingStream(session: Session, { answered, ...options }: PeerDialOptions): DialOptions {
  return { ...options, ...(answered && { numbered: (stream: number) => answered(streamName(session, stream)) }) };
}

function isDialledElsewhere(before: Peer, after: Peer): boolean {
  return (
    before.url !== after.url ||
    !isDeepStrictEqual(before.relays ?? [], after.relays ?? []) ||
    before.outerTls?.insecure !== after.outerTls?.insecure ||
    before.outerTls?.rootCaPem !== after.outerTls?.rootCaPem
  );
}
