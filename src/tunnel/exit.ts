/**
 * The host's end of a dial: who calls, may they, which of their own apps is meant, is it ready; then a connection to its
 * Service, and bytes. Every open is judged on its own, and `review` judges again what is open.
 */
import type { Duplex } from "node:stream";
import type { Clock, Timer } from "../base/clock.ts";
import type { Log } from "../base/log.ts";

import type { Target } from "../gen/fairlead/wire/v1/target_pb.ts";
import { Reason, StreamError } from "../wire/reason.ts";
import { connectService, type ServiceDialer } from "./connect-service.ts";
import { decideExit, type HostedApp, type Permission } from "./hosted-app.ts";
import { breakOff, join } from "./join.ts";
import { type AppTarget, formatTarget, readTarget } from "./target.ts";

/** Who is behind a link, as the roster knows it. */
export interface ExitCaller {
  /** Of its CA: the only thing that says whose apps are meant. */
  readonly fingerprint: string;
  /** True for a caller who is not in the roster. */
  readonly guest: boolean;
  /** Our own name for the peer; absent for a guest. */
  readonly peer?: string | undefined;
  readonly grants: readonly string[];
}

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
  /** What the host's rules say about this caller reaching this target. Asked on every open, so it must be cheap. */
  permit(caller: ExitCaller, target: AppTarget): Permission;
  dialService: ServiceDialer;
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
  /** Asks the rules again about everything that is open and resets what is no longer allowed. `stillKnown` gives the caller as it is now. */
  review(stillKnown: (fingerprint: string) => ExitCaller | undefined): void;
  /** An app of that peer's may be gone: within a second, what is open to apps that are no more is reset. */
  appsChanged(fingerprint: string): void;
  /** Connections being made and open. */
  readonly size: number;
  /** Resets everything that is open, and resolves when the sockets are closed. Later dials are refused. */
  close(): Promise<void>;
}

const refusalReason = {
  "not-found": Reason.NOT_FOUND,
  denied: Reason.DENIED,
  unsupported: Reason.UNSUPPORTED,
  malformed: Reason.NOT_FOUND,
} as const;

/** Milliseconds that news of apps is gathered for. */
const settleMs = 500;

interface Refusal {
  readonly reason: Reason;
  readonly message: string;
}

interface Passage {
  readonly caller: ExitCaller;
  readonly target: AppTarget;
  readonly ended: AbortController;
}

