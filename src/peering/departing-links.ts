import type { Clock, Timer } from "../base/clock.ts";
import type { Link } from "../link/link.ts";
import { type CloseReason, Reason } from "../wire/reason.ts";
import type { HeldLink } from "./held-link.ts";

/**
 * How long a link that was replaced is left as it is, in milliseconds. The other end may open streams on it until it has
 * seen the one that counts, which takes a round trip; those must not be lost.
 */
const lingerMs = 1_000;
/** How long it may then finish what runs on it. Milliseconds. */
const drainMs = 5_000;
/** Links that may be ending at a time. An agent that comes again and again, or says that it leaves and stays, holds no more. */
const mostDeparting = 8;

/** Links to one peer that no longer count, and may still finish what runs on them. */
export class DepartingLinks {
  readonly #clock: Clock;
  /** With the timer of those that linger. */
  readonly #links = new Map<HeldLink, Timer | undefined>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get all(): HeldLink[] {
    return [...this.#links.keys()];
  }

  has(held: HeldLink): boolean {
    return this.#links.has(held);
  }

  hasLink(link: Link): boolean {
    return this.all.some((held) => held.link === link);
  }

  /** Somebody ends it, or it ends when what runs on it has. */
  add(held: HeldLink, timer?: Timer): void {
    this.#links.set(held, timer);
    const [oldest] = this.#links.keys();
    if (!oldest || this.#links.size <= mostDeparting) return;
    this.delete(oldest);
    oldest.link.close({ reason: Reason.REPLACED, message: "Newer links of the same agent have come." });
  }

  /** Another link counts, which both ends know: no error. This end ends it. */
  retire(held: HeldLink): void {
    const timer = this.#clock.after(lingerMs, () => {
      void held.link.session.drain("Another link between the same two agents counts.", drainMs);
    });
    timer.unref?.();
    this.add(held, timer);
  }

  /** It is over; false when it was not here. */
  delete(held: HeldLink): boolean {
    this.#links.get(held)?.cancel();
    return this.#links.delete(held);
  }

  /** A later process of the peer is here: one that was leaving and lost its connection was killed, and has nothing more to say. */
  endLost({ instance }: HeldLink): void {
    for (const held of this.all) {
      if (held.instance === instance || held.link.session.stats().carrierlessSince === undefined) continue;
      this.delete(held);
      held.link.close({ reason: Reason.REPLACED, message: "It was stopping, and a new start of this agent has come." });
    }
  }

  close(reason: CloseReason): void {
    for (const held of this.all) {
      this.delete(held);
      held.link.close(reason);
    }
  }
}
