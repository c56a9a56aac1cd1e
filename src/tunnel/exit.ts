/**
 * The host's end of a dial: who calls, may they, what is meant, is it ready; then a connection to it, and bytes. Every open is
 * judged on its own, and `review` judges again what is open. How each kind of target is reached, its way knows.
 */
import type { Duplex } from "node:stream";
import type { Clock } from "../base/clock.ts";
import { type DatagramPipe, joinDatagrams } from "../base/datagram-pipe.ts";
import { breakOff, join } from "../base/join.ts";
import type { Log } from "../base/log.ts";
import type { Target } from "../gen/fairlead/wire/v1/target_pb.ts";
import type { PeeringAuditEntry } from "../peering/audit-entry.ts";
import type { StreamRecord } from "../peering/stream-record.ts";
import type { TunnelLimits } from "../policy/effective-policy.ts";
import { Reason, StreamError } from "../wire/reason.ts";
import { readTarget } from "../wire/target.ts";
import { type AppTarget, isDatagrams, type NamedTarget, targetName, targetText } from "../wire/target-text.ts";
import { type Connections, countDatagrams, type Passed, passedBy } from "./connections.ts";
import type { ExitCaller } from "./exit-caller.ts";
import type { Permission } from "./hosted-app.ts";
import { type Passage, Passages } from "./passages.ts";
import { PeerLimits } from "./peer-limits.ts";
import type { PendingDials } from "./pending.ts";
import { forbidden, type Refusal, refusalOf } from "./refusal.ts";
import { type TunnelCount, TunnelCounts } from "./tunnel-counts.ts";
import {
  type Connecting,
  type ConnectingDatagrams,
  type Found,
  noDatagramsHere,
  type Serving,
  type Ways,
} from "./way.ts";

export type { ExitCaller } from "./exit-caller.ts";

/** A dial that came over a link. One of its three answers is given, once. */
export interface IncomingDial {
  readonly target: Target;
  accept(): Duplex;
  /** What was dialled with UDP is accepted by this, and nothing else is. */
  acceptDatagrams(): DatagramPipe;
  refuse(reason: Reason, message: string): void;
  /** Aborts when the other end gives up before it has an answer. */
  readonly signal?: AbortSignal;
}

export interface ExitDeps {
  readonly ways: Ways;
  /** Whether the peer with this fingerprint still runs that app here; that very one, if a uid is given. */
  hasApp(fingerprint: string, app: AppTarget): boolean;
  /**
   * What the host's rules say about this caller reaching this target. Asked on every open, so it must be cheap, and again
   * when the time comes at which it said that its answer may change.
   */
  permit(caller: ExitCaller, target: NamedTarget): Permission;
  /** Where targets wait that a person has to approve. */
  pending: Pick<PendingDials, "ask" | "delete">;
  record: Pick<StreamRecord, "note">;
  readonly connections: Pick<Connections, "add">;
  clock: Clock;
  log: Log;
  /** How much of all this a peer may have and use at a time, by its policy. */
  limitsOf(fingerprint: string): TunnelLimits | undefined;
}

export interface Exit {
  /** Answers a dial. Returns at once and never throws, so that it may be called from a link's read loop. */
  open(caller: ExitCaller, dial: IncomingDial): void;
  /**
   * Asks the rules again about what is open, of one peer or of all, and resets at once what is no longer allowed.
   * `stillKnown` gives the caller as it is now.
   */
  review(stillKnown: (fingerprint: string) => ExitCaller | undefined, fingerprint?: string): void;
  /** An app of that peer's may be gone: within a second, what is open to apps that are no more is reset. */
  appsChanged(fingerprint: string): void;
  /** Connections being made and open. */
  readonly size: number;
  /** What each peer has had and has of each kind. */
  counts(): TunnelCount[];
  /** Resets everything that is open, and resolves when the sockets are closed. Later dials are refused. */
  close(): Promise<void>;
}

