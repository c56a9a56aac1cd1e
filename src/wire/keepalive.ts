import type { Clock, Timer } from "../base/clock.ts";
import type { Limits } from "./limits.ts";
import { Reason } from "./reason.ts";

export interface KeepaliveDeps {
  readonly clock: Clock;
  readonly limits: Pick<Limits, "quietMs" | "deadMs" | "stalledMs">;
  /** Sends a Ping with this id. */
  ping(id: number): void;
  /** Called once, with SILENT or STALLED. */
  dead(reason: Reason, message: string): void;
  /** From 0 up to 1; `Math.random` unless given. */
  readonly random?: () => number;
}

/** From Ping to Pong, in milliseconds. */
export interface RoundTrip {
  readonly latest: number;
  /** Of all that were measured: what is left of it when nothing else is under way. */
  readonly least: number;
}

/** A round trip that somebody goes by is measured so often, in milliseconds: one sample may have met a busy moment. */
const freshMs = 1_000;

/** A look that is later than so many milliseconds was kept from happening; less is a timer's usual delay. */
const leastPauseMs = 500;
/**
 * After a pause that was so long, of this process or of the machine, everything between the two ends may have forgotten the
 * connection. The other end is asked at once and has so long to answer, instead of the usual time. Milliseconds.
 */
const longPauseMs = 5_000;
const answerMs = 10_000;

/**
 * Watches whether a carrier lives. Each received byte is a sign of life, so a ping that waits behind bulk data never
 * kills a busy link. A ping goes out when it was quiet for a while, sooner by up to a fifth at random so that a thousand
 * links do not ping together. Bytes that wait to be written and do not move are death too, even while the other end still talks, unless
 * what it says answers something that was sent: a connection may take long for one write and be only slow.
 * Time in which this process did not run counts for neither: what came meanwhile waits unread. But after a long pause, as when the
 * machine slept, it asks at once, and takes silence for death sooner.
 */
export class Keepalive {
  readonly #deps: KeepaliveDeps;
  #heardAt: number;
  /** When bytes that now wait last moved; undefined while none wait. */
  #movedAt: number | undefined;
  #quietMs = 0;
  #timer: Timer | undefined;
  /** When it looks next. */
  #dueAt = 0;
  /** When something has to have come, after a long pause; undefined when something has, or there was none. */
  #answerBy: number | undefined;
  /** Wall time less that of the monotonic clock, which stands still while the machine sleeps. */
  #wallAhead: number;
  #pings = 0;
  #pingedAt: number | undefined;
  #roundTrip: RoundTrip | undefined;
  /** A busy link is asked now and then too, so that its round trip is not from yesterday. */
  #measuredAt: number;

  constructor(deps: KeepaliveDeps) {
    this.#deps = deps;
    this.#heardAt = deps.clock.monotonic();
    this.#measuredAt = this.#heardAt;
    this.#wallAhead = deps.clock.now() - this.#heardAt;
    this.#draw();
    this.#arm();
  }

  get roundTripMs(): RoundTrip | undefined {
    return this.#roundTrip;
  }

  /** How long nothing has come, in milliseconds. */
  get silentMs(): number {
    return this.#deps.clock.monotonic() - this.#heardAt;
  }

  /** Bytes have come. */
  heard(): void {
    this.#heardAt = this.#deps.clock.monotonic();
    this.#answerBy = undefined;
  }

  /** Bytes have been taken by the connection, or are the first to wait; `waiting` says whether any wait now. */
  moved(waiting: boolean): void {
    this.#movedAt = waiting ? this.#deps.clock.monotonic() : undefined;
  }

