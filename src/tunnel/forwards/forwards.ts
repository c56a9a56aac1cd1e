/**
 * Forwards of this cluster: for each a Service that leads to ports of this agent, and from there to what a peer has. Level-triggered:
 * each run of a Forward brings it from wherever it stands to what it asks for.
 */
import type { Clock } from "../../base/clock.ts";
import { createKeyedWorker } from "../../base/keyed-worker.ts";
import type { Log } from "../../base/log.ts";
import type { ForwardStatus } from "../../gen/fairlead/resources/v1alpha1/forward_pb.ts";
import type { KubeClient } from "../../kube/client.ts";
import type { EventRecorder } from "../../kube/event-recorder.ts";
import { createReflector } from "../../kube/reflector.ts";
import { type Forward, forwards as forwardKind } from "../../kube/resources.ts";
import { createStatusWriter } from "../../kube/status-writer.ts";
import type { LinkStatus } from "../../peering/link-status.ts";
import type { Roster } from "../../peering/roster.ts";
import { isDatagrams, targetText } from "../../wire/target-text.ts";
import type { AppDialer, DatagramDialer } from "../entry.ts";
import type { ConnectionBound } from "./connection-bound.ts";
import { type Entrance, LedService, leaveAll } from "./led-service.ts";
import type { Offering } from "./offering.ts";
import { type ForwardPlan, planForward, targetAt } from "./plan.ts";
import type { Leading, ServedPort } from "./served.ts";
import type { ServiceMaker } from "./service-maker.ts";
import { happeningOf, type Standing, statusOf } from "./status.ts";
import type { TrafficCounts } from "./traffic.ts";

export interface ForwardsDeps {
  readonly client: Pick<KubeClient, "list" | "watch" | "get" | "applyStatus">;
  readonly roster: Pick<Roster, "get" | "subscribe" | "synced">;
  readonly links: {
    status(peer: string): LinkStatus;
    subscribe(fn: (peer: string, status: LinkStatus) => void): () => void;
  };
  readonly dial: AppDialer;
  readonly dialDatagrams: DatagramDialer;
  readonly offering: Offering;
  readonly events: Pick<EventRecorder, "record">;
  readonly maker: ServiceMaker;
  /** Undefined where it is not set. */
  readonly entrance: Entrance | undefined;
  /** Resolves once no port is dealt that leads elsewhere still; see left-behind.ts. */
  settled(signal: AbortSignal): Promise<void>;
  /** Of all connections of Forwards. */
  readonly bound: ConnectionBound;
  readonly clock: Clock;
  readonly log: Log;
}

export interface ForwardCount extends TrafficCounts {
  readonly namespace: string;
  readonly name: string;
  readonly peer: string;
}

/** A Forward as it was told last, and what goes by it, where it is listened for. */
export interface KnownForward {
  readonly forward: Forward;
  readonly counts: TrafficCounts | undefined;
}

export interface Forwards {
  counts(): ForwardCount[];
  /** All that there are, once those that there were at the start are known. */
  list(signal: AbortSignal): Promise<KnownForward[]>;
  /** By "namespace/name", as it was told last; undefined when there is none, or nothing is known yet. */
  get(key: string): Forward | undefined;
  /** Resolves once there is one of this key for all that {@link Forwards.get} knows: when that takes long, without it. */
  heard(key: string, signal: AbortSignal): Promise<void>;
  /** Tells that one has come, gone or changed, its status among it. Returns what ends it. */
  subscribe(listener: () => void): () => void;
  /** It stands otherwise with this Forward beside what is written in it. */
  reconsider(key: string): void;
  /** Age of the oldest unfinished work, in milliseconds; for health. */
  oldestPendingMs(): number;
  /** Resets what is connected, and takes the agent out of the Services, for two seconds at most. */
  close(): Promise<void>;
}

/** Services that somebody changes are looked at again so often, in milliseconds. */
const lookAgainMs = 30_000;
/** What was written is waited for so long, in milliseconds. */
const mostHearingMs = 2_000;

