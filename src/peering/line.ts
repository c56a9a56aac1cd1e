import type { Transport } from "@connectrpc/connect";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { Kept, type Link, type LinkEnd } from "../link/link.ts";
import { type CloseReason, Reason, reasonName } from "../wire/reason.ts";
import type { CarrierChange } from "../wire/session.ts";
import { DepartingLinks } from "./departing-links.ts";
import { Grace } from "./grace.ts";
import type { HeldLink } from "./held-link.ts";
import { describeDuplicate, IdentityChallenge } from "./identity-challenge.ts";
import { LineTally } from "./line-tally.ts";
import { type LinkStatus, pathOf } from "./link-status.ts";
import { LinkWaiters, Unreachable } from "./link-waiters.ts";
import type { Redialer } from "./redialer.ts";

export interface LineDeps {
  /** Our name for the peer. */
  readonly name: string;
  readonly clock: Clock;
  readonly log: Log;
  createTransport(link: Link): Transport;
  /** What we call another agent, such as a relay. */
  nameOf(fingerprint: string): string;
  /** Whether somebody answers on the link, within a few seconds; never rejects. */
  probe(held: HeldLink): Promise<boolean>;
  /** Told after each change of `status`. */
  changed(): void;
  /** Told when two living agents have the peer's identity. */
  duplicate(message: string): void;
}

/** How long this end, when it leaves, waits for a carrier of a link that has none. Milliseconds. */
const lastChanceMs = 2_000;

/**
 * The line to one peer: the one link that counts, and those that come and go beside it. The link goes on at another carrier when
 * it loses one, so another link comes only with another process at the other end, with a session that was given up, or with
 * an end that cannot go on; then the newest counts.
 */
export class PeerLine {
  /** What its links have moved and met. */
  readonly tally: LineTally;
  readonly #deps: LineDeps;
  readonly #waiters: LinkWaiters;
  readonly #departing: DepartingLinks;
  #redialer: Redialer | undefined;
  #held: HeldLink | undefined;
  /** Whether that has a carrier. Without one it waits for the next, at which its streams go on. */
  #carried = false;
  #kept: Kept;
  #challenge: IdentityChallenge | undefined;
  #cut = false;
  #epoch = 0;
  #since: number;
  readonly #grace: Grace;
  #lastError: string | undefined;
  #lastSeenAt: number | undefined;
  #bytesSeen = 0;

