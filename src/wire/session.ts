/**
 * A session: streams in both directions between two agents that know each other. It stands on a carrier and could exchange
 * it for another one; as long as sessions are not resumed, it ends with the one it has.
 */
import { randomBytes } from "node:crypto";
import type { Duplex } from "node:stream";
import { create } from "@bufbuild/protobuf";
import type { Clock } from "../base/clock.ts";
import {
  AckSchema,
  CloseSchema,
  type Frame,
  GoAwaySchema,
  type Hello,
  UnsupportedSchema,
} from "../gen/fairlead/wire/v1/frame_pb.ts";
import type { Target } from "../gen/fairlead/wire/v1/target_pb.ts";
import { Carrier } from "./carrier.ts";
import type { FrameReader } from "./decoder.ts";
import { awaitDial } from "./dial.ts";
import { encodeFrame, kindCounts, kindIsOfStream, kindNumber } from "./frame.ts";
import { type LocalHello, localHello, type RemoteHello, readHello, type Side } from "./hello.ts";
import type { IncomingStream } from "./incoming.ts";
import { defaultLimits, type Limits } from "./limits.ts";
import { type DialOptions, type OpenRequest, writeOpen } from "./outgoing.ts";
import { type CloseReason, DialError, knownReason, Reason, SessionError, StreamError, shortMessage } from "./reason.ts";
import { Receipts } from "./receipts.ts";
import { Priority } from "./scheduler.ts";
import type { Stream } from "./stream.ts";
import { type StreamCounts, Streams } from "./streams.ts";

export type { LocalHello, RemoteHello, Side } from "./hello.ts";
export type { IncomingDial, IncomingRpc, IncomingStream } from "./incoming.ts";
export type { DialOptions, OpenRequest } from "./outgoing.ts";

export interface SessionOptions {
  /** An authenticated byte stream, owned by the session from now on. */
  readonly carrier: Duplex;
  /** "low" for the end with the smaller fingerprint. */
  readonly side: Side;
  readonly hello: LocalHello;
  /** What differs from {@link defaultLimits}. */
  readonly limits?: Partial<Limits>;
  readonly clock: Clock;
  /** From 0 up to 1, for jitter; `Math.random` unless given. */
  readonly random?: () => number;
  /**
   * Called once for each stream that the other end opens, synchronously from the read loop: it must not throw, and not
   * wait. Never called before whoever awaits `openSession` has had its turn.
   */
  accept(incoming: IncomingStream): void;
  /** Told what `accept` or the listener of a stream threw, which has ended the session; nothing unless said. */
  onDefect?(error: unknown): void;
}

/** How and why a session ended. */
export interface SessionEnd extends CloseReason {
  /** Who ended it; "network" when the carrier was lost with no word. */
  readonly by: "us" | "them" | "network";
  readonly cause?: unknown;
}

export interface SessionStats extends StreamCounts {
  /** Of the latest ping; undefined before the first answer. */
  readonly roundTripMs: number | undefined;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Bytes that wait for the connection to take them. */
  readonly waitingBytes: number;
}

export interface Session {
  /** 16 bytes that both ends know the session by. */
  readonly id: Uint8Array;
  readonly remote: RemoteHello;
  /** Resolves when the session is over; never rejects. */
  readonly closed: Promise<SessionEnd>;
  /** Resolves when the other end says that it will leave: streams go on, new ones are refused. Pends for ever if it never does. */
  readonly leaving: Promise<CloseReason>;
  /** Opens a stream; data may be written at once. Throws a {@link StreamError} when it is refused here already. */
  open(request: OpenRequest): Stream;
  /** Resolves when the other end has accepted; rejects with a {@link DialError}. */
  dial(target: Target, options?: DialOptions): Promise<Duplex>;
  /** Takes no new streams, waits for those that are open, at most `withinMs` (30 s unless said), and closes. */
  drain(message: string, withinMs?: number): Promise<void>;
  /** Ends all streams and the session, and tells the other end why. */
  close(reason: CloseReason): void;
  stats(): SessionStats;
}

const defaultDrainMs = 30_000;
/** Kinds that are answered with Unsupported, at most; more in one session are skipped in silence. */
const maxUnsupported = 32;

/**
 * Opens a session on a carrier: says Hello and resolves when the other end's has come, within 10 s. Rejects with a
 * {@link SessionError}, or with the signal's reason; the carrier is then closed.
 */
export function openSession(options: SessionOptions, signal: AbortSignal): Promise<Session> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      options.carrier.on("error", () => undefined).destroy();
      reject(signal.reason);
      return;
    }
    const opening = new OpenSession(options, (session) => {
      done();
      resolve(session);
    });
    const onAbort = (): void => {
      opening.close({ reason: Reason.CANCELLED, message: "The connection was given up before it stood." });
      reject(signal.reason);
    };
    const { helloTimeoutMs } = { ...defaultLimits, ...options.limits };
    const timer = options.clock.after(helloTimeoutMs, () => {
      const message = `The other end said no Hello within ${helloTimeoutMs / 1000} s.`;
      opening.close({ reason: Reason.HELLO_TIMEOUT, message });
    });
    const done = (): void => {
      timer.cancel();
      signal.removeEventListener("abort", onAbort);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    opening.closed.then((end) => {
      done();
      // After it has resolved this changes nothing.
      reject(new SessionError(end.reason, end.message, { cause: end.cause }));
    });
  });
}