export function createForwards(deps: ForwardsDeps): Forwards {
  const { client, roster, links, maker, entrance, clock, log } = deps;
  const reflector = createReflector({ client, kind: forwardKind, clock, log });
  const statuses = createStatusWriter({ client, kind: forwardKind, clock, log });
  const running = new Map<string, LedService>();
  /** By UID, the status that was told last; the API server may not have it yet. */
  const told = new Map<string, ForwardStatus>();
  const listeners = new Set<() => void>();
  const worker = createKeyedWorker({ run, clock, concurrency: 8, onError });
  const ends = [
    reflector.subscribe((key, now, before) => {
      const { uid } = before?.metadata ?? {};
      if (uid !== undefined && uid !== now?.metadata.uid) told.delete(uid);
      worker.add(key);
      for (const listener of [...listeners]) listener();
    }),
    roster.subscribe(({ name }) => lookAtPeer(name)),
    links.subscribe(lookAtPeer),
  ];

  function lookAtPeer(peer: string): void {
    for (const forward of reflector.list()) if (forward.spec.peer === peer) worker.add(keyIn(forward.metadata));
  }

  async function run(key: string, signal: AbortSignal): Promise<void | { againMs: number }> {
    // Before the roster is known, every peer would look unknown.
    await roster.synced(signal);
    const forward = reflector.get(key);
    const gone = !forward || forward.metadata.deletionTimestamp !== undefined;
    if (gone) deps.offering.delete(key);
    const one = running.get(key);
    if (one && (gone || one.isShut || !isOf(one, forward))) await standDown(one, signal);
    if (gone) {
      statuses.forget(key);
      return;
    }
    const planned = planForward(forward);
    if (!planned.ok) {
      deps.offering.delete(key);
      if (entrance) await standDown(running.get(key) ?? start(forward, entrance), signal);
      const { field, message } = planned;
      tell(forward, { invalid: field === undefined ? message : `${field}: ${message}` });
      return;
    }
    const { plan } = planned;
    if (plan.direction === "Reverse") {
      await turn(forward, signal);
      tell(forward, offer(plan));
      return;
    }
    deps.offering.delete(key);
    tell(forward, await bring(forward, plan, signal));
    return { againMs: lookAgainMs };
  }

  /** To what it asks for, as far as that can be now. */
  async function bring(forward: Forward, plan: ForwardPlan, signal: AbortSignal): Promise<Standing> {
    const { key, peer } = plan;
    if (!entrance) {
      const message =
        "This agent is not told at which address pods reach it: set forwards.address (the chart does, for agents in a cluster).";
      return { waiting: { reason: "NoAddress", message } };
    }
    await deps.settled(signal);
    const one = running.get(key) ?? start(forward, entrance);
    if (!roster.get(peer)) {
      await standDown(one, signal);
      return unknownPeer(peer);
    }
    const made = await one.keep(servedPorts(plan), plan.use, signal);
    const { fare } = one.traffic;
    if (!made.ok) {
      await standDown(one, signal);
      return { waiting: made, fare };
    }
    const service = { service: plan.name, clusterIp: made.clusterIp, fare };
    const { state, held } = links.status(peer);
    if (state === "connected" || held) return service;
    return { ...service, waiting: away(peer) };
  }

  /** What is here becomes a Service at the peer. */
  function offer(plan: ForwardPlan): Standing {
    const { peer } = plan;
    if (!roster.get(peer)) {
      deps.offering.delete(plan.key);
      return unknownPeer(peer);
    }
    deps.offering.set(plan);
    if (!links.status(peer).held) return { waiting: away(peer) };
    const standing = deps.offering.standing(plan);
    if (!standing)
      return { waiting: { reason: "NotAnswered", message: `${peer} has not said yet how it stands there.` } };
    const { service, reason, message } = standing;
    if (service === "") return { waiting: { reason: reason || "Refused", message } };
    return { service };
  }

  function start({ metadata, spec: { peer = "" } }: Forward, entrance: Entrance): LedService {
    const { namespace = "", name = "", uid = "" } = metadata;
    const key = keyIn(metadata);
    const one = new LedService(
      { namespace, name, uid, peer, isOwned: true },
      {
        maker,
        entrance,
        noPorts: `All ports of this agent that are for Forwards, or all that those of ${peer} may have of them, are taken: widen forwards.ports.`,
        onFare: () => worker.add(key),
        bound: deps.bound,
        clock,
        log: log.child({ forward: key, peer }),
      },
    );
    running.set(key, one);
    return one;
  }

  /** To an offer there: what was made here before goes, also by a process of this agent before. */
  async function turn(forward: Forward, signal: AbortSignal): Promise<void> {
    if (!entrance) return;
    const key = keyIn(forward.metadata);
    await (running.get(key) ?? start(forward, entrance)).remove(signal);
    running.delete(key);
  }

  /** Leads nobody to its ports before these are given back, since another Forward may get them. */
  async function standDown(one: LedService, signal: AbortSignal): Promise<void> {
    await one.standDown(signal);
    running.delete(keyIn(one.identity));
  }

  function servedPorts({ key, peer, target, ports }: ForwardPlan): ServedPort[] {
    return ports.map((planned) => {
      const at = targetAt(target, planned);
      const { name, port, appProtocol } = planned;
      const person = `forward ${key}`;
      const leading: Leading = isDatagrams(at)
        ? { protocol: "UDP", dial: (signal) => deps.dialDatagrams({ peer, target: at, person }, signal) }
        : { protocol: "TCP", dial: (signal) => deps.dial({ peer, target: at, person }, signal) };
      return { name, port, appProtocol, leadsTo: `${peer} ${targetText(at)}`, leading };
    });
  }

  function tell(forward: Forward, standing: Standing): void {
    const { uid = "" } = forward.metadata;
    const before = told.get(uid) ?? forward.status;
    const status = statusOf(forward, standing, before, clock.now());
    told.set(uid, status);
    for (const listener of [...listeners]) listener();
    const happening = happeningOf(before, status);
    if (happening) {
      deps.events.record(forward, { ...happening, action: "Forward" });
      const { phase, message } = status;
      log.info(
        { forward: keyIn(forward.metadata), phase, reason: happening.reason, detail: message },
        "a forward changed",
      );
    }
    statuses.write({ metadata: forward.metadata, status });
  }

  function onError(key: string, error: unknown, attempt: number): void {
    log.warn({ forward: key, err: error, attempt }, "a forward could not be brought forward; it is tried again");
  }

  return {
    counts: () =>
      [...running.values()].map(({ identity: { namespace, name, peer }, traffic }) => {
        return { namespace, name, peer, ...traffic.counts };
      }),
    async list(signal) {
      await reflector.synced(signal);
      return reflector.list().map((forward) => {
        const { uid = "" } = forward.metadata;
        const status = told.get(uid) ?? forward.status;
        const one = running.get(keyIn(forward.metadata));
        const counts = one?.identity.uid === uid ? one.traffic.counts : undefined;
        return { forward: { ...forward, ...(status && { status }) }, counts };
      });
    },
    get: (key) => reflector.get(key),
    async heard(key, signal) {
      if (reflector.get(key)) return;
      const come = new AbortController();
      const end = reflector.subscribe((other, now) => {
        if (now && other === key) come.abort();
      });
      await clock.sleep(mostHearingMs, AbortSignal.any([signal, come.signal])).catch(() => undefined);
      end();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    reconsider: (key) => worker.add(key),
    oldestPendingMs: () => Math.max(worker.oldestPendingMs(), statuses.oldestPendingMs()),
    async close() {
      for (const end of ends) end();
      await worker.close();
      await leaveAll([...running.values()], clock);
      await Promise.all([statuses.close(), reflector.close()]);
    },
  };
}

function keyIn({ namespace, name }: { namespace?: string; name?: string }): string {
  return `${namespace}/${name}`;
}

function isOf({ identity }: LedService, { metadata, spec }: Forward): boolean {
  return identity.uid === metadata.uid && identity.peer === (spec.peer ?? "");
}

function unknownPeer(peer: string): Standing {
  return { waiting: { reason: "UnknownPeer", message: `There is no peer ${peer} here: fairlead peer list` } };
}

function away(peer: string): NonNullable<Standing["waiting"]> {
  const message = `There is no link to ${peer}: fairlead doctor ${peer}. Until there is, connections are reset.`;
  return { reason: "PeerAway", message };
}
