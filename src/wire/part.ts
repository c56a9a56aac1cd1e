import { randomBytes } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import type { Timer } from "../base/clock.ts";
import { type Frame, type Hello, type Resume, ResumeSchema } from "../gen/fairlead/wire/v1/frame_pb.ts";
import { AgentBudget } from "./budget.ts";
import type { SessionCarrier } from "./carriage.ts";
import { Carrier } from "./carrier.ts";
import { datagramFeature } from "./datagram-line.ts";
import type { FrameReader } from "./decoder.ts";
import { encodeFrame, type FrameKind } from "./frame.ts";
import { type LocalHello, localHello, type RemoteHello, readHello } from "./hello.ts";
import type { RoundTrip } from "./keepalive.ts";
import { LivingSession } from "./living-session.ts";
import { helloCredit } from "./openings.ts";
import type { PartOptions, PartOutcome } from "./part-face.ts";
import { knownReason, Reason, SessionError, shortMessage } from "./reason.ts";
import type { CarrierFacts, SessionEnd } from "./session-face.ts";
import { closeFrame, detachFrame } from "./session-frames.ts";

/** The feature of sessions that outlive their carriers. */
const resumeFeature = "resume";
const idBytes = 16;

/**
 * This end's part in one carrier, as in docs/model: Hello, then which session the carrier is for, then that session's frames,
 * until it or the carrier ends.
 */
export class Part implements FrameReader, SessionCarrier {
  readonly #o: PartOptions;
  readonly #hello: LocalHello;
  readonly #outcome: PartOutcome;
  readonly #carrier: Carrier;
  readonly #fresh = randomBytes(idBytes);
  /** What the Hello says that a stream starts with. */
  readonly #streamCredit: number;
  /** Of the carrier; the low end's to give. */
  #number: bigint;
  /** What is said before the session's frames. */
  #first: Uint8Array[] = [];
  #remote: RemoteHello | undefined;
  #session: LivingSession | undefined;
  /** Whose frames may come now: "hello" and "resume" are what is waited for. */
  #phase: "hello" | "resume" | "session" | "over" = "hello";
  #timer: Timer | undefined;
  /** Whether the other end may still be told, or tell, that it does not know a session: once. */
  #mayBeUnknown = true;
  #settled = false;

  constructor(o: PartOptions, outcome: PartOutcome) {
    this.#o = o;
    this.#outcome = outcome;
    this.#number = o.sessions?.number() ?? 1n;
    const features = o.sessions === undefined ? [datagramFeature] : [resumeFeature, datagramFeature];
    this.#hello = { ...o.hello, features: [...(o.hello.features ?? []), ...features] };
    const low = o.side === "low" ? { fresh: this.#fresh, carrier: this.#number } : undefined;
    this.#streamCredit = helloCredit(o.limits, o.budget);
    const limits = { ...o.limits, streamCredit: this.#streamCredit };
    this.#first.push(encodeFrame(0, { case: "hello", value: localHello(this.#hello, low, limits) }));
    this.#carrier = new Carrier({
      duplex: o.carrier,
      clock: o.clock,
      limits: o.limits,
      reader: this,
      ...(o.random === undefined ? {} : { random: o.random }),
      pull: (out, budget) => this.#pull(out, budget),
      failed: (error) => this.#failed(error),
      defect: (error) => this.#defect(error),
      lost: (cause) => this.#lost(cause),
    });
    this.#await("Hello");
    this.#carrier.wake();
  }

  // ---- for the session ----

  get facts(): CarrierFacts {
    return this.#o.facts ?? { dialled: false, remoteAddress: undefined };
  }

  get bytesIn(): number {
    return this.#carrier.bytesIn;
  }

  get bytesOut(): number {
    return this.#carrier.bytesOut;
  }

  get silentMs(): number {
    return this.#carrier.silentMs;
  }

  get waitingBytes(): number {
    return this.#carrier.waitingBytes;
  }

  get roundTripMs(): RoundTrip | undefined {
    return this.#carrier.roundTripMs;
  }

  refresh(): void {
    this.#carrier.refresh();
  }

  wake(): void {
    this.#carrier.wake();
  }

  arrived(): void {
    this.#carrier.arrived();
  }

  end(why: SessionEnd, tell: boolean): void {
    this.#stop(tell ? closeFrame(why) : undefined);
    this.#settle(errorOf(why));
  }

