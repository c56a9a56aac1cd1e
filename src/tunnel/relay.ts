/**
 * The relay: a peer asks to be joined to another peer, and from then on this agent carries bytes between the two that it
 * cannot read. Both must be allowed it, each dial is judged anew, and what is open is judged again when a right changes.
 */
import { create } from "@bufbuild/protobuf";
import type { Clock } from "../base/clock.ts";
import { errorText } from "../base/error-text.ts";
import { join } from "../base/join.ts";
import type { Log } from "../base/log.ts";
import { CarrierTargetSchema, TargetSchema } from "../gen/fairlead/wire/v1/target_pb.ts";
import type { PeeringAuditEntry } from "../peering/audit-entry.ts";
import type { Roster } from "../peering/roster.ts";
import { type StreamRecord, withRule } from "../peering/stream-record.ts";
import type { EffectivePolicy } from "../policy/effective-policy.ts";
import { permitRelay, type RelayEnd, type RelayPermission } from "../policy/relay.ts";
import { Reason, StreamError } from "../wire/reason.ts";
import { ByteRate, paceOf } from "./byte-rate.ts";
import type { PeerDialer } from "./entry.ts";
import type { IncomingDial } from "./exit.ts";
import type { ExitCaller } from "./exit-caller.ts";

/** A carrier is a stream of bytes. */
type RelayedDial = Omit<IncomingDial, "acceptDatagrams">;

