import type { Clock, Timer } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { createRateLimit } from "../base/rate-limit.ts";
import type { Fingerprint } from "../identity/fingerprint.ts";
import type { Link } from "../link/link.ts";
import { type CloseReason, Reason } from "../wire/reason.ts";
import type { Session } from "../wire/session.ts";

/**
 * Links of agents that are not in the roster. There are few of them at a time, and one that is not joining does not stay:
 * what a stranger can hold here is bounded.
 */
export interface Guests {
  /** Harmless for one that is here. */
  admit(link: Link): void;
  has(link: Link): boolean;
  /** Keeps the guest behind a session for as long as it joins; the answer ends that. */
  busy(session: Session): () => void;
  /** The links of an agent that has become a peer; they are no guests any more. */
  release(fingerprint: Fingerprint): Link[];
  close(reason: CloseReason): void;
}

/** Guests at a time; joins that wait for a person among them. */
const mostGuests = 64;
/** How long a guest may do nothing, in milliseconds. */
const idleMs = 10_000;

export function createGuests(deps: { clock: Clock; log: Log }): Guests {
  const { clock, log } = deps;
  const guests = new Map<Link, { idle: Timer | undefined; busy: number }>();
  // Anybody may make keys and come as a guest, as often as they like.
  const noted = createRateLimit({ clock, burst: 60, perSecond: 1 });

  function rest(link: Link): void {
    const guest = guests.get(link);
    if (!guest) return;
    guest.idle = clock.after(idleMs, () => expel(link, notPaired));
    guest.idle.unref?.();
  }

  function expel(link: Link, reason: CloseReason): void {
    guests.get(link)?.idle?.cancel();
    guests.delete(link);
    link.close(reason);
  }

  return {
    admit(link) {
      if (guests.has(link)) return;
      if (guests.size >= mostGuests) {
        const idle = [...guests].find(([, guest]) => guest.busy === 0)?.[0];
        expel(idle ?? link, { reason: Reason.OVERLOADED, message: "Too many guests are here. Try again in a minute." });
        if (!idle) return;
      }
      const { fingerprint, remoteAddress, dialled } = link;
      if (!dialled) log[noted.take() ? "info" : "debug"]({ fingerprint, address: remoteAddress }, "guest came");
      guests.set(link, { idle: undefined, busy: 0 });
      rest(link);
      // Nothing is kept for a stranger that has gone. Once it is a peer, it goes on at its next carrier.
      link.session.onCarrier((change) => {
        if (change.kind === "lost" && guests.has(link)) expel(link, lost);
      });
      void link.closed.then(() => {
        guests.get(link)?.idle?.cancel();
        guests.delete(link);
      });
    },
    has: (link) => guests.has(link),
    busy(session) {
      const [link, guest] = [...guests].find(([one]) => one.session === session) ?? [];
      if (!link || !guest) return () => undefined;
      guest.busy += 1;
      guest.idle?.cancel();
      return () => {
        guest.busy -= 1;
        if (guest.busy === 0) rest(link);
      };
    },
    release(fingerprint) {
      const links = [...guests.keys()].filter((link) => link.fingerprint === fingerprint);
      for (const link of links) {
        guests.get(link)?.idle?.cancel();
        guests.delete(link);
      }
      return links;
    },
    close(reason) {
      for (const link of [...guests.keys()]) expel(link, reason);
    },
  };
}

const lost: CloseReason = { reason: Reason.CARRIER_LOST, message: "The connection of this guest was lost." };

const notPaired: CloseReason = {
  reason: Reason.REMOVED,
  message: "This agent does not know you as its peer. Pair again with an invite, or remove it at your side.",
};
