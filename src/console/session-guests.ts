/** The programs that hold sessions with a console, and what each of them has: what they went by at the door, and what goes on. */

import type { Clock, Timer } from "../base/clock.ts";
import { createPlaces } from "../base/places.ts";
import { PeerSessions } from "../wire/peer-sessions.ts";
import { Reason } from "../wire/reason.ts";
import type { Session } from "../wire/session.ts";
import type { Authenticator } from "./auth/authenticator.ts";
import { type Principal, personOf } from "./auth/principal.ts";

/** One program. */
export interface Guest {
  /** Names what it signed in by. Each of its connections brings the same. */
  readonly credential: string;
  /** Present when its sessions go on at its next connection. */
  readonly sessions: PeerSessions | undefined;
  /** A session of it has been opened, or goes on. */
  holds(session: Session): void;
  /** One of its connections is done being opened, well or not. */
  opened(): void;
}

/** Each is at the most what a link is; people and their programs need few. */
export const mostGuests = 512;
/** Of one person, so that nobody keeps all others out. */
export const mostOfOne = 64;
/** A token that is withdrawn ends what runs under it within so many milliseconds. */
const lookMs = 500;

export class SessionGuests {
  readonly #authenticator: Pick<Authenticator, "present">;
  readonly #clock: Clock;
  readonly #guests = new Map<string, HeldGuest>();
  /** Programs of each person, and all. */
  readonly #places = createPlaces({ ofOne: mostOfOne, all: mostGuests });
  #strangers = 0;
  #look: Timer | undefined;

  constructor(authenticator: Pick<Authenticator, "present">, clock: Clock) {
    this.#authenticator = authenticator;
    this.#clock = clock;
  }

  /** Sessions now, those among them that wait for their next connection. */
  get size(): number {
    return this.sessions().length;
  }

  sessions(): Session[] {
    return [...this.#guests.values()].flatMap(({ live }) => [...live]);
  }

  /**
   * The program of a connection that comes. `id` is how it names itself, 128 random bits that nobody else knows, and without one its sessions end with
   * their connection; another credential makes another program of it. A sentence that says why not when there are too many. Whoever gets one calls its `opened`.
   */
  welcome(
    principal: Pick<Principal, "kind" | "name" | "owner" | "credential">,
    id: string | undefined,
  ): Guest | string {
    const { credential } = principal;
    this.#strangers += 1;
    const key = id === undefined ? `${this.#strangers}` : `${id} ${credential}`;
    let guest = this.#guests.get(key);
    if (guest === undefined) {
      const place = this.#places.take(personOf(principal));
      if (place === "own") return `${mostOfOne} of your programs hold sessions already.`;
      if (place === "all") return `${mostGuests} programs hold sessions already.`;
      const sessions = id === undefined ? undefined : new PeerSessions(this.#clock);
      guest = new HeldGuest(credential, sessions, () => {
        this.#guests.delete(key);
        place();
      });
      this.#guests.set(key, guest);
    }
    guest.opening += 1;
    this.#watch();
    return guest;
  }

  /** Ends all sessions of whoever went by a token that does not count any more. */
  end(guest: Guest): void {
    const reason = { reason: Reason.DENIED, message: "The token is not valid any more." };
    for (const held of this.#guests.values()) if (held === guest) for (const one of held.live) one.close(reason);
  }

  close(): void {
    this.#look?.cancel();
  }

  /** Looks now and then whether each token still counts, while there is anybody. */
  #watch(): void {
    if (this.#look !== undefined) return;
    this.#look = this.#clock.after(lookMs, () => {
      this.#look = undefined;
      for (const guest of this.#guests.values()) {
        if (!this.#authenticator.present(guest.credential)) this.end(guest);
      }
      if (this.#guests.size > 0) this.#watch();
    });
    this.#look.unref?.();
  }
}

class HeldGuest implements Guest {
  readonly credential: string;
  readonly sessions: PeerSessions | undefined;
  readonly live = new Set<Session>();
  readonly #gone: () => void;
  opening = 0;

  constructor(credential: string, sessions: PeerSessions | undefined, gone: () => void) {
    this.credential = credential;
    this.sessions = sessions;
    this.#gone = gone;
  }

  holds(session: Session): void {
    if (this.live.has(session)) return;
    this.live.add(session);
    void session.closed.then(() => {
      this.live.delete(session);
      this.#leave();
    });
  }

  opened(): void {
    this.opening -= 1;
    this.#leave();
  }

  #leave(): void {
    if (this.live.size === 0 && this.opening === 0) this.#gone();
  }
}