  /** The other end has answered something that was sent: what waits behind it is on its way. */
  arrived(): void {
    if (this.#movedAt !== undefined) this.#movedAt = this.#deps.clock.monotonic();
  }

  /** Asks at once; the answer gives a round trip. At most one question is under way. */
  ask(): void {
    if (this.#pingedAt !== undefined) return;
    this.#pings += 1;
    this.#pingedAt = this.#deps.clock.monotonic();
    this.#deps.ping(this.#pings);
  }

  /** Asks if the last answer is from more than a second ago, while somebody wants to know how far the other end is. */
  refresh(): void {
    if (this.#deps.clock.monotonic() - this.#measuredAt >= freshMs) this.ask();
  }

  ponged(id: number): void {
    if (id !== this.#pings || this.#pingedAt === undefined) return;
    this.#measuredAt = this.#deps.clock.monotonic();
    const latest = this.#measuredAt - this.#pingedAt;
    this.#roundTrip = { latest, least: Math.min(latest, this.#roundTrip?.least ?? latest) };
    this.#pingedAt = undefined;
    this.arrived();
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #arm(): void {
    const { clock, limits } = this.#deps;
    const now = clock.monotonic();
    // Looking a few times within the shortest bound is as exact as anybody needs, and costs nothing for each byte.
    const every = Math.min(limits.stalledMs / 4, limits.deadMs / 9);
    const untilPing = this.#heardAt + this.#quietMs - now;
    const next = untilPing > 0 ? Math.min(every, untilPing) : every;
    this.#dueAt = now + next;
    this.#timer = clock.after(next, () => this.#look());
    this.#timer.unref?.();
  }

  #look(): void {
    const { clock, limits } = this.#deps;
    const now = clock.monotonic();
    const lateMs = now - this.#dueAt;
    const wallAhead = clock.now() - now;
    const sleptMs = wallAhead - this.#wallAhead;
    this.#wallAhead = wallAhead;
    this.#forgive(lateMs, now);
    if (Math.max(lateMs, sleptMs) >= longPauseMs) this.#wake(now);
    const silentMs = now - this.#heardAt;
    const stuckMs = this.#movedAt === undefined ? 0 : now - this.#movedAt;
    if (silentMs >= limits.deadMs) {
      this.#deps.dead(Reason.SILENT, `Nothing was heard from the other end for ${Math.round(silentMs / 1000)} s.`);
      return;
    }
    if (stuckMs >= limits.stalledMs) {
      this.#deps.dead(Reason.STALLED, `Nothing could be sent to the other end for ${Math.round(stuckMs / 1000)} s.`);
      return;
    }
    if (this.#answerBy !== undefined && now >= this.#answerBy) {
      const message = `Nothing was heard from the other end within ${answerMs / 1000} s after this end had slept.`;
      this.#deps.dead(Reason.SILENT, message);
      return;
    }
    if (silentMs >= this.#quietMs) {
      // A question that got no answer is asked again each quiet time.
      if (this.#pingedAt !== undefined && now - this.#pingedAt >= this.#quietMs) this.#pingedAt = undefined;
      if (this.#pingedAt === undefined) this.#draw();
      this.ask();
    } else if (now - this.#measuredAt >= limits.quietMs * 4) {
      this.ask();
    }
    this.#arm();
  }

  /** A look that comes late tells that nobody was listening here: a busy machine, or a process that was held. */
  #forgive(lateMs: number, now: number): void {
    if (lateMs < leastPauseMs) return;
    this.#heardAt = Math.min(now, this.#heardAt + lateMs);
    if (this.#movedAt !== undefined) this.#movedAt = Math.min(now, this.#movedAt + lateMs);
    if (this.#pingedAt !== undefined) this.#pingedAt = Math.min(now, this.#pingedAt + lateMs);
    if (this.#answerBy !== undefined) this.#answerBy += lateMs;
  }

  /** An older question may have been lost with the connection. */
  #wake(now: number): void {
    this.#answerBy = now + answerMs;
    this.#pingedAt = undefined;
    this.ask();
  }

  #draw(): void {
    const random = this.#deps.random ?? Math.random;
    this.#quietMs = this.#deps.limits.quietMs * (1 - random() / 5);
  }
}