export function createExit(deps: ExitDeps): Exit {
  const { clock, log, pending } = deps;
  const limits = new PeerLimits(clock, deps.limitsOf);
  const counts = new TunnelCounts();
  const passages = new Passages({ clock, log, record: deps.record, permit, isAlive: deps.hasApp });

  function open(caller: ExitCaller, dial: IncomingDial): void {
    try {
      const read = readTarget(dial.target);
      const target = read.ok ? read.target : undefined;
      const refusal = read.ok ? begin(caller, read.target, dial) : { ...refusalOf[read.reason], message: read.message };
      if (refusal) refuse(dial, caller, target, refusal);
    } catch (error) {
      fail(error, caller, dial);
    }
  }

  /** Looks what is meant for who may have it or may be let in by a person, or says why not. */
  function begin(caller: ExitCaller, target: NamedTarget, dial: IncomingDial): Refusal | undefined {
    const { fingerprint, correlation } = caller;
    if (passages.closed) return { ...refusalOf.stopping, message: "The agent is stopping." };
    if (!deps.ways[target.kind]) {
      const message = `This agent lets nobody reach "${target.kind}" through it.`;
      return { ...refusalOf.unsupported, message };
    }
    // Who may not connect is not told what is there; who only has to wait is: a person shall not be asked about nothing.
    const permission = permit(caller, withoutPortName(target));
    if (!permission.allowed && !permission.held) return forbidden(permission, undefined);
    const tooMany = limits.take(fingerprint, passages.of(fingerprint));
    if (tooMany !== undefined) return { ...refusalOf.limit, message: tooMany };
    passages.add({ caller, target, correlation }, (passage) =>
      enter(passage, dial).catch((error: unknown) => fail(error, passage.caller, dial)),
    );
    return undefined;
  }

  async function enter(passage: Passage, dial: IncomingDial): Promise<void> {
    const { ended } = passage;
    const giveUp = dial.signal ? AbortSignal.any([dial.signal, ended.signal]) : ended.signal;
    const found = await find(deps.ways, passage.caller, passage.target, giveUp);
    const { caller } = passage;
    const refusal = refusalBySignal(ended.signal) ?? (found.ok ? admit(passage, found.target) : found.refusal);
    if (refusal || !found.ok) {
      if (refusal) refuse(dial, caller, found.ok ? found.target : passage.target, refusal);
      return;
    }
    const { opening } = found;
    // Who asks for the one network never gets the other, whatever a way has found.
    if (isDatagrams(found.target) !== "connectDatagrams" in opening) {
      refuse(dial, caller, found.target, noDatagramsHere.refusal);
    } else if ("serve" in opening) await serve(passage, dial, opening);
    else if ("connectDatagrams" in opening) await pass(passage, dial, opening, giveUp);
    else await connect(passage, dial, opening, giveUp);
  }

  /** Judges what was found, which may have taken its time. */
  function admit(passage: Passage, target: NamedTarget): Refusal | undefined {
    const { fingerprint } = passage.caller;
    const name = targetName(target);
    const permission = permit(passage.caller, target);
    if (!permission.allowed) {
      const dial = permission.held && pending.ask(fingerprint, name, target, clock.now());
      return forbidden(permission, dial || undefined);
    }
    pending.delete(fingerprint, name);
    passages.enter(passage, target, permission.until);
    return undefined;
  }

  function permit(caller: ExitCaller, target: NamedTarget): Permission {
    if (caller.guest) return { allowed: false, rule: "pairing", message: "Only a paired peer may reach things here." };
    return deps.permit(caller, target);
  }

  function refuse(dial: IncomingDial, caller: ExitCaller, target: NamedTarget | undefined, refusal: Refusal): void {
    const { reason, message, verdict, rule } = refusal;
    const shown = target && targetText(target);
    log.debug({ peer: caller.peer ?? caller.fingerprint, target: shown, reason, message }, "dial refused");
    note(caller, target, { verdict, rule, message });
    dial.refuse(reason, message);
  }

  function fail(error: unknown, caller: ExitCaller, dial: IncomingDial): void {
    log.error({ peer: caller.peer, err: error }, "dial not judged");
    dial.refuse(Reason.INTERNAL, "The peer's agent could not judge the dial; its log says more.");
  }

  function note(
    caller: ExitCaller,
    target: NamedTarget | undefined,
    how: Pick<PeeringAuditEntry, "verdict" | "rule" | "message">,
  ): void {
    const { peer, fingerprint, correlation } = caller;
    const actor = { peer, fingerprint };
    const named = target && targetName(target);
    counts.opened(peer, target?.kind, how.verdict);
    deps.record.note(fingerprint, { action: "tunnel.open", actor, target: named, correlation, ...how });
  }

  async function connect(passage: Passage, dial: IncomingDial, way: Connecting, giveUp: AbortSignal): Promise<void> {
    const { ended } = passage;
    const made = await way.connect(giveUp);
    const { caller, target } = passage;
    if (!made.ok) {
      refuse(dial, caller, target, refusalBySignal(ended.signal) ?? { ...made, verdict: "failed" });
      return;
    }
    const stream = accept(
      () => dial.accept(),
      () => made.socket.destroy(),
    );
    note(caller, target, { verdict: "allowed" });
    const onEnded = (): void => {
      stream.destroy(ended.signal.reason instanceof Error ? ended.signal.reason : undefined);
      breakOff(made.socket, ended.signal.reason);
    };
    const passed = (): Passed => passedBy(stream);
    await during(passage, passed, onEnded, async () => {
      const { sent, received, error } = await join(stream, made.socket, (side) =>
        limits.paceFor(caller.fingerprint, counts.flow(caller.peer, target.kind, side === stream ? "in" : "out")),
      );
      return { sent, received, ...(error && { err: error }) };
    });
  }

  async function pass(
    passage: Passage,
    dial: IncomingDial,
    way: ConnectingDatagrams,
    giveUp: AbortSignal,
  ): Promise<void> {
    const { ended } = passage;
    const made = await way.connectDatagrams(giveUp);
    const { caller, target } = passage;
    if (!made.ok) {
      refuse(dial, caller, target, refusalBySignal(ended.signal) ?? { ...made, verdict: "failed" });
      return;
    }
    const { socket } = made;
    const { pipe: stream, passed } = countDatagrams(
      accept(
        () => dial.acceptDatagrams(),
        () => socket.close(),
      ),
    );
    note(caller, target, { verdict: "allowed" });
    const onEnded = (): void => {
      const { reason } = ended.signal;
      for (const side of [stream, socket]) side.close(reason instanceof Error ? reason : undefined);
    };
    await during(passage, passed, onEnded, async () => {
      const count = counts.datagrams(caller.peer, target.kind);
      const mayPass = limits.datagramsFor(caller.fingerprint);
      const { error, ...flow } = await joinDatagrams(stream, socket, {
        clock,
        mayPass: (_from, bytes) => mayPass(bytes),
        counted: (from, bytes, passed) => count(from === stream ? "in" : "out", bytes, passed),
      });
      return { ...flow, ...(error && { err: error }) };
    });
  }

  async function serve(passage: Passage, dial: IncomingDial, way: Serving): Promise<void> {
    const { caller, target, ended } = passage;
    const stream = dial.accept();
    stream.on("error", () => undefined);
    note(caller, target, { verdict: "allowed" });
    const onEnded = (): void =>
      void stream.destroy(ended.signal.reason instanceof Error ? ended.signal.reason : undefined);
    const passed = (): Passed => passedBy(stream);
    await during(passage, passed, onEnded, async () => {
      try {
        await way.serve(stream, ended.signal);
        return {};
      } catch (error) {
        return { err: error };
      } finally {
        stream.destroy();
      }
    });
  }

  function remember({ caller, target, correlation, ended }: Passage, passed: () => Passed): () => void {
    const { peer } = caller;
    if (peer === undefined) return () => undefined; // No guest gets so far.
    const end = (reason: StreamError): void => ended.abort(reason);
    return deps.connections.add({ peer, target, correlation, person: undefined, side: "Peer", passed, end });
  }

  /** What runs while the passage is open, and is told when it has to end. */
  async function during(
    passage: Passage,
    passed: () => Passed,
    onEnded: () => void,
    run: () => Promise<object>,
  ): Promise<void> {
    const { signal } = passage.ended;
    const forget = remember(passage, passed);
    const startedAt = clock.monotonic();
    signal.addEventListener("abort", onEnded, { once: true });
    if (signal.aborted) onEnded();
    const end = await run().finally(() => {
      forget();
      signal.removeEventListener("abort", onEnded);
    });
    const { caller, target } = passage;
    const ms = Math.round(clock.monotonic() - startedAt);
    log.debug({ peer: caller.peer, target: targetText(target), ms, ...end }, "dial ended");
  }

  return {
    open,
    get size() {
      return passages.size;
    },
    review(stillKnown, fingerprint) {
      passages.review(stillKnown, fingerprint);
      limits.review(fingerprint);
      limits.forget((one) => stillKnown(one) !== undefined);
    },
    counts: () => counts.read(passages.list()),
    appsChanged: (fingerprint) => passages.appsChanged(fingerprint),
    close: () => passages.close(),
  };
}