  constructor(deps: LineDeps) {
    this.#deps = deps;
    this.tally = new LineTally(deps.clock);
    this.#since = deps.clock.now();
    this.#waiters = new LinkWaiters(deps.clock);
    this.#kept = new Kept(deps.clock);
    this.#departing = new DepartingLinks(deps.clock);
    this.#grace = new Grace(deps.clock, () => {
      if (!this.#current) this.#endGrace();
    });
    this.#grace.start();
  }

  /** What the next carrier goes on with. */
  get kept(): Kept {
    return this.#kept;
  }

  /** The link that can be used now. */
  get #current(): HeldLink | undefined {
    return this.#carried ? this.#held : undefined;
  }

  /** Whether a link is being made. */
  get #beingMade(): boolean {
    return this.#grace.lasts || (this.#redialer?.dialling ?? false);
  }

  /**
   * Who dials for this line; undefined when no way to the peer is known. The line tells it when to. `moved` when what it dials is not what
   * was dialled before.
   */
  setRedialer(redialer: Redialer | undefined, o = { moved: false }): void {
    this.#redialer?.close();
    this.#redialer = redialer;
    const held = this.#current;
    if (held) this.#tellRedialer(held.link);
    // What was dialled to where the peer was before, or needed a relay, goes on at a carrier to where it is now.
    if (!held || (o.moved && (held.link.dialled || this.way === "relayed"))) redialer?.kick();
  }

  /** Takes a link to the peer, whoever dialled it, and decides whether it is the one that counts. Harmless for one that it has. */
  offer(link: Link): void {
    const { log, name } = this.#deps;
    if (this.#cut) {
      link.close(removed);
      return;
    }
    if (this.standing(link).kind !== "unknown") return;
    this.tally.add(link.session);
    const held: HeldLink = {
      link,
      transport: this.#deps.createTransport(link),
      instance: Buffer.from(link.session.remote.instance).toString("hex"),
    };
    log.debug({ peer: name, dialled: link.dialled, address: link.remoteAddress }, "link stands");
    void link.closed.then((end) => this.#ended(held, end));
    void link.session.leaving.then((reason) => this.#left(held, reason));
    link.session.onCarrier((change) => this.#moved(held, change));
    this.#place(held);
  }

  /** "undecided" while it is not known whether the link will count; `settled` resolves when it is. */
  standing(link: Link): { kind: "held" | "unknown" } | { kind: "undecided"; settled: Promise<void> } {
    if (this.#challenge?.has(link)) return { kind: "undecided", settled: this.#challenge.over };
    const isHeld = this.#held?.link === link || this.#departing.hasLink(link);
    return { kind: isHeld ? "held" : "unknown" };
  }

  /** The link that counts; waits for it while it is being made or has no carrier. Rejects with `Unreachable`. */
  async connected(signal?: AbortSignal): Promise<HeldLink> {
    if (this.#current) return this.#current;
    if (this.#cut || !this.#beingMade) throw new Unreachable(this.#unreachable());
    return this.#waiters.wait(() => this.#unreachable(), signal);
  }

  attemptFailed(message: string): void {
    const { log, name } = this.#deps;
    if (this.#current) {
      if (this.#current.link.through === undefined) return;
      // It works, and could be better: whoever looks sees why it is not.
      this.#lastError = `It is not dialled directly: ${message}`;
      this.#deps.changed();
      return;
    }
    // One line for each reason, not for each attempt.
    log[message === this.#lastError ? "debug" : "info"]({ peer: name, reason: message }, "peer not reached");
    this.#lastError = message;
    this.#endGrace();
  }

  /**
   * The other end does not serve us as its peer, although a link stands. It ends here, so that nobody takes it for a
   * connection, and is tried again after ever longer waits, for the other end may be restored from a backup.
   */
  disowned(): void {
    const held = this.#held;
    if (!held) return;
    const message = "It does not know this agent as its peer (any more): remove it here, or pair again with an invite.";
    this.#held = undefined;
    held.link.close({ reason: Reason.SESSION_LOST, message: "The other end does not serve this agent as its peer." });
    this.#grace.forgo();
    this.#lost(message, { grace: false });
  }

  /** By which way its link goes now; undefined without a carrier. */
  get way(): "direct" | "relayed" | undefined {
    const link = this.#current?.link;
    return link && (link.through === undefined ? "direct" : "relayed");
  }

  /** Dials at once. A link that stands goes on as it is until it can go on at the new carrier. */
  kick(): void {
    this.#redialer?.kick();
  }

  status(): LinkStatus {
    const { clock } = this.#deps;
    const held = this.#held;
    const stats = held?.link.session.stats();
    if (stats && stats.bytesIn !== this.#bytesSeen) {
      this.#bytesSeen = stats.bytesIn;
      this.#lastSeenAt = clock.now();
    }
    return {
      state: this.#carried ? "connected" : this.#grace.lasts ? "connecting" : "disconnected",
      since: this.#since,
      held: held !== undefined,
      epoch: this.#epoch,
      roundTripMs: stats?.roundTripMs,
      session: stats,
      lastSeenAt: this.#lastSeenAt,
      lastError: this.#lastError,
      ...(held && {
        ...pathOf(held.link, this.#deps.nameOf),
        remoteAddress: held.link.remoteAddress,
        version: held.link.session.remote.version,
        instance: held.instance,
      }),
    };
  }

  /** Ends the line: every link, every wait, every attempt. */
  cut(reason: CloseReason): void {
    this.#cut = true;
    this.#redialer?.close();
    this.#grace.cancel();
    const waiting = this.#challenge?.waiting ?? [];
    const links = [this.#held, ...waiting];
    this.#held = undefined;
    this.#carried = false;
    this.#lastError = reason.message;
    for (const held of links) held?.link.close(reason);
    this.#departing.close(reason);
    this.#kept.close(reason);
    this.#waiters.rejectAll(reason.message);
  }

  /** Lets what runs finish, at most so long, and ends the line. */
  async drain(message: string, withinMs: number): Promise<void> {
    this.#redialer?.close();
    const held = this.#held;
    // Nobody dials for it any more, so it goes on only if the other end is dialling now.
    const leftMs = this.#carried ? withinMs : Math.min(withinMs, lastChanceMs);
    if (held) {
      // Not connected any more for whoever keeps a call open as long as there is a link; else nothing would ever finish.
      this.#departing.add(held);
      this.#held = undefined;
      this.#grace.forgo();
      this.#lost(message, { grace: false });
      await held.link.session.drain(message, leftMs);
    }
    this.cut({ reason: Reason.SHUTDOWN, message });
  }

  #place(held: HeldLink): void {
    const before = this.#held;
    if (!before) this.#adopt(held);
    else if (!this.#carried)
      this.#succeed(before, [held], "It had no connection, and a new start of this agent has come.");
    else if (before.instance !== held.instance) this.#challengeFor(held, before);
    else {
      this.#retire(before);
      this.#adopt(held);
    }
  }

  #adopt(held: HeldLink): void {
    this.#held = held;
    this.#epoch += 1;
    this.#kept = held.link.kept ?? this.#kept;
    const { bytesIn, carrierlessSince } = held.link.session.stats();
    this.#bytesSeen = bytesIn;
    if (carrierlessSince === undefined) this.#up(held);
    else this.#lost("Its connection was lost at once.", { atOnce: true });
  }

  /** The link has a carrier: it is a new one, or goes on. */
  #up(held: HeldLink, moved = false): void {
    const { log, name, clock } = this.#deps;
    if (!this.#carried) this.#since = clock.now();
    this.#carried = true;
    this.#lastSeenAt = clock.now();
    this.#lastError = undefined;
    this.#grace.cancel();
    this.#departing.endLost(held);
    this.#tellRedialer(held.link);
    const { dialled, remoteAddress, through } = held.link;
    const news = moved ? "the link to the peer goes on at another connection" : "peer connected";
    log.info({ peer: name, dialled, address: remoteAddress, through, instance: held.instance }, news);
    this.#waiters.resolveAll(held);
    this.#deps.changed();
  }

  #tellRedialer({ dialled, through, session }: Link): void {
    const provenUntil = dialled ? session.carrier.provenUntil : undefined;
    this.#redialer?.up({ relayed: through !== undefined, provenUntil });
  }

  #moved(held: HeldLink, change: CarrierChange): void {
    if (held !== this.#held) {
      if (this.#current) this.#departing.endLost(this.#current);
      return;
    }
    if (change.kind === "stands") {
      this.#up(held, this.#carried);
      return;
    }
    this.#carried = false;
    // Another process waits to be heard, and nobody is there who could contradict it.
    this.#challenge?.giveUp();
    if (held === this.#held) this.#lost(change.why.message, { grace: true, atOnce: true });
  }

  /** No error: both ends know that another link counts. */
  #retire(held: HeldLink): void {
    if (this.#held === held) this.#held = undefined;
    const { log, name } = this.#deps;
    log.debug({ peer: name, dialled: held.link.dialled }, "another link counts from now on");
    this.#departing.retire(held);
  }

  #challengeFor(held: HeldLink, current: HeldLink): void {
    if (this.#challenge) {
      this.#challenge.add(held);
      return;
    }
    this.#challenge = new IdentityChallenge(held, this.#deps.probe(current), (alive, waiting) => {
      this.#challenge = undefined;
      if (this.#cut || waiting.length === 0) return;
      if (this.#held !== current) for (const one of waiting) this.#place(one);
      else if (alive) this.#refuseCopies(current, waiting);
      else this.#succeed(current, waiting, "This agent did not answer, and a new start of it has come.");
    });
  }

  #refuseCopies(current: HeldLink, copies: readonly HeldLink[]): void {
    for (const copy of copies) {
      const message = describeDuplicate(this.#deps.name, current, copy);
      this.#lastError = message;
      copy.link.close({ reason: Reason.DUPLICATE_INSTANCE, message });
      this.#deps.duplicate(message);
    }
    this.#deps.changed();
  }

  /** What ran on the old link ends at once, instead of when the other end has been given up. */
  #succeed(dead: HeldLink, successors: readonly HeldLink[], message: string): void {
    this.#held = undefined;
    dead.link.close({ reason: Reason.REPLACED, message });
    for (const one of successors) this.#place(one);
    if (!this.#held) this.#lost("It did not answer.");
  }

  #left(held: HeldLink, reason: CloseReason): void {
    if (this.#departing.has(held) || this.#cut) return;
    this.#departing.add(held);
    this.#challenge?.drop(held);
    this.#gone(held, reason.message || "The other end leaves.");
  }

  #ended(held: HeldLink, end: LinkEnd): void {
    const wasDeparting = this.#departing.delete(held);
    this.#challenge?.drop(held);
    if (wasDeparting || this.#cut) return;
    const why = end.message || reasonName(end.reason);
    this.#gone(held, end.by === "them" ? `The other end ended the link: ${why}` : why);
  }

  /** The link no longer counts, whether it still finishes something or not. */
  #gone(held: HeldLink, why: string): void {
    if (this.#held !== held) return;
    this.#held = undefined;
    if (this.#carried) {
      this.#lost(why);
      return;
    }
    // It was lost before, and no carrier has come at which it would have gone on.
    this.#lastError = why;
    this.#deps.changed();
  }

  #lost(why: string, { grace = true, atOnce = false } = {}): void {
    const { clock, log, name } = this.#deps;
    this.#carried = false;
    this.#since = clock.now();
    this.#lastError = why;
    log.info({ peer: name, reason: why }, "peer disconnected");
    if (grace) this.#grace.start();
    this.#redialer?.down({ atOnce });
    this.#deps.changed();
  }

  #endGrace(): void {
    if (!this.#beingMade) this.#waiters.rejectAll(this.#unreachable());
    this.#deps.changed();
  }

  #unreachable(): string {
    const since = new Date(this.#since).toISOString();
    const why =
      this.#lastError ??
      (this.#redialer ? "no answer yet" : "it has no URL and no relay here, so it must dial this agent");
    return `${this.#deps.name} has been unreachable since ${since}: ${why}`;
  }
}

export const removed: CloseReason = {
  reason: Reason.REMOVED,
  message: "This agent does not know the other as its peer any more.",
};
