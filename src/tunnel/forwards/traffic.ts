/** The connections of one Forward, and its flows of datagrams: each is dialled, held to what all of them may have, and counted. */
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { abortable, startDeadline } from "../../base/abort.ts";
import type { Clock, Timer } from "../../base/clock.ts";
import type { DatagramListenerOptions } from "../../base/datagram-listener.ts";
import type { DatagramPipe } from "../../base/datagram-pipe.ts";
import { errorText } from "../../base/error-text.ts";
import { breakOff, join } from "../../base/join.ts";
import type { Log } from "../../base/log.ts";
import { type ConnectionEnd, proxyHeader } from "../../base/proxy-protocol.ts";
import { createRateLimit, type RateLimit } from "../../base/rate-limit.ts";
import { ByteRate, paceOf } from "../byte-rate.ts";
import { TunnelError, type TunnelFailure, toTunnelError } from "../tunnel-error.ts";
import type { ConnectionBound } from "./connection-bound.ts";
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
  /** Datagrams that came and did not go on. */
  readonly dropped: { readonly out: number; readonly in: number };
}

export interface TrafficDeps {
  /** Told when the latest connection fared otherwise than the one before. */
  onFare(fare: Fare): void;
  /** What this Forward's connections have room in, beside its own rules. */
  readonly bound: ConnectionBound;
  readonly clock: Clock;
  /** Names the Forward. */
  readonly log: Log;
}

/** Opens a connection to the target. */
export type TargetDialer = (signal: AbortSignal) => Promise<Duplex>;

/** Opens a flow of datagrams to the target. */
export type FlowDialer = (signal: AbortSignal) => Promise<DatagramPipe>;

/** When a flow ends that nobody uses: unless that is said, and at most, since the other end keeps it no longer. Milliseconds. */
const flowIdleMs = 60_000;
const mostFlowIdleMs = 300_000;
/** Of one port at a time; with one more, the one ends that was used least recently. */
const mostFlows = 1_024;

/** To be connected over there; that end looks up and connects for 20 s at most, and a link that is being made is waited for. */
const dialWithinMs = 30_000;

const nobody: UseRules = {
  connections: 0,
  connectionsPerSecond: undefined,
  bytesPerSecond: undefined,
  idleMs: undefined,
  proxyProtocol: false,
};

export class Traffic {
  readonly #deps: TrafficDeps;
  readonly #rate: ByteRate;
  /** Of datagrams alone, so that a flood of what waits for nothing leaves connections the rest. */
  readonly #datagrams: ByteRate;
  #inside = 0;
  /** For each that is carried: looks whether it has been idle for too long. */
  readonly #looks = new Set<() => void>();
  readonly #opened: Record<string, number> = {};
  #rules: UseRules = nobody;
  #opens: RateLimit | undefined;
  #in = 0;
  #out = 0;
  readonly #dropped = { out: 0, in: 0 };
  #fare: Fare | undefined;

  /** Nobody is let in before there are rules. */
  constructor(deps: TrafficDeps) {
    this.#deps = deps;
    this.#rate = new ByteRate(deps.clock, undefined);
    this.#datagrams = new ByteRate(deps.clock, undefined);
  }

