/** The connections of one Forward: each is dialled, held to what all of them may have, and counted. */
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Clock, Timer } from "../../base/clock.ts";
import { errorText } from "../../base/error-text.ts";
import { breakOff, join } from "../../base/join.ts";
import type { Log } from "../../base/log.ts";
import { type ConnectionEnd, proxyHeader } from "../../base/proxy-protocol.ts";
import { createRateLimit, type RateLimit } from "../../base/rate-limit.ts";
import { ByteRate, paceOf } from "../byte-rate.ts";
import { type TunnelFailure, toTunnelError } from "../tunnel-error.ts";
import type { UseRules } from "./plan.ts";

/** How the latest connection fared. */
export type Fare =
  | { readonly ok: true }
  | { readonly ok: false; readonly failure: TunnelFailure; readonly message: string };

export interface TrafficCounts {
  /** Now, being made and open. */
  readonly connections: number;
  /** Since the start, by what became of them. */
  readonly opened: Readonly<Record<string, number>>;
  /** Bytes to the target, and from it. */
  readonly out: number;
  readonly in: number;
}

export interface TrafficDeps {
  /** Told when the latest connection fared otherwise than the one before. */
  onFare(fare: Fare): void;
  readonly clock: Clock;
  /** Names the Forward. */
  readonly log: Log;
}

/** Opens a connection to the target. */
export type TargetDialer = (signal: AbortSignal) => Promise<Duplex>;

export class Traffic {
  readonly #deps: TrafficDeps;
  readonly #rate: ByteRate;
  readonly #open = new Set<AbortController>();
  readonly #opened: Record<string, number> = {};
  #rules: UseRules;
  #opens: RateLimit | undefined;
  #in = 0;
  #out = 0;
  #fare: Fare | undefined;

  constructor(deps: TrafficDeps, rules: UseRules) {
    this.#deps = deps;
    this.#rules = rules;
    this.#rate = new ByteRate(deps.clock, rules.bytesPerSecond);
    this.#opens = this.#opensFor(rules);
  }

  /** For what is open too, but for the header, which has been sent. */
  set rules(rules: UseRules) {
    if (rules.connectionsPerSecond !== this.#rules.connectionsPerSecond) this.#opens = this.#opensFor(rules);
    this.#rules = rules;
    this.#rate.perSecond = rules.bytesPerSecond;
  }

  get counts(): TrafficCounts {
    return { connections: this.#open.size, opened: { ...this.#opened }, in: this.#in, out: this.#out };
  }

  /** How the latest connection fared; undefined before the first. */
  get fare(): Fare | undefined {
    return this.#fare;
  }

  /** Never rejects; resolves when it is over. One that is not taken over there, or is too many, is reset. `ended` breaks it off. */
  async pass(socket: Socket, dial: TargetDialer, ended: AbortSignal): Promise<void> {
    socket.on("error", () => undefined);
    const tooMany = this.#tooMany();
    if (tooMany !== undefined) {
      this.#count("limited");
      this.#deps.log.debug({ reason: tooMany }, "a connection to a forward was too many");
      breakOff(socket, new Error(tooMany));
      return;
    }
    const gone = new AbortController();
    this.#open.add(gone);
    const onClose = (): void => gone.abort(new Error("Who connected has gone."));
    socket.once("close", onClose);
    const either = AbortSignal.any([gone.signal, ended]);
    try {
      const header = this.#rules.proxyProtocol ? headerFor(socket) : undefined;
      const stream = await dial(either);
      socket.off("close", onClose);
      if (socket.destroyed || either.aborted) {
        stream.on("error", () => undefined).destroy();
        throw either.reason ?? new Error("Who connected has gone.");
      }
      this.#count("taken");
      this.#fared({ ok: true });
      if (header) stream.write(header);
      await this.#carry(socket, stream, ended);
    } catch (error) {
      const { failure, message } = toTunnelError(error);
      if (either.aborted) this.#count("cancelled");
      else {
        this.#count(failure);
        this.#fared({ ok: false, failure, message });
      }
      breakOff(socket, error instanceof Error ? error : new Error(errorText(error)));
    } finally {
      this.#open.delete(gone);
    }
  }

  async #carry(socket: Socket, stream: Duplex, ended: AbortSignal): Promise<void> {
    const { clock, log } = this.#deps;
    let movedAt = clock.monotonic();
    let timer: Timer | undefined;
    const end = (reason: Error): void => {
      breakOff(socket, reason);
      stream.destroy(reason);
    };
    const onEnded = (): void => end(ended.reason instanceof Error ? ended.reason : new Error("The forward has ended."));
    const look = (): void => {
      const { idleMs } = this.#rules;
      const idle = clock.monotonic() - movedAt;
      if (idleMs !== undefined && idle >= idleMs)
        end(new Error("Nothing has passed for as long as the forward allows."));
      else if (idleMs !== undefined) timer = clock.after(Math.max(1, idleMs - idle), look);
      // It may be set later.
      else timer = undefined;
    };
    ended.addEventListener("abort", onEnded, { once: true });
    const joined = join(socket, stream, (side) =>
      paceOf([this.#rate], (bytes) => {
        movedAt = clock.monotonic();
        if (side === socket) this.#out += bytes;
        else this.#in += bytes;
      }),
    );
    if (ended.aborted) onEnded();
    look();
    const { sent, received, error } = await joined;
    timer?.cancel();
    ended.removeEventListener("abort", onEnded);
    log.debug({ sent, received, ...(error && { err: error }) }, "a connection to a forward has ended");
  }

  #tooMany(): string | undefined {
    const { connections, connectionsPerSecond } = this.#rules;
    if (this.#open.size >= connections) return `There are ${connections} connections already.`;
    if (this.#opens && !this.#opens.take()) return `${connectionsPerSecond} connections have begun within a second.`;
    return undefined;
  }

  #opensFor({ connectionsPerSecond: perSecond }: UseRules): RateLimit | undefined {
    if (perSecond === undefined) return undefined;
    return createRateLimit({ clock: this.#deps.clock, burst: perSecond, perSecond });
  }

  #count(what: string): void {
    this.#opened[what] = (this.#opened[what] ?? 0) + 1;
  }

  #fared(fare: Fare): void {
    const before = this.#fare;
    this.#fare = fare;
    if (before && textOf(before) === textOf(fare)) return;
    this.#deps.onFare(fare);
  }
}

function textOf(fare: Fare): string {
  return fare.ok ? "" : `${fare.failure}: ${fare.message}`;
}

function headerFor(socket: Socket): Buffer {
  return proxyHeader(endOf(socket.remoteAddress, socket.remotePort), endOf(socket.localAddress, socket.localPort));
}

function endOf(address: string | undefined, port: number | undefined): ConnectionEnd | undefined {
  return address === undefined || port === undefined ? undefined : { address, port };
}
