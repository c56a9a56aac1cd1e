/**
 * The host's end of a dial: who calls, may they, which of their own apps is meant, is it ready; then a connection to its
 * Service, and bytes. Every open is judged on its own, and `review` judges again what is open.
 */
import type { Duplex } from "node:stream";
import type { Clock } from "../base/clock.ts";
import { breakOff, join } from "../base/join.ts";
import type { Log } from "../base/log.ts";
import type { Target } from "../gen/fairlead/wire/v1/target_pb.ts";
import type { PeeringAuditEntry } from "../peering/audit-entry.ts";
import type { StreamRecord } from "../peering/stream-record.ts";
import { type CloseReason, Reason, StreamError } from "../wire/reason.ts";
import { connectService, type ServiceDialer } from "./connect-service.ts";
import type { ExitCaller } from "./exit-caller.ts";
import { decideExit, type HostedApp, type Permission } from "./hosted-app.ts";
import { type Passage, Passages } from "./passages.ts";
import type { PendingDials } from "./pending.ts";
import { forbidden, type Refusal, refusalOf } from "./refusal.ts";
import { type AppTarget, formatTarget, nameOf, readTarget } from "./target.ts";

export type { ExitCaller } from "./exit-caller.ts";

/** A dial that came over a link. One of `accept` and `refuse` is called, once. */
export interface IncomingDial {
  readonly target: Target;
  accept(): Duplex;
  refuse(reason: Reason, message: string): void;
  /** Aborts when the other end gives up before it has an answer. */
  readonly signal?: AbortSignal;
}

export interface ExitDeps {
  /** An app among those that the peer with this fingerprint runs here, never another's; that very one, if a uid is given. */
  findApp(fingerprint: string, app: { namespace: string; name: string; uid?: string }): HostedApp | undefined;
  /**
   * What the host's rules say about this caller reaching this target. Asked on every open, so it must be cheap, and again
   * when the time comes at which it said that its answer may change.
   */
  permit(caller: ExitCaller, target: AppTarget): Permission;
  dialService: ServiceDialer;
  /** Where targets wait that a person has to approve. */
  pending: Pick<PendingDials, "ask" | "delete">;
  record: Pick<StreamRecord, "note">;
  clock: Clock;
  log: Log;
  /** For a connection to the app, in milliseconds; 10,000 unless given. */
  connectTimeoutMs?: number;
  /** Connections of one peer at a time, being made or open; 2,048 unless given. Each is a socket of this process. */
  maxPerPeer?: number;
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
  /** Resets everything that is open, and resolves when the sockets are closed. Later dials are refused. */
  close(): Promise<void>;
}