  /** For what is open too, but for the header, which has been sent. */
  set rules(rules: UseRules) {
    if (rules.connectionsPerSecond !== this.#rules.connectionsPerSecond) this.#opens = this.#opensFor(rules);
    this.#rules = rules;
    this.#rate.perSecond = rules.bytesPerSecond;
    this.#datagrams.perSecond = rules.bytesPerSecond === undefined ? undefined : rules.bytesPerSecond / 2;
    for (const look of [...this.#looks]) look();
  }

  get counts(): TrafficCounts {
    const dropped = { ...this.#dropped };
    return { connections: this.#inside, opened: { ...this.#opened }, in: this.#in, out: this.#out, dropped };
  }

  /** How the latest connection fared; undefined before the first. */
  get fare(): Fare | undefined {
    return this.#fare;
  }

  /** Never rejects; resolves when it is over. One that is not taken over there, or is too many, is reset. `ended` breaks it off. */
  async pass(socket: Socket, dial: TargetDialer, ended: AbortSignal): Promise<void> {
    socket.on("error", () => undefined);
    const room = this.#enter();
    if (typeof room === "string") {
      this.#count("limited");
      this.#deps.log.debug({ reason: room }, "a connection to a forward was too many");
      breakOff(socket, new Error(room));
      return;
    }
    try {
      const header = this.#rules.proxyProtocol ? headerFor(socket) : undefined;
      const stream = await this.#dial(socket, dial, ended);
      if (!stream) return;
      if (header) stream.write(header);
      await this.#carry(socket, stream, ended);
    } finally {
      room();
    }
  }

  /** For a port of UDP: where each address that sends there is led. The rules are those of the moment. */
  flows(dial: FlowDialer, at: { readonly host: string; readonly port: number }): DatagramListenerOptions {
    const rules = (): UseRules => this.#rules;
    const { clock, bound } = this.#deps;
    return {
      ...at,
      clock,
      early: bound.early,
      get idleMs() {
        return Math.min(rules().idleMs ?? flowIdleMs, mostFlowIdleMs);
      },
      get mostFlows() {
        return Math.min(rules().connections, mostFlows);
      },
      open: (_from, gone) => this.#openFlow(dial, gone),
    };
  }

  /** Rejects with why it is not taken, which is counted. `gone` aborts when the flow is over. */
  async #openFlow(dial: FlowDialer, gone: AbortSignal): Promise<DatagramPipe> {
    const room = this.#enter();
    if (typeof room === "string") {
      this.#count("limited");
      throw new TunnelError("overloaded", room);
    }
    gone.addEventListener("abort", room, { once: true });
    const late = () => new TunnelError("timeout", `Nobody answered within ${dialWithinMs / 1_000} s.`);
    const deadline = startDeadline(this.#deps.clock, dialWithinMs, late, gone);
    try {
      const pipe = await abortable(dialledFlow(dial, deadline.signal), deadline.signal);
      this.#count("taken");
      this.#fared({ ok: true });
      return this.#metered(pipe);
    } catch (error) {
      const { failure, message } = toTunnelError(error);
      if (gone.aborted) this.#count("cancelled");
      else {
        this.#count(failure);
        this.#fared({ ok: false, failure, message });
      }
      throw error;
    } finally {
      deadline.cancel();
    }
  }

  /** Drops what is beyond the rate, and counts. */
  #metered(far: DatagramPipe): DatagramPipe {
    const passes = (bytes: number): boolean => {
      if (this.#datagrams.waitMs > 0) return false;
      this.#datagrams.pay(bytes);
      this.#rate.pay(bytes);
      return true;
    };
    return {
      closed: far.closed,
      close: (error) => far.close(error),
      send: (payload) => {
        const { length } = payload;
        const passed = passes(length) && far.send(payload);
        if (passed) this.#out += length;
        else this.#dropped.out += 1;
        return passed;
      },
      listen: (listener) =>
        far.listen((payload) => {
          if (passes(payload.length)) {
            this.#in += payload.length;
            listener(payload);
          } else this.#dropped.in += 1;
        }),
    };
  }

  /** Undefined when it is over: the socket is broken off then, and why is counted. */
  async #dial(socket: Socket, dial: TargetDialer, ended: AbortSignal): Promise<Duplex | undefined> {
    const gone = whileThere(socket, ended);
    const late = () => new TunnelError("timeout", `Nobody answered within ${dialWithinMs / 1_000} s.`);
    const deadline = startDeadline(this.#deps.clock, dialWithinMs, late, gone.signal);
    try {
      const stream = await abortable(dialled(dial, deadline.signal), deadline.signal);
      this.#count("taken");
      this.#fared({ ok: true });
      return stream;
    } catch (error) {
      const { failure, message } = toTunnelError(error);
      if (gone.signal.aborted) this.#count("cancelled");
      else {
        this.#count(failure);
        this.#fared({ ok: false, failure, message });
      }
      breakOff(socket, error instanceof Error ? error : new Error(errorText(error)));
      return undefined;
    } finally {
      deadline.cancel();
      gone.cancel();
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
      timer?.cancel();
      const { idleMs } = this.#rules;
      const idle = clock.monotonic() - movedAt;
      if (idleMs !== undefined && idle >= idleMs)
        end(new Error("Nothing has passed for as long as the forward allows."));
      else if (idleMs !== undefined) timer = clock.after(Math.max(1, idleMs - idle), look);
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
    this.#looks.add(look);
    look();
    const { sent, received, error } = await joined;
    this.#looks.delete(look);
    timer?.cancel();
    ended.removeEventListener("abort", onEnded);
    log.debug({ sent, received, ...(error && { err: error }) }, "a connection to a forward has ended");
  }

  /** What makes room again, or why there is none. */
  #enter(): (() => void) | string {
    const { connections, connectionsPerSecond } = this.#rules;
    if (this.#inside >= connections) return `There are ${connections} connections already.`;
    if (this.#opens && !this.#opens.take()) return `${connectionsPerSecond} connections have begun within a second.`;
    const leave = this.#deps.bound.enter();
    if (!leave) return "There are as many connections as all of them together may be.";
    this.#inside += 1;
    return () => {
      this.#inside -= 1;
      leave();
    };
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

/** One that is there too late is let go. */
async function dialled(dial: TargetDialer, signal: AbortSignal): Promise<Duplex> {
  const stream = await dial(signal);
  if (!signal.aborted) return stream;
  stream.on("error", () => undefined).destroy();
  throw signal.reason;
}

async function dialledFlow(dial: FlowDialer, signal: AbortSignal): Promise<DatagramPipe> {
  const pipe = await dial(signal);
  if (!signal.aborted) return pipe;
  pipe.close();
  throw signal.reason;
}

/**
 * Aborts with `ended`, and when who has connected goes: by a break, or by an end before a single byte. Who has sent something and ended
 * may wait for the answer.
 */
function whileThere(socket: Socket, ended: AbortSignal): { readonly signal: AbortSignal; cancel(): void } {
  const gone = new AbortController();
  const onGone = (): void => gone.abort(new Error("Who connected has gone."));
  const onReadable = (): void => {
    // An end is readable too, as nothing.
    if (socket.readableLength === 0) onGone();
  };
  socket.once("close", onGone).once("readable", onReadable);
  return {
    signal: AbortSignal.any([gone.signal, ended]),
    cancel() {
      socket.off("close", onGone).off("readable", onReadable);
    },
  };
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
