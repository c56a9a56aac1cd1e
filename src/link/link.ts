/** A link: a session, and who is at its other end. Both ends of a link are alike once it stands, whoever dialled. */
import type { Clock } from "../base/clock.ts";
import type { Fingerprint } from "../identity/fingerprint.ts";
import type { LocalHello } from "../wire/hello.ts";
import type { IncomingStream } from "../wire/incoming.ts";
import type { Limits } from "../wire/limits.ts";
import { PeerSessions } from "../wire/peer-sessions.ts";
import { type CloseReason, Reason, SessionError } from "../wire/reason.ts";
import { type AgentBudget, type CarrierFacts, openSession, type Session, type SessionEnd } from "../wire/session.ts";
import { LinkError } from "./error.ts";
import type { SecureCarrier } from "./secure.ts";

export interface Link {
  /** Of the other end's CA: proven by TLS. Whether it is a peer or a guest is not known here. */
  readonly fingerprint: Fingerprint;
  /** The other end's CA certificate, PEM. */
  readonly caPem: string;
  readonly session: Session;
  /** What it goes on with at the next carrier; undefined when it ends with the one that it has. */
  readonly kept: Kept | undefined;
  /** Whether this end dialled the carrier that it is on, or the last one. */
  readonly dialled: boolean;
  /** Where that came from or went to. An ingress's or proxy's address, if one stands between. */
  readonly remoteAddress: string | undefined;
  /** The agent that carries that and cannot read it; undefined when the connection is direct. */
  readonly through: Fingerprint | undefined;
  /** Settles when the link is over, and says why; never rejects. */
  readonly closed: Promise<LinkEnd>;
  /** Ends the link at once. */
  close(reason: CloseReason): void;
}

export type LinkEnd = SessionEnd;

/**
 * What outlives the carriers to one agent: its sessions, and the link that each is known by. A carrier that is opened with the
 * same one goes on with what is there. It lives as long as the pairing, and no longer than this process.
 */
export class Kept {
  readonly sessions: PeerSessions;
  readonly #links = new WeakMap<Session, Link>();

  constructor(clock: Pick<Clock, "now">) {
    this.sessions = new PeerSessions(clock);
  }

  /** The link of a session that was there before. */
  find(session: Session): Link | undefined {
    return this.#links.get(session);
  }

  add(link: Link): void {
    this.#links.set(link.session, link);
  }

  /** Ends what there is, whether it has a carrier or waits for one. */
  close(reason: CloseReason): void {
    this.sessions.close(reason);
  }
}

/** What `openLink` needs besides the carrier. */
export interface LinkDeps {
  readonly fingerprint: Fingerprint;
  readonly hello: LocalHello;
  readonly clock: Clock;
  readonly limits?: Partial<Limits> | undefined;
  /** What all links of this agent may promise together; without bound unless given. */
  readonly budget?: AgentBudget | undefined;
  /**
   * What is kept of links to the agent with this fingerprint, the same object for each carrier to it; undefined when a link to it
   * is to end with its carrier, as all do unless this is given.
   */
  readonly kept?: ((fingerprint: Fingerprint) => Kept | undefined) | undefined;
  /** Called with the link, before its first stream; again with the same one, for each later carrier of it. It must not throw. */
  opened(link: Link): void;
  /** Called for each stream that the other end opens, synchronously; it must not throw. */
  accept(link: Link, stream: IncomingStream): void;
  /** Told what `accept` or the listener of a stream threw, which has ended the link with that agent; nothing unless said. */
  readonly onDefect?: ((error: unknown, fingerprint: Fingerprint) => void) | undefined;
}

/**
 * Says Hello on a carrier whose other end is proven, and resolves when the other's has come: only then does this end know that it was
 * not refused. Resolves with the link that there is, when that goes on at this carrier. Owns the carrier. Rejects with `LinkError`,
 * or with the signal's reason.
 */
export async function openLink(
  carrier: SecureCarrier,
  deps: LinkDeps,
  from: CarrierFacts,
  signal: AbortSignal,
): Promise<Link> {
  const twin = carrier.fingerprint === deps.fingerprint;
  // Nothing is kept for a twin: neither end could tell whose it is.
  const kept = twin ? undefined : deps.kept?.(carrier.fingerprint);
  let link: Link | undefined;
  const low = twin ? from.dialled : deps.fingerprint < carrier.fingerprint;
  const facts = { ...from, provenUntil: carrier.provenUntil };
  const session = await sayHello(carrier, deps, { facts, low, kept }, signal, (stream) => {
    // The session hands over no stream before this function has gone on, so only a twin's find no link.
    if (link) deps.accept(link, stream);
  });
  if (twin) throw refuseTwin(session, deps.hello);
  link = kept?.find(session) ?? linkOf(session, carrier, kept);
  deps.opened(link);
  return link;
}

function linkOf(session: Session, { fingerprint, caPem }: SecureCarrier, kept: Kept | undefined): Link {
  const link: Link = {
    fingerprint,
    caPem,
    session,
    kept,
    get dialled() {
      return session.carrier.dialled;
    },
    get remoteAddress() {
      return session.carrier.remoteAddress;
    },
    get through() {
      return session.carrier.through;
    },
    closed: session.closed,
    close: (reason) => session.close(reason),
  };
  kept?.add(link);
  return link;
}

async function sayHello(
  { stream: carrier, fingerprint }: SecureCarrier,
  deps: LinkDeps,
  { facts, low, kept }: { facts: CarrierFacts; low: boolean; kept: Kept | undefined },
  signal: AbortSignal,
  accept: (stream: IncomingStream) => void,
): Promise<Session> {
  const { hello, clock, limits, budget } = deps;
  const onDefect = (error: unknown): void => deps.onDefect?.(error, fingerprint);
  try {
    return await openSession(
      {
        carrier,
        facts,
        side: low ? "low" : "high",
        hello,
        clock,
        accept,
        onDefect,
        ...(kept && { sessions: kept.sessions }),
        ...(limits && { limits }),
        ...(budget && { budget }),
      },
      signal,
    );
  } catch (cause) {
    if (!(cause instanceof SessionError)) throw cause;
    const message = `The other end did not open a session: ${cause.message} If it refused this end, its log says why.`;
    throw new LinkError("refused", message, cause);
  }
}

/** Two agents with one identity would take each other's place at every peer, so neither may link to the other. */
function refuseTwin(session: Session, hello: LocalHello): LinkError {
  const self = Buffer.from(session.remote.instance).equals(Buffer.from(hello.instance));
  const message = self
    ? "This agent dialled itself: the URL leads back here."
    : "Another living agent has this agent's identity, as when a cluster was cloned with its Secrets. Delete the identity of one of the two, and pair it anew.";
  session.close({ reason: Reason.DUPLICATE_INSTANCE, message });
  return new LinkError("same-identity", message);
}