export interface RelayDeps {
  /** Undefined for who is no peer. */
  policyOf(fingerprint: string): EffectivePolicy | undefined;
  readonly roster: Pick<Roster, "get" | "byFingerprint">;
  /** The peer that carries our link to this one; undefined when the link is direct, or there is none. */
  through(peer: string): string | undefined;
  readonly dialPeer: PeerDialer;
  readonly record: Pick<StreamRecord, "note">;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Relay {
  /** Answers a dial of a peer of ours. Returns at once and never throws. */
  open(caller: ExitCaller, dial: RelayedDial): void;
  /** Judges again what is open, and resets what is no longer allowed: of one peer, or all of it. */
  review(fingerprint?: string): void;
  /** Carriers, being made and open. */
  readonly size: number;
  /** Bytes that were carried so far, by our names for who sent and who received them. */
  traffic(): readonly RelayTraffic[];
  /** Resets everything, and resolves when nothing is left. Later dials are refused. */
  close(): Promise<void>;
}

export interface RelayTraffic {
  readonly from: string;
  readonly to: string;
  bytes: number;
}

/** One carrier between two peers. */
interface Carriage {
  /** Fingerprints: of who asked, and of who was asked for. */
  readonly ends: readonly [string, string];
  readonly names: readonly [string, string];
  readonly correlation: string | undefined;
  /** Aborts with a StreamError when it has to end. */
  readonly ended: AbortController;
}

export function createRelay(deps: RelayDeps): Relay {
  const { clock, log, roster } = deps;
  const running = new Map<Carriage, Promise<void>>();
  const rates = new Map<string, ByteRate>();
  /** By sender and receiver, as long as both are peers. */
  const traffic = new Map<string, RelayTraffic>();
  let closed = false;

  function endOf(fingerprint: string, carriers: number): RelayEnd | undefined {
    const policy = deps.policyOf(fingerprint);
    const peer = roster.byFingerprint(fingerprint)?.name;
    if (!policy || peer === undefined) return undefined;
    return { peer, policy, carriers, through: deps.through(peer) };
  }

  function judge([from, to]: readonly [string, string], others: readonly Carriage[]): RelayPermission {
    const count = (end: string): number => others.filter(({ ends }) => ends.includes(end)).length;
    const asking = endOf(from, count(from));
    if (!asking) return { allowed: false, rule: "pairing", message: "only a paired peer is carried for" };
    return permitRelay(asking, endOf(to, count(to)));
  }

  function open(caller: ExitCaller, dial: RelayedDial): void {
    try {
      admit(caller, dial);
    } catch (error) {
      log.error({ peer: caller.peer, err: error }, "relay not judged");
      dial.refuse(Reason.INTERNAL, "The relay could not judge the dial; its log says more.");
    }
  }

  function admit(caller: ExitCaller, dial: RelayedDial): void {
    const { kind } = dial.target;
    const wanted = kind.case === "relay" ? Buffer.from(kind.value.fingerprint).toString("hex") : "";
    const { fingerprint, correlation } = caller;
    const target = roster.byFingerprint(wanted)?.name ?? wanted.slice(0, 64);
    if (closed) {
      dial.refuse(Reason.GOING_AWAY, "The relay is stopping.");
      return;
    }
    const permission = judge([fingerprint, wanted], [...running.keys()]);
    if (!permission.allowed) {
      const { rule, message, told = permission } = permission;
      note(caller, target, { verdict: "denied", rule, message });
      log.debug({ peer: caller.peer, target, rule }, "relay refused");
      dial.refuse(reasonOf(told.rule), withRule(`The relay refused: ${told.message}`, told.rule));
      return;
    }
    const names = [caller.peer ?? "", target] as const;
    const carriage: Carriage = { ends: [fingerprint, wanted], names, correlation, ended: new AbortController() };
    const done = carry(carriage, caller, dial)
      .catch((error: unknown) => log.debug({ peer: caller.peer, err: error }, "carrier lost"))
      .finally(() => forget(carriage));
    running.set(carriage, done);
  }

  function forget(carriage: Carriage): void {
    running.delete(carriage);
    for (const end of carriage.ends) {
      if (![...running.keys()].some(({ ends }) => ends.includes(end))) rates.delete(end);
    }
  }

  async function carry(carriage: Carriage, caller: ExitCaller, dial: RelayedDial): Promise<void> {
    const { ended, names } = carriage;
    const [from, to] = names;
    const giveUp = dial.signal ? AbortSignal.any([dial.signal, ended.signal]) : ended.signal;
    const target = create(TargetSchema, { kind: { case: "carrier", value: create(CarrierTargetSchema) } });
    const far = await deps.dialPeer(to, target, { signal: giveUp }).catch((error: unknown) => {
      const { reason, message } = explain(error, ended.signal.reason);
      note(caller, to, { verdict: "failed", message });
      dial.refuse(reason, message);
      return undefined;
    });
    if (!far) return;
    if (giveUp.aborted) {
      const { reason, message } = explain(undefined, ended.signal.reason);
      far.destroy(new StreamError(reason, message));
      dial.refuse(reason, message);
      return;
    }
    const near = dial.accept();
    note(caller, to, { verdict: "allowed" });
    log.info({ peer: from, target: to }, "carrying between two peers");
    const startedAt = clock.monotonic();
    const onEnded = (): void => {
      const { reason } = ended.signal;
      for (const side of [near, far]) side.destroy(reason instanceof Error ? reason : undefined);
    };
    ended.signal.addEventListener("abort", onEnded, { once: true });
    const shared = carriage.ends.map(rateOf);
    const end = await join(near, far, (side) => {
      const flow = side === near ? flowOf(from, to) : flowOf(to, from);
      return paceOf(shared, (bytes) => {
        flow.bytes += bytes;
      });
    });
    const ms = Math.round(clock.monotonic() - startedAt);
    const { sent, received, error } = end;
    log.info({ peer: from, target: to, sent, received, ms, ...(error && { reason: errorText(error) }) }, "carried");
  }

  function flowOf(from: string, to: string): RelayTraffic {
    const key = JSON.stringify([from, to]);
    const flow = traffic.get(key) ?? { from, to, bytes: 0 };
    traffic.set(key, flow);
    return flow;
  }

  /** One for all carriers of a peer. */
  function rateOf(fingerprint: string): ByteRate {
    const known = rates.get(fingerprint);
    const rate = known ?? new ByteRate(clock, deps.policyOf(fingerprint)?.relay.bytesPerSecond);
    rates.set(fingerprint, rate);
    return rate;
  }

  function review(fingerprint?: string): void {
    for (const [end, rate] of rates) rate.perSecond = deps.policyOf(end)?.relay.bytesPerSecond;
    for (const [key, { from, to }] of traffic) if (!roster.get(from) || !roster.get(to)) traffic.delete(key);
    // In the order in which they came: where a bound has become lower, the later ones are too many.
    const kept: Carriage[] = [];
    for (const carriage of running.keys()) {
      const { ends, ended } = carriage;
      if (ended.signal.aborted) continue;
      const isMeant = fingerprint === undefined || ends.includes(fingerprint);
      const permission = isMeant ? judge(ends, kept) : undefined;
      if (permission && !permission.allowed) revoke(carriage, permission);
      else kept.push(carriage);
    }
  }

  function revoke(
    { ends, names, correlation, ended }: Carriage,
    { rule, message, told }: RelayPermission & { allowed: false },
  ): void {
    const [peer, target] = names;
    log.info({ peer, target, rule }, "carrier revoked");
    const actor = { peer, fingerprint: ends[0] };
    const entry = { action: "relay.revoke", actor, target, verdict: "done", rule, message, correlation } as const;
    deps.record.note(ends[0], entry);
    const said = told ?? { rule, message };
    ended.abort(new StreamError(Reason.REVOKED, withRule(`The relay no longer carries: ${said.message}`, said.rule)));
  }

  function note(
    { peer, fingerprint, correlation }: ExitCaller,
    target: string,
    how: Pick<PeeringAuditEntry, "verdict" | "rule" | "message">,
  ): void {
    deps.record.note(fingerprint, {
      action: "relay.open",
      actor: { peer, fingerprint },
      target,
      correlation,
      ...how,
    });
  }

  return {
    open,
    review,
    get size() {
      return running.size;
    },
    traffic: () => [...traffic.values()],
    async close() {
      closed = true;
      for (const { ended } of running.keys()) ended.abort(new StreamError(Reason.SHUTDOWN, "The relay is stopping."));
      await Promise.all(running.values());
    },
  };
}

const reasons: Readonly<Record<string, Reason>> = {
  "relay/target": Reason.NOT_FOUND,
  "relay/carriers": Reason.OVERLOADED,
};

function reasonOf(rule: string): Reason {
  return reasons[rule] ?? Reason.DENIED;
}

/** Why the other one was not reached, for who asked: of itself, or of its peer behind the relay. */
function explain(error: unknown, withdrawn: unknown): { reason: Reason; message: string } {
  if (withdrawn instanceof StreamError) return { reason: withdrawn.reason, message: withdrawn.message };
  const { reason, remote } = error instanceof StreamError ? error : { reason: Reason.CANCELLED, remote: false };
  if (!remote && reason === Reason.CANCELLED) return { reason, message: "The dial was given up." };
  if (remote && error instanceof Error)
    return { reason, message: `The agent behind the relay refused: ${error.message}` };
  return { reason: Reason.UNREACHABLE, message: "The agent that is meant is not connected to the relay now." };
}
