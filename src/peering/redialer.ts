import { createBackoff } from "../base/backoff.ts";
import type { Clock, Timer } from "../base/clock.ts";
import { createRateLimit } from "../base/rate-limit.ts";

/** Keeps dialling one peer while there is no link to it, or none that has a carrier. */
export interface Redialer {
  /**
   * There is a link now, whoever dialled it. An attempt that is under way goes on: its link may stand at the other end
   * already, which may use it, so that it must be drained and not broken. While it is relayed it is dialled again now and then, if
   * it can be dialled directly; soon, if it was direct until now, as when an attempt through a relay comes in late. One that shows a certificate until `provenUntil` (milliseconds since 1970), and that this end dialled, is
   * dialled again before that, so that both ends prove themselves anew.
   */
  up(o?: { relayed: boolean; provenUntil?: number | undefined }): void;
  /** There is none any more. `atOnce` when it goes on at the next carrier, for which the first attempt does not wait. */
  down(o?: { atOnce: boolean }): void;
  /** Dials at once, also beside a link that stands, unless an attempt is under way; and starts with short waits again. */
  kick(): void;
  /** Whether an attempt is under way. */
  readonly dialling: boolean;
  close(): void;
}

export interface RedialerDeps {
  readonly clock: Clock;
  /** From 0 up to 1, for jitter; `Math.random` unless given. */
  readonly random?: (() => number) | undefined;
  /** Whether a way is known by which a link would not be relayed; false unless given. */
  readonly direct?: boolean;
  /** One attempt. Resolves when a link stands, which was told by `up` if it is the one that counts. */
  dial(signal: AbortSignal): Promise<void>;
  /** Told of each attempt that failed. */
  onFailed(error: unknown): void;
}

/** A link that lasted so long was a good one: the next wait is short again. Milliseconds. */
const stableMs = 10_000;
const leastWaitMs = 1_000;
const longestWaitMs = 30_000;
/** Between attempts to get a relayed link off its relay; milliseconds. */
const leastRelayedWaitMs = 30_000;
const longestRelayedWaitMs = 300_000;

/** What is left of a carrier's time when the next one is opened: a share, between these two. Both ends have new certificates by then. */
const leastShareLeft = 0.05;
const mostShareLeft = 0.25;
/** Between attempts to do so; milliseconds. */
const leastRenewalWaitMs = 60_000;

/**
 * A link that is lost again and again is dialled without a wait so many times at once, and once a second from then on; and
 * after up to so many milliseconds, since the other links that went over the same broken way are dialled now too.
 */
const atOnceBurst = 10;
const atOncePerSecond = 1;
const atOnceSpreadMs = 100;

/** Does not dial before the first `kick`. */
export function createRedialer(deps: RedialerDeps): Redialer {
  const { clock, random = Math.random } = deps;
  const backoff = createBackoff({
    minMs: leastWaitMs,
    maxMs: longestWaitMs,
    random,
  });
  const patient = createBackoff({ minMs: leastRelayedWaitMs, maxMs: longestRelayedWaitMs, random });
  const hurry = createRateLimit({ clock, burst: atOnceBurst, perSecond: atOncePerSecond });
  let attempt: AbortController | undefined;
  let timer: Timer | undefined;
  let upSince: number | undefined;
  /** There is a link, and there may be a better one. */
  let improvable = false;
  let isDirect = false;
  /** A link that was direct has become a relayed one without being lost: the direct way is likely to be open still. */
  let hasStrayed = false;
  let provenUntil: number | undefined;
  let renewal: Timer | undefined;
  let closed = false;

  function armRenewal(failed = false): void {
    renewal?.cancel();
    if (closed || upSince === undefined || provenUntil === undefined) return;
    const share = mostShareLeft - random() * (mostShareLeft - leastShareLeft);
    const waitMs = (provenUntil - clock.now()) * (failed ? leastShareLeft : 1 - share);
    renewal = clock.after(Math.max(leastRenewalWaitMs, waitMs), start);
    renewal.unref?.();
  }

  function wait(ms?: number): void {
    timer?.cancel();
    if (closed || attempt || (upSince !== undefined && !improvable)) return;
    timer = clock.after(ms ?? (hasStrayed || !improvable ? backoff : patient).next(), start);
    timer.unref?.();
  }

  function start(): void {
    timer?.cancel();
    if (closed || attempt) return;
    const mine = new AbortController();
    attempt = mine;
    hasStrayed = false;
    deps.dial(mine.signal).then(
      () => ended(),
      (error: unknown) => {
        ended();
        armRenewal(true);
        if (!mine.signal.aborted) deps.onFailed(error);
      },
    );
  }

  function ended(): void {
    attempt = undefined;
    wait();
  }

  return {
    up({ relayed, provenUntil: until } = { relayed: false }) {
      upSince ??= clock.monotonic();
      provenUntil = until;
      armRenewal();
      timer?.cancel();
      const wasImprovable = improvable;
      improvable = relayed && deps.direct === true;
      if (relayed && isDirect) backoff.reset();
      hasStrayed = relayed && (isDirect || hasStrayed);
      isDirect = !relayed;
      if (improvable && !wasImprovable) patient.reset();
      if (improvable) wait();
    },
    down({ atOnce } = { atOnce: false }) {
      if (upSince === undefined) return;
      // Of a link that only lost its carrier it is known that the other end is there.
      if (atOnce || clock.monotonic() - upSince >= stableMs) backoff.reset();
      upSince = undefined;
      improvable = false;
      isDirect = false;
      hasStrayed = false;
      renewal?.cancel();
      wait(atOnce && hurry.take() ? random() * atOnceSpreadMs : undefined);
    },
    kick() {
      backoff.reset();
      start();
    },
    get dialling() {
      return attempt !== undefined;
    },
    close() {
      closed = true;
      timer?.cancel();
      renewal?.cancel();
      attempt?.abort(new Error("This agent no longer dials the peer."));
    },
  };
}