  detach(): void {
    this.#stop(detachFrame(this.#o.sessions?.highest ?? 0n));
    // Whoever waits for this carrier has what it is for.
    if (this.#session !== undefined) this.#opened(this.#session);
  }

  /** The opener has lost interest. */
  giveUp(error: SessionError): void {
    if (!this.#settled) this.#failed(error);
  }

  // ---- what comes ----

  data(stream: number, pieces: readonly Uint8Array[], bytes: number): void {
    if (this.#phase !== "session") throw this.#tooEarly("data");
    this.#session?.data(stream, pieces, bytes);
  }

  frame(frame: Frame, bytes: number): void {
    const { kind } = frame;
    const own = frame.stream === 0n ? kind : undefined;
    if (this.#phase === "hello") {
      if (own?.case !== "hello") throw this.#tooEarly(kind.case);
      this.#helloArrived(own.value);
    } else if (own?.case === "detach") {
      if (this.#o.side === "low") this.#o.sessions?.taken(own.value.next);
      this.#gone({ reason: Reason.REPLACED, message: "The other end has gone on at another connection.", by: "them" });
    } else if (this.#phase === "session") {
      this.#session?.frame(frame, bytes);
    } else if (own?.case === "close") {
      this.#refused({ reason: knownReason(own.value.reason), message: shortMessage(own.value.message), by: "them" });
    } else if (own?.case !== "resume") {
      throw this.#tooEarly(kind.case);
    } else if (this.#o.side === "low") {
      this.#answered(own.value);
    } else {
      this.#asked(own.value);
    }
  }

  #helloArrived(hello: Hello): void {
    const remote = readHello(hello, this.#hello, this.#o.side);
    this.#remote = remote;
    if (this.#o.side === "high") this.#number = hello.carrier;
    this.#carrier.ask();
    const { sessions } = this.#o;
    if (sessions === undefined || !remote.features.includes(resumeFeature)) {
      this.#begin(Uint8Array.from(this.#o.side === "low" ? this.#fresh : hello.fresh), false);
      this.#enter();
      return;
    }
    this.#phase = "resume";
    this.#await("Resume");
    if (this.#o.side === "high") return;
    if (!sessions.takes(this.#number)) {
      this.#leave();
      return;
    }
    const held = sessions.find(remote.instance);
    if (held === undefined) this.#begin(this.#fresh, true);
    else this.#attach(held, false);
    this.#sayResume();
  }

  /** The low end's part: the high end has followed, or it does not know the session. */
  #answered(resume: Resume): void {
    const session = this.#mustHaveSession();
    if (resume.unknown) {
      if (!this.#mayBeUnknown) throw wrong("does not know a session that was to begin");
      this.#mayBeUnknown = false;
      this.#session = undefined;
      session.lose("The other end no longer knows the session.", this);
      this.#begin(randomBytes(idBytes), true);
      this.#sayResume();
      return;
    }
    if (!Buffer.from(resume.session).equals(session.id) || resume.carrier !== this.#number) {
      throw wrong("resumed another session, or at another carrier");
    }
    this.#enter();
    session.resumed(Number(resume.received));
  }

  /** The high end's part: the low end has said what the carrier is for. */
  #asked(resume: Resume): void {
    const { sessions } = this.#o;
    const remote = this.#remote;
    if (sessions === undefined || remote === undefined) throw this.#tooEarly("resume");
    if (resume.session.length !== idBytes || resume.carrier !== this.#number) {
      throw wrong("resumed no session, or at another carrier");
    }
    const held = sessions.find(remote.instance);
    const known = held !== undefined && Buffer.from(resume.session).equals(held.id) ? held : undefined;
    const begins = resume.begins && !sessions.hasEnded(remote.instance, resume.session);
    if (known === undefined && !begins && this.#number > sessions.highest) {
      if (!this.#mayBeUnknown) throw wrong("asked twice for a session that is not known here");
      this.#mayBeUnknown = false;
      this.#say({ case: "resume", value: create(ResumeSchema, { unknown: true }) });
      this.#await("Resume");
      return;
    }
    if (!sessions.takes(this.#number)) {
      this.#leave();
      return;
    }
    if (known === undefined) this.#begin(Uint8Array.from(resume.session), true);
    else this.#attach(known, false);
    this.#sayResume();
    this.#enter();
    this.#mustHaveSession().resumed(Number(resume.received));
  }

  /** A session begins here. */
  #begin(id: Uint8Array, resumable: boolean): void {
    const { side, clock, limits, sessions } = this.#o;
    const remote = this.#remote;
    if (remote === undefined) throw this.#tooEarly("resume");
    const session = new LivingSession({
      id,
      side,
      remote,
      resumable,
      clock,
      limits,
      budget: this.#o.budget ?? new AgentBudget(),
      helloCredit: this.#streamCredit,
      accept: (incoming) => this.#o.accept(incoming),
      onDefect: (error) => this.#o.onDefect?.(error),
    });
    if (resumable) sessions?.hold(session);
    this.#attach(session, side === "low" || !resumable);
    if (side === "low") this.#opened(session);
  }

  #attach(session: LivingSession, early: boolean): void {
    this.#session = session;
    this.#received = session.attach(this, early);
  }

  /** Frames that the session had when this carrier became its own. */
  #received = 0;

  #sayResume(): void {
    const session = this.#mustHaveSession();
    const value = create(ResumeSchema, {
      session: session.id,
      carrier: this.#number,
      received: BigInt(this.#received),
      begins: this.#o.side === "low" && session.young,
    });
    this.#say({ case: "resume", value });
  }

  #say(kind: FrameKind): void {
    this.#first.push(encodeFrame(0, kind));
    this.#carrier.wake();
  }

  /** From now on the session's frames come. */
  #enter(): void {
    this.#timer?.cancel();
    this.#phase = "session";
    this.#opened(this.#mustHaveSession());
  }

  // ---- what goes ----

  #pull(out: Uint8Array[], budget: number): number {
    let bytes = 0;
    for (const frame of this.#first.splice(0)) {
      out.push(frame);
      bytes += frame.length;
    }
    return bytes + (this.#session?.pull(out, budget - bytes) ?? 0);
  }

  // ---- the end ----

  #await(what: "Hello" | "Resume"): void {
    const { clock, limits } = this.#o;
    this.#timer?.cancel();
    this.#timer = clock.after(limits.helloTimeoutMs, () => {
      const message = `The other end said no ${what} within ${limits.helloTimeoutMs / 1000} s.`;
      this.#failed(new SessionError(Reason.HELLO_TIMEOUT, message));
    });
  }

  /** Another carrier has come later, here or at the other end. */
  #leave(): void {
    const held = this.#remote && this.#o.sessions?.find(this.#remote.instance);
    this.#stop(detachFrame(this.#o.sessions?.highest ?? 0n));
    if (held !== undefined) this.#opened(held);
    else this.#settle(new SessionError(Reason.REPLACED, "A later connection to the same agent has come."));
  }