function find(ways: Ways, caller: ExitCaller, target: NamedTarget, signal: AbortSignal): Found | Promise<Found> {
  switch (target.kind) {
    case "app":
      return ways.app?.find(caller, target, signal) ?? notOffered;
    case "service":
      return ways.service?.find(caller, target, signal) ?? notOffered;
    case "kubernetes":
      return ways.kubernetes?.find(caller, target, signal) ?? notOffered;
    case "metrics":
      return ways.metrics?.find(caller, target, signal) ?? notOffered;
    case "address":
      return ways.address?.find(caller, target, signal) ?? notOffered;
    case "route":
      return ways.route?.find(caller, target, signal) ?? notOffered;
    case "node":
      return ways.node?.find(caller, target, signal) ?? notOffered;
    case "reverse":
      return ways.reverse?.find(caller, target, signal) ?? notOffered;
  }
}

const notOffered: Found = { ok: false, refusal: { ...refusalOf.unsupported, message: "This is not offered here." } };

/** The rules know a Service's ports by their numbers: which one is meant by a name is looked up first. */
function withoutPortName(target: NamedTarget): NamedTarget {
  if (target.kind !== "service" || typeof target.port !== "string") return target;
  const { port: _, ...rest } = target;
  return rest;
}

/** It lost its right, or the agent stops. */
function refusalBySignal(signal: AbortSignal): Refusal | undefined {
  const reason: unknown = signal.reason;
  if (!signal.aborted || !(reason instanceof StreamError)) return undefined;
  return { reason: reason.reason, message: reason.message, verdict: "failed" };
}

/** The other end may have gone by now; what was connected for it goes too. */
function accept<T>(take: () => T, giveUp: () => void): T {
  try {
    return take();
  } catch (error) {
    giveUp();
    throw error;
  }
}
