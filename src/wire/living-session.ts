import type { Duplex } from "node:stream";
import type { Clock, Timer } from "../base/clock.ts";
import type { Ack, Frame } from "../gen/fairlead/wire/v1/frame_pb.ts";
import type { Target } from "../gen/fairlead/wire/v1/target_pb.ts";
import { type AgentBudget, LinkBudget } from "./budget.ts";
import { Carriage, type SessionCarrier } from "./carriage.ts";
import { DatagramLine, datagramFeature } from "./datagram-line.ts";
import type { Datagrams } from "./datagrams.ts";
import type { FrameReader } from "./decoder.ts";
import { awaitDatagrams, awaitDial, dialWith } from "./dial.ts";
import { kindCounts, kindIsOfStream, kindNumber } from "./frame.ts";
import type { RemoteHello, Side } from "./hello.ts";
import type { IncomingStream } from "./incoming.ts";
import type { Limits } from "./limits.ts";
import { Outflow } from "./outflow.ts";
import { type DialOptions, datagramRequest, dialRequest, type OpenRequest, writeOpen } from "./outgoing.ts";
import { type CloseReason, knownReason, Reason, SessionError, StreamError, shortMessage } from "./reason.ts";
import { Receipts } from "./receipts.ts";
import { Priority } from "./scheduler.ts";
import type { CarrierChange, CarrierFacts, Session, SessionEnd, SessionStats } from "./session-face.ts";
import { ackFrame, goAwayFrame, unsupportedFrame } from "./session-frames.ts";
import type { Stream } from "./stream.ts";
import { Streams } from "./streams.ts";

export interface LivingSessionDeps {
  readonly id: Uint8Array;
  readonly side: Side;
  readonly remote: RemoteHello;
  /** Whether it goes on at another carrier when it loses one. */
  readonly resumable: boolean;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly budget: AgentBudget;
  /** What the Hello has told the other end that its streams start with. */
  readonly helloCredit: number;
  accept(incoming: IncomingStream): void;
  onDefect?(error: unknown): void;
}

const defaultDrainMs = 30_000;
/** Kinds that are answered with Unsupported, at most; more in one session are skipped in silence. */
const maxUnsupported = 32;

/** What outlives carriers: the streams, what was counted, and what is kept until the other end has it. */
export class LivingSession implements Session, FrameReader {
  readonly id: Uint8Array;
  readonly remote: RemoteHello;
  readonly closed: Promise<SessionEnd>;
  readonly leaving: Promise<CloseReason>;
  readonly #deps: LivingSessionDeps;
  readonly #budget: LinkBudget;
  readonly #streams: Streams;
  readonly #receipts: Receipts;
  readonly #outflow: Outflow;
  readonly #datagrams: DatagramLine;
  #resolveClosed: (end: SessionEnd) => void = () => undefined;
  #resolveLeaving: (reason: CloseReason) => void = () => undefined;
  readonly #carriage: Carriage;
  /** Whether frames that count may be sent on the carrier. */
  #mayWrite = false;
  /** Whether they were, before the other end's first Resume. */
  #wroteEarly = false;
  #young = true;
  #expiry: Timer | undefined;
  /** Streams that came before the one who opened the session has had its turn. */
  #early: IncomingStream[] | undefined = [];
  #end: SessionEnd | undefined;
  /** Present while the session drains: looks whether there is a reason to wait. */
  #drained: (() => void) | undefined;
  #goingAway: StreamError | undefined;
  /** Whether the other end has said GoAway. */
  #goneAway = false;
  readonly #unsupported = new Set<number>();