class OpenSession implements Session, FrameReader {
  readonly closed: Promise<SessionEnd>;
  readonly leaving: Promise<CloseReason>;
  readonly #o: SessionOptions;
  readonly #limits: Limits;
  readonly #carrier: Carrier;
  readonly #fresh = randomBytes(16);
  readonly #opened: (session: Session) => void;
  #resolveClosed: (end: SessionEnd) => void = () => undefined;
  #resolveLeaving: (reason: CloseReason) => void = () => undefined;
  /** What the other end's Hello brought. */
  #up: { readonly id: Uint8Array; readonly remote: RemoteHello; readonly streams: Streams } | undefined;
  /** Streams that came before the one who opened the session has had its turn. */
  #early: IncomingStream[] | undefined = [];
  #first: Uint8Array | undefined;
  #end: SessionEnd | undefined;
  /** Present while the session drains: there is no reason to wait any more. */
  #drained: (() => void) | undefined;
  #goingAway: StreamError | undefined;
  readonly #unsupported = new Set<number>();
  readonly #receipts: Receipts;

  constructor(o: SessionOptions, opened: (session: Session) => void) {
    this.#o = o;
    this.#opened = opened;
    this.#limits = { ...defaultLimits, ...o.limits };
    this.#receipts = new Receipts({
      clock: o.clock,
      acknowledge: (received) => {
        const value = create(AckSchema, { received: BigInt(received) });
        this.#up?.streams.answer(encodeFrame(0, { case: "ack", value }));
      },
    });
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    this.leaving = new Promise((resolve) => {
      this.#resolveLeaving = resolve;
    });
    this.#first = encodeFrame(0, { case: "hello", value: localHello(o.hello, o.side, this.#fresh, this.#limits) });
    this.#carrier = new Carrier({
      duplex: o.carrier,
      clock: o.clock,
      limits: this.#limits,
      reader: this,
      ...(o.random === undefined ? {} : { random: o.random }),
      pull: (out, budget) => this.#pull(out, budget),
      failed: (error) => this.#finish({ reason: error.reason, message: error.message, by: "us", cause: error.cause }),
      defect: (error) => this.#defect(error),
      lost: (cause) => {
        const message = "The connection to the other end was lost.";
        this.#finish({ reason: Reason.CARRIER_LOST, message, by: "network", cause });
      },
    });
    this.#carrier.wake();
  }

  get id(): Uint8Array {
    return this.#mustBeUp().id;
  }

  get remote(): RemoteHello {
    return this.#mustBeUp().remote;
  }

  open(request: OpenRequest): Stream {
    if (this.#end !== undefined) throw endError(this.#end);
    if (this.#goingAway !== undefined) throw this.#goingAway;
    return this.#mustBeUp().streams.open(writeOpen(request), request.priority ?? Priority.NORMAL);
  }

  dial(target: Target, options: DialOptions = {}): Promise<Duplex> {
    const { priority, metadata, signal } = options;
    try {
      const dial = metadata === undefined ? { target } : { target, metadata };
      return awaitDial(this.open({ dial, ...(priority === undefined ? {} : { priority }) }), signal);
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      return Promise.reject(new DialError(error.reason, error.message, { remote: error.remote, cause: error }));
    }
  }

  async drain(message: string, withinMs = defaultDrainMs): Promise<void> {
    const { streams } = this.#mustBeUp();
    if (this.#end === undefined && this.#drained === undefined) {
      const error = new StreamError(Reason.GOING_AWAY, message);
      this.#goingAway ??= error;
      streams.refuseNew(error);
      const goAway = { reason: Reason.SHUTDOWN, message: shortMessage(message), lastStream: BigInt(streams.lastTaken) };
      streams.answer(encodeFrame(0, { case: "goAway", value: create(GoAwaySchema, goAway) }));
      await new Promise<void>((resolve) => {
        const timer = this.#o.clock.after(withinMs, resolve);
        this.#drained = () => {
          timer.cancel();
          resolve();
        };
        if (streams.size === 0) this.#drained();
      });
      this.close({ reason: Reason.SHUTDOWN, message });
    }
    await this.closed;
  }

  close(reason: CloseReason): void {
    this.#finish({ ...reason, by: "us" });
  }

  stats(): SessionStats {
    const { bytesIn, bytesOut, waitingBytes, roundTripMs } = this.#carrier;
    return { ...this.#mustBeUp().streams.counts(), roundTripMs, bytesIn, bytesOut, waitingBytes };
  }

  // ---- what comes from the carrier ----

  data(stream: number, pieces: readonly Uint8Array[], bytes: number): void {
    if (this.#up === undefined) throw notHello();
    this.#receipts.count(bytes);
    this.#up.streams.data(stream, pieces, bytes);
  }

  frame(frame: Frame, bytes: number): void {
    const { kind } = frame;
    if (this.#up === undefined) {
      if (kind.case !== "hello" || frame.stream !== 0n) throw notHello();
      this.#helloArrived(kind.value);
      return;
    }
    const number = kindNumber(frame);
    if (kindCounts(number)) this.#receipts.count(bytes);
    const id = Number(frame.stream);
    if (kindIsOfStream(number) && id > 0 && (kind.case !== undefined || this.#up.streams.has(id))) {
      this.#up.streams.frame(id, kind);
      return;
    }
    if (kind.case !== undefined && (kindIsOfStream(number) || id > 0)) {
      throw new SessionError(Reason.PROTOCOL, `The other end sent a ${kind.case} frame for stream ${frame.stream}.`);
    }
    this.#sessionFrame(kind, number);
  }

  #sessionFrame(kind: Frame["kind"], number: number): void {
    const { streams } = this.#mustBeUp();
    switch (kind.case) {
      case "close":
        this.#finish({ reason: knownReason(kind.value.reason), message: shortMessage(kind.value.message), by: "them" });
        break;
      case "goAway": {
        const reason = { reason: knownReason(kind.value.reason), message: shortMessage(kind.value.message) };
        this.#goingAway = new StreamError(Reason.GOING_AWAY, reason.message, { remote: true });
        streams.cutAbove(Number(kind.value.lastStream), this.#goingAway);
        this.#resolveLeaving(reason);
        break;
      }
      case "announce":
        streams.announceArrived(kind.value);
        break;
      case "ack":
      case "unsupported":
        break;
      case "hello":
      case "resume":
      case "detach":
        throw new SessionError(Reason.PROTOCOL, `The other end sent a ${kind.case} frame in the middle of a session.`);
      default:
        this.#refuseKind(number);
    }
  }

  #helloArrived(hello: Hello): void {
    const remote = readHello(hello, this.#o.hello, this.#o.side);
    const streams = new Streams(
      {
        side: this.#o.side,
        clock: this.#o.clock,
        limits: this.#limits,
        wake: () => this.#carrier.wake(),
        accept: (incoming) => this.#deliver(incoming),
        idle: () => this.#drained?.(),
        fail: (error) => this.#finish({ reason: error.reason, message: error.message, by: "us", cause: error.cause }),
      },
      remote.limits,
    );
    this.#up = { id: Uint8Array.from(this.#o.side === "low" ? this.#fresh : hello.fresh), remote, streams };
    this.#carrier.ask();
    this.#opened(this);
    setImmediate(() => {
      const early = this.#early ?? [];
      this.#early = undefined;
      try {
        for (const incoming of early) this.#o.accept(incoming);
      } catch (error) {
        this.#defect(error);
      }
    });
  }

  #deliver(incoming: IncomingStream): void {
    if (this.#early !== undefined) this.#early.push(incoming);
    else this.#o.accept(incoming);
  }

  #refuseKind(number: number): void {
    if (this.#unsupported.has(number) || this.#unsupported.size >= maxUnsupported) return;
    this.#unsupported.add(number);
    const frame = encodeFrame(0, { case: "unsupported", value: create(UnsupportedSchema, { kind: number }) });
    this.#mustBeUp().streams.answer(frame);
  }

  // ---- what goes to it ----

  #pull(out: Uint8Array[], budget: number): number {
    if (this.#first !== undefined) {
      const { length } = this.#first;
      out.push(this.#first);
      this.#first = undefined;
      return length;
    }
    return this.#up?.streams.pull(out, budget) ?? 0;
  }

  // ---- the end ----

  #defect(cause: unknown): void {
    this.#o.onDefect?.(cause);
    const message = "A defect of this end has ended the session.";
    this.#finish({ reason: Reason.INTERNAL, message, by: "us", cause });
  }

  #finish(end: SessionEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#receipts.close();
    this.#drained?.();
    this.#carrier.finish(end.by === "us" ? this.#lastWords(end) : undefined);
    this.#up?.streams.cutAll(endError(end));
    this.#resolveClosed(end);
  }

  #lastWords({ reason, message }: SessionEnd): Uint8Array {
    const value = create(CloseSchema, { reason, message: shortMessage(message) });
    const close = encodeFrame(0, { case: "close", value });
    // The Hello goes first even now, for whoever waits for it then learns the reason.
    return this.#first === undefined ? close : Buffer.concat([this.#first, close]);
  }

  #mustBeUp(): { readonly id: Uint8Array; readonly remote: RemoteHello; readonly streams: Streams } {
    if (this.#up === undefined) throw new Error("The session is not open yet.");
    return this.#up;
  }
}

function endError(end: SessionEnd): StreamError {
  return new StreamError(end.reason, end.message, { remote: end.by === "them", cause: end.cause });
}

function notHello(): SessionError {
  return new SessionError(Reason.PROTOCOL, "The other end's first frame was no Hello.");
}