  /** Close, before the other end has said Resume: it ends the carrier, and a session only if that has never been heard of. */
  #refused(why: SessionEnd): void {
    const session = this.#session;
    this.#stop();
    this.#settle(errorOf(why));
    if (session === undefined) return;
    // That this end was too slow to say Hello, as after a sleep, says nothing of the session.
    if (session.young && why.reason !== Reason.HELLO_TIMEOUT) session.refuse(this, why);
    else session.leave(this, why);
  }

  #failed(error: SessionError): void {
    const { reason, message, cause } = error;
    const dead = reason === Reason.SILENT || reason === Reason.STALLED;
    const why: SessionEnd = { reason, message, by: "us", cause };
    if (this.#phase === "session" && this.#session !== undefined && !(dead && this.#session.resumable)) {
      this.#session.fail(error);
      return;
    }
    // Close would end the session where the other end has taken it up already.
    this.#stop(this.#session === undefined ? closeFrame(why) : undefined);
    this.#settle(error);
    this.#session?.leave(this, why);
  }

  #defect(error: unknown): void {
    if (this.#session !== undefined) this.#session.defect(error);
    else
      this.#failed(new SessionError(Reason.INTERNAL, "A defect of this end has ended the session.", { cause: error }));
  }

  #lost(cause: Error | undefined): void {
    this.#gone({
      reason: Reason.CARRIER_LOST,
      message: "The connection to the other end was lost.",
      by: "network",
      cause,
    });
  }

  #gone(why: SessionEnd): void {
    this.#stop();
    this.#settle(errorOf(why));
    this.#session?.leave(this, why);
  }

  #stop(lastWords?: Uint8Array): void {
    if (this.#phase === "over") return;
    this.#phase = "over";
    this.#timer?.cancel();
    // What was not said goes first even now: whoever waits for the Hello then learns the reason.
    const words = lastWords === undefined ? [] : [...this.#first.splice(0), lastWords];
    this.#carrier.finish(words.length === 0 ? undefined : Buffer.concat(words));
  }

  #opened(session: LivingSession): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#outcome.opened(session);
  }

  #settle(error: SessionError): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#outcome.failed(error);
  }

  #mustHaveSession(): LivingSession {
    if (this.#session === undefined) throw new Error("The carrier is for no session yet.");
    return this.#session;
  }

  #tooEarly(kind: string | undefined): SessionError {
    if (this.#phase === "hello") return new SessionError(Reason.PROTOCOL, "The other end's first frame was no Hello.");
    return wrong(`sent a ${kind ?? "new"} frame before its Resume`);
  }
}

function errorOf({ reason, message, cause }: SessionEnd): SessionError {
  return new SessionError(reason, message, { cause });
}

function wrong(what: string): SessionError {
  return new SessionError(Reason.PROTOCOL, `The other end ${what}.`);
}