  constructor(deps: LivingSessionDeps) {
    this.#deps = deps;
    this.id = deps.id;
    this.remote = deps.remote;
    this.#carriage = new Carriage(deps.clock);
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    this.leaving = new Promise((resolve) => {
      this.#resolveLeaving = resolve;
    });
    const wake = (): void => this.#carriage.carrier?.wake();
    this.#receipts = new Receipts({ clock: deps.clock, due: wake });
    this.#budget = new LinkBudget(deps.limits.linkBudgetBytes, deps.budget);
    const { features, limits } = deps.remote;
    this.#datagrams = new DatagramLine({
      clock: deps.clock,
      maxBytes: features.includes(datagramFeature) ? limits.maxDatagramBytes : undefined,
      wake,
    });
    this.#streams = new Streams(
      {
        datagrams: this.#datagrams,
        side: deps.side,
        clock: deps.clock,
        limits: deps.limits,
        budget: this.#budget,
        helloCredit: deps.helloCredit,
        roundTripMs: () => this.#carriage.leastRoundTripMs,
        wake,
        accept: (incoming) => this.#deliver(incoming),
        // Only then is it known what of that turn is to be acknowledged.
        idle: () => queueMicrotask(() => this.#drained?.()),
        fail: (error) => this.fail(error),
      },
      limits,
    );
    this.#outflow = new Outflow({
      resumable: deps.resumable,
      clock: deps.clock,
      mostBytes: deps.limits.linkBudgetBytes,
      streams: this.#streams,
      late: (error) => this.fail(error),
      arrived: () => this.#carriage.carrier?.arrived(),
    });
    setImmediate(() => this.#deliverEarly());
  }

  open(request: OpenRequest): Stream {
    if (this.#end !== undefined) throw endError(this.#end);
    if (this.#goingAway !== undefined) throw this.#goingAway;
    return this.#streams.open(writeOpen(request), request.priority ?? Priority.NORMAL);
  }

  dial(target: Target, options: DialOptions = {}): Promise<Duplex> {
    return dialWith(
      () => this.open(dialRequest(target, options)),
      (stream) => awaitDial(stream, options),
    );
  }

  dialDatagrams(target: Target, options: DialOptions = {}): Promise<Datagrams> {
    return dialWith(
      () => this.open(datagramRequest(target, options, this.#datagrams)),
      (stream) => awaitDatagrams(stream, this.#datagrams, options),
    );
  }

  async drain(message: string, withinMs = defaultDrainMs): Promise<void> {
    if (this.#end === undefined && this.#drained === undefined) {
      const error = new StreamError(Reason.GOING_AWAY, message);
      this.#goingAway ??= error;
      this.#streams.refuseNew(error);
      this.#streams.answer(goAwayFrame({ reason: Reason.SHUTDOWN, message }, this.#streams.lastTaken));
      await new Promise<void>((resolve) => {
        const timer = this.#deps.clock.after(withinMs, resolve);
        this.#drained = () => {
          if (this.#end === undefined && !this.#isDone()) return;
          timer.cancel();
          resolve();
        };
        this.#drained();
      });
      this.close({ reason: Reason.SHUTDOWN, message });
    }
    await this.closed;
  }

  /** Whether no stream is open, and the other end has all that was said: Close ends what is still on its way there. */
  #isDone(): boolean {
    const { size, mute } = this.#streams;
    return size === 0 && (!this.#deps.resumable || (mute && this.#outflow.keptBytes === 0));
  }

  close(reason: CloseReason): void {
    this.#finish({ ...reason, by: "us" });
  }

  stats(): SessionStats {
    return {
      ...this.#streams.counts(),
      ...this.#carriage.stats(),
      replayBytes: this.#outflow.keptBytes,
      datagrams: this.#datagrams.counts,
    };
  }

  get carrier(): CarrierFacts {
    return this.#carriage.facts;
  }

  onCarrier(listener: (change: CarrierChange) => void): () => void {
    return this.#carriage.listen(listener);
  }

  // ---- the carrier that it is on ----

  get over(): boolean {
    return this.#end !== undefined;
  }

  get resumable(): boolean {
    return this.#deps.resumable;
  }

  /** Whether nothing was heard of the other end in this session yet. */
  get young(): boolean {
    return this.#young;
  }

  /**
   * Goes on at this carrier, and detaches the older one for good. Returns how many frames have come, for the Resume that is to be
   * said now. Nothing that counts is sent before `resumed`, unless `early`: on the carrier where it begins at the low end.
   */
  attach(carrier: SessionCarrier, early: boolean): number {
    const older = this.#release();
    older?.detach();
    this.#expiry?.cancel();
    this.#expiry = undefined;
    this.#carriage.take(carrier);
    this.#mayWrite = early;
    this.#wroteEarly = early;
    this.#outflow.restart();
    this.#datagrams.restart();
    this.#receipts.restart();
    if (!this.#deps.resumable) this.#carriage.stands();
    return this.#receipts.tell();
  }

  /** The other end has so many. Throws a SessionError when that cannot be. */
  resumed(received: number): void {
    this.#outflow.resumed(received, !this.#wroteEarly);
    this.#young = false;
    this.#mayWrite = true;
    this.#carriage.carrier?.wake();
    this.#carriage.stands();
    // What it has may be all that was waited for, and no Ack says that again.
    this.#drained?.();
  }

  /** The carrier is gone, or this one has done with it. `why` is how the session ends if it cannot go on elsewhere. */
  leave(carrier: SessionCarrier, why: SessionEnd): void {
    if (this.#carriage.carrier !== carrier) return;
    if (!this.#deps.resumable) {
      this.#finish(why);
      return;
    }
    this.#release();
    const { carrierlessMs } = this.#deps.limits;
    const message = `${why.message} No other connection came within ${carrierlessMs / 1000} s.`;
    this.#expiry = this.#deps.clock.after(carrierlessMs, () =>
      this.#finish({ ...why, reason: Reason.SESSION_LOST, message }),
    );
    this.#expiry.unref?.();
    this.#carriage.lost(why);
  }

  /** The other end has ended the carrier before it ever took the session up. */
  refuse(carrier: SessionCarrier, why: SessionEnd): void {
    if (this.#carriage.carrier === carrier) this.#finish(why);
  }

  /** The other end no longer knows the session. `stays` is the carrier on which another one begins; any other is detached. */
  lose(message: string, stays?: SessionCarrier): void {
    const carrier = this.#release();
    if (carrier !== stays) carrier?.detach();
    this.#finish({ reason: Reason.SESSION_LOST, message, by: "them" });
  }

  /** The other end went too far. */
  fail(error: SessionError): void {
    this.#finish({ reason: error.reason, message: error.message, by: "us", cause: error.cause });
  }

  defect(cause: unknown): void {
    this.#deps.onDefect?.(cause);
    this.#finish({ reason: Reason.INTERNAL, message: "A defect of this end has ended the session.", by: "us", cause });
  }

  #release(): SessionCarrier | undefined {
    this.#mayWrite = false;
    this.#outflow.rest();
    return this.#carriage.release();
  }

  // ---- what comes from it ----

  data(stream: number, pieces: readonly Uint8Array[], bytes: number): void {
    this.#receipts.count(bytes);
    this.#streams.data(stream, pieces, bytes);
  }

  frame(frame: Frame, bytes: number): void {
    const { kind } = frame;
    const number = kindNumber(frame);
    if (kindCounts(number)) this.#receipts.count(bytes);
    if (kind.case === "datagram") this.#receipts.countDatagram(this.#datagrams.arrived(kind.value));
    const id = Number(frame.stream);
    if (kindIsOfStream(number) && id > 0 && (kind.case !== undefined || this.#streams.has(id))) {
      this.#streams.frame(id, kind, bytes);
      return;
    }
    if (kind.case !== undefined && (kindIsOfStream(number) || id > 0)) {
      throw new SessionError(Reason.PROTOCOL, `The other end sent a ${kind.case} frame for stream ${frame.stream}.`);
    }
    this.#sessionFrame(kind, number);
  }

  #sessionFrame(kind: Frame["kind"], number: number): void {
    switch (kind.case) {
      case "close":
        this.#finish({ reason: knownReason(kind.value.reason), message: shortMessage(kind.value.message), by: "them" });
        break;
      case "goAway": {
        // Once is enough, and each looks at every stream: a flood of them would cost far more here than there.
        if (this.#goneAway) break;
        this.#goneAway = true;
        const reason = { reason: knownReason(kind.value.reason), message: shortMessage(kind.value.message) };
        this.#goingAway = new StreamError(Reason.GOING_AWAY, reason.message, { remote: true });
        this.#streams.cutAbove(Number(kind.value.lastStream), this.#goingAway);
        this.#receipts.hasten();
        this.#resolveLeaving(reason);
        break;
      }
      case "announce":
        this.#streams.announceArrived(kind.value);
        break;
      case "ack":
        this.#acknowledged(kind.value);
        break;
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

  #acknowledged({ received, datagramBytes }: Ack): void {
    const waits = this.#datagrams.acknowledged(Number(datagramBytes));
    if (this.#outflow.acknowledged(Number(received)) || waits) this.#carriage.carrier?.wake();
    this.#drained?.();
  }

  #deliver(incoming: IncomingStream): void {
    if (this.#early !== undefined) this.#early.push(incoming);
    else this.#deps.accept(incoming);
  }

  #deliverEarly(): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    try {
      for (const incoming of early) this.#deps.accept(incoming);
    } catch (error) {
      this.defect(error);
    }
  }

  #refuseKind(number: number): void {
    if (this.#unsupported.has(number) || this.#unsupported.size >= maxUnsupported) return;
    this.#unsupported.add(number);
    this.#streams.answer(unsupportedFrame(number));
  }

  // ---- what goes to it ----

  /** Adds frames to send, about `budget` bytes at most, to `out`; returns their bytes. */
  pull(out: Uint8Array[], budget: number): number {
    let bytes = 0;
    if (this.#receipts.isDue) {
      const ack = ackFrame(this.#receipts.tell(), this.#receipts.datagramBytes);
      out.push(ack);
      bytes += ack.length;
    }
    if (!this.#mayWrite) return bytes;
    // Half of the room to begin with, so that neither a flood of datagrams nor streams without end keep the other from going.
    bytes += this.#datagrams.pull(out, (budget - bytes) / 2);
    bytes += this.#outflow.pull(out, budget - bytes);
    return bytes + this.#datagrams.pull(out, budget - bytes);
  }

  // ---- the end ----

  #finish(end: SessionEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#receipts.close();
    this.#expiry?.cancel();
    this.#drained?.();
    this.#release()?.end(end, end.by === "us");
    this.#streams.cutAll(endError(end));
    this.#outflow.clear();
    this.#datagrams.clear();
    this.#budget.close();
    this.#carriage.close();
    this.#resolveClosed(end);
  }
}

function endError(end: SessionEnd): StreamError {
  return new StreamError(end.reason, end.message, { remote: end.by === "them", cause: end.cause });
}