export function createExit(deps: ExitDeps): Exit {
  const { clock, log, pending } = deps;
  const maxPerPeer = deps.maxPerPeer ?? 2_048;
  const passages = new Passages({
    clock,
    log,
    record: deps.record,
    permit,
    isAlive: (fingerprint, target) => deps.findApp(fingerprint, target) !== undefined,
  });

  function open(caller: ExitCaller, dial: IncomingDial): void {
    try {
      const read = readTarget(dial.target);
      const target = read.ok ? read.target : undefined;
      const refusal = read.ok ? judge(caller, read.target, dial) : { ...refusalOf[read.reason], message: read.message };
      if (refusal) refuse(dial, caller, target, refusal);
    } catch (error) {
      log.error({ peer: caller.peer, err: error }, "dial not judged");
      dial.refuse(Reason.INTERNAL, "The peer's agent could not judge the dial; its log says more.");
    }
  }

  /** Lets the dial through, or says why not. */
  function judge(caller: ExitCaller, target: AppTarget, dial: IncomingDial): Refusal | undefined {
    const { fingerprint, correlation } = caller;
    if (passages.closed) return { ...refusalOf.stopping, message: "The agent is stopping." };
    const permission = permit(caller, target);
    // Who may not connect is not told what is there; who only has to wait is: a person shall not be asked about nothing.
    if (!permission.allowed && !permission.held) return forbidden(permission, undefined);
    const decision = decideExit(target, deps.findApp(fingerprint, target));
    if (!decision.ok) return { ...refusalOf["not-found"], message: decision.message };
    const name = nameOf(target);
    if (!permission.allowed) return forbidden(permission, pending.ask(fingerprint, name, target, clock.now()));
    pending.delete(fingerprint, name);
    const held = passages.of(fingerprint);
    if (held >= maxPerPeer) {
      const message = `You have ${held} connections to apps here, as many as one peer may have.`;
      return { ...refusalOf.limit, message };
    }
    const { app, port } = decision;
    passages.add({ caller, target, correlation, until: permission.until }, async (passage) => {
      await pass(passage, dial, app, port.number).catch((error: unknown) =>
        log.debug({ peer: caller.peer, err: error }, "dial lost"),
      );
    });
    return undefined;
  }

  function permit(caller: ExitCaller, target: AppTarget): Permission {
    if (caller.guest) return { allowed: false, rule: "pairing", message: "Only a paired peer may reach apps." };
    return deps.permit(caller, target);
  }

  function refuse(dial: IncomingDial, caller: ExitCaller, target: AppTarget | undefined, refusal: Refusal): void {
    const { reason, message, verdict, rule } = refusal;
    const shown = target && formatTarget(target);
    log.debug({ peer: caller.peer ?? caller.fingerprint, target: shown, reason, message }, "dial refused");
    note(caller, target, { verdict, rule, message });
    dial.refuse(reason, message);
  }

  function note(
    caller: ExitCaller,
    target: AppTarget | undefined,
    how: Pick<PeeringAuditEntry, "verdict" | "rule" | "message">,
  ): void {
    const { peer, fingerprint, correlation } = caller;
    const actor = { peer, fingerprint };
    deps.record.note(fingerprint, {
      action: "tunnel.open",
      actor,
      target: target && nameOf(target),
      correlation,
      ...how,
    });
  }

  async function pass(passage: Readonly<Passage>, dial: IncomingDial, app: HostedApp, port: number): Promise<void> {
    const { caller, target, ended } = passage;
    const giveUp = dial.signal ? AbortSignal.any([dial.signal, ended.signal]) : ended.signal;
    const made = await connectService(
      deps.dialService,
      { service: app.service, port, clock, timeoutMs: deps.connectTimeoutMs ?? 10_000 },
      giveUp,
    );
    if (!made.ok) {
      const withdrawn: unknown = ended.signal.reason;
      const { reason, message } = withdrawn instanceof StreamError ? withdrawn : explainUnready(app, made);
      refuse(dial, caller, target, { reason, message, verdict: "failed" });
      return;
    }
    const stream = accept(dial, made.socket);
    note(caller, target, { verdict: "allowed" });
    const startedAt = clock.monotonic();
    const onEnded = (): void => {
      stream.destroy(ended.signal.reason instanceof Error ? ended.signal.reason : undefined);
      breakOff(made.socket, ended.signal.reason);
    };
    ended.signal.addEventListener("abort", onEnded, { once: true });
    if (ended.signal.aborted) onEnded();
    const end = await join(stream, made.socket);
    const fields = { peer: caller.peer, target: formatTarget(target), sent: end.sent, received: end.received };
    const ms = Math.round(clock.monotonic() - startedAt);
    log.debug({ ...fields, ms, ...(end.error && { err: end.error }) }, "dial ended");
  }

  return {
    open,
    get size() {
      return passages.size;
    },
    review: (stillKnown, fingerprint) => passages.review(stillKnown, fingerprint),
    appsChanged: (fingerprint) => passages.appsChanged(fingerprint),
    close: () => passages.close(),
  };
}

/** Nobody answers at an app that is known not to work: then that is why. */
function explainUnready(app: HostedApp, failed: CloseReason): CloseReason {
  if (app.ready || failed.reason === Reason.CANCELLED) return failed;
  const message = app.message === "" ? failed.message : `${app.message} (${failed.message})`;
  return { reason: Reason.NOT_READY, message };
}

function accept(dial: IncomingDial, socket: Duplex): Duplex {
  try {
    return dial.accept();
  } catch (error) {
    socket.destroy();
    throw error;
  }
}