export function createExit(deps: ExitDeps): Exit {
  const { clock, log } = deps;
  const passages = new Map<Passage, Promise<void>>();
  const maxPerPeer = deps.maxPerPeer ?? 2_048;
  /** By fingerprint. */
  const perPeer = new Map<string, number>();
  /** Peers of whose apps there was news since the last look. */
  const changed = new Set<string>();
  let look: Timer | undefined;
  let closed = false;

  function open(caller: ExitCaller, dial: IncomingDial): void {
    try {
      judge(caller, dial);
    } catch (error) {
      log.error({ peer: caller.peer, err: error }, "dial not judged");
      dial.refuse(Reason.INTERNAL, "The peer's agent could not judge the dial; its log says more.");
    }
  }

  function judge(caller: ExitCaller, dial: IncomingDial): void {
    const read = readTarget(dial.target);
    if (!read.ok) {
      refuse(dial, caller, "malformed target", refusalReason[read.reason], read.message);
      return;
    }
    const { target } = read;
    if (closed) {
      refuse(dial, caller, formatTarget(target), Reason.GOING_AWAY, "The agent is stopping.");
      return;
    }
    const decision = decideExit(target, permit(caller, target), deps.findApp(caller.fingerprint, target));
    if (!decision.ok) {
      refuse(dial, caller, formatTarget(target), refusalReason[decision.reason], decision.message);
      return;
    }
    const held = perPeer.get(caller.fingerprint) ?? 0;
    if (held >= maxPerPeer) {
      const message = `You have ${held} connections to apps here, as many as one peer may have.`;
      refuse(dial, caller, formatTarget(target), Reason.OVERLOADED, message);
      return;
    }
    perPeer.set(caller.fingerprint, held + 1);
    const passage: Passage = { caller, target, ended: new AbortController() };
    const done = pass(passage, dial, decision.app, decision.port.number)
      .catch((error: unknown) => log.debug({ peer: caller.peer, err: error }, "dial lost"))
      .finally(() => forget(passage));
    passages.set(passage, done);
  }

  function forget(passage: Passage): void {
    passages.delete(passage);
    const { fingerprint } = passage.caller;
    const left = (perPeer.get(fingerprint) ?? 0) - 1;
    if (left > 0) perPeer.set(fingerprint, left);
    else perPeer.delete(fingerprint);
  }

  /** Not at each piece of news, of which a rollout brings many. */
  function reviewApps(): void {
    look = undefined;
    const alive = new Map<string, boolean>();
    for (const { caller, target, ended } of passages.keys()) {
      const { fingerprint, peer } = caller;
      if (!changed.has(fingerprint)) continue;
      const shown = formatTarget(target);
      const key = JSON.stringify([fingerprint, target.namespace, target.name, target.uid]);
      const isAlive = alive.get(key) ?? deps.findApp(fingerprint, target) !== undefined;
      alive.set(key, isAlive);
      if (isAlive) continue;
      log.info({ peer, target: shown }, "dial ended, for its app is gone");
      ended.abort(new StreamError(Reason.NOT_FOUND, `The app ${shown} runs here no more.`));
    }
    changed.clear();
  }

  function permit(caller: ExitCaller, target: AppTarget): Permission {
    if (caller.guest) return { allowed: false, rule: "pairing", message: "Only a paired peer may reach apps." };
    return deps.permit(caller, target);
  }

  function refuse(dial: IncomingDial, caller: ExitCaller, target: string, reason: Reason, message: string): void {
    log.debug({ peer: caller.peer ?? caller.fingerprint, target, reason, message }, "dial refused");
    dial.refuse(reason, message);
  }

  async function pass(passage: Passage, dial: IncomingDial, app: HostedApp, port: number): Promise<void> {
    const { caller, target, ended } = passage;
    const giveUp = dial.signal ? AbortSignal.any([dial.signal, ended.signal]) : ended.signal;
    const made = await connectService(
      deps.dialService,
      { service: app.service, port, clock, timeoutMs: deps.connectTimeoutMs ?? 10_000 },
      giveUp,
    );
    if (!made.ok) {
      const answer = explainUnready(app, made);
      refuse(dial, caller, formatTarget(target), answer.reason, answer.message);
      return;
    }
    const stream = accept(dial, made.socket);
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
    review(stillKnown) {
      for (const { caller, target, ended } of passages.keys()) {
        const now = stillKnown(caller.fingerprint);
        const permission = now ? permit(now, target) : gone;
        if (permission.allowed) continue;
        log.info({ peer: caller.peer, target: formatTarget(target), rule: permission.rule }, "dial revoked");
        ended.abort(new StreamError(Reason.REVOKED, `${permission.message} (rule: ${permission.rule})`));
      }
    },
    appsChanged(fingerprint) {
      if (closed || !perPeer.has(fingerprint)) return;
      changed.add(fingerprint);
      look ??= clock.after(settleMs, reviewApps);
    },
    async close() {
      closed = true;
      look?.cancel();
      for (const { ended } of passages.keys()) {
        ended.abort(new StreamError(Reason.SHUTDOWN, "The agent is stopping."));
      }
      await Promise.all(passages.values());
    },
  };
}

/** Nobody answers at an app that is known not to work: then that is why. */
function explainUnready(app: HostedApp, failed: Refusal): Refusal {
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

const gone: Permission = { allowed: false, rule: "pairing", message: "The peer was removed." };
