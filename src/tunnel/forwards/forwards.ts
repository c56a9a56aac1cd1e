/**
 * Forwards of this cluster: for each a Service that leads to ports of this agent, and from there to what a peer has. Level-triggered:
 * each run of a Forward brings it from wherever it stands to what it asks for.
 */
import type { Duplex } from "node:stream";
import type { Clock } from "../../base/clock.ts";
import { createKeyedWorker } from "../../base/keyed-worker.ts";
import type { Log } from "../../base/log.ts";
import type { ForwardStatus } from "../../gen/fairlead/resources/v1alpha1/forward_pb.ts";
import type { KubeClient } from "../../kube/client.ts";
import { KubeError } from "../../kube/errors.ts";
import type { EventRecorder } from "../../kube/event-recorder.ts";
import { createReflector } from "../../kube/reflector.ts";
import { type Forward, forwards as forwardKind } from "../../kube/resources.ts";
import { createStatusWriter } from "../../kube/status-writer.ts";
import type { LinkStatus } from "../../peering/link-status.ts";
import type { Roster } from "../../peering/roster.ts";
import { targetText } from "../../wire/target-text.ts";
import type { AppDialer } from "../entry.ts";
import type { AgentPlace, WantedService } from "./manifests.ts";
import type { Offering } from "./offering.ts";
import { type ForwardPlan, planForward, targetAt } from "./plan.ts";
import type { PortRange } from "./port-range.ts";
import { Served, type ServedPort } from "./served.ts";
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
  readonly offering: Offering;
  readonly events: Pick<EventRecorder, "record">;
  readonly maker: ServiceMaker;
  /** Where pods reach this agent, and where it listens for them; undefined where that is not set. */
  readonly entrance: { readonly place: AgentPlace; readonly range: Pick<PortRange, "listen"> } | undefined;
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
  /** It stands otherwise with this Forward beside what is written in it. */
  reconsider(key: string): void;
  /** Age of the oldest unfinished work, in milliseconds; for health. */
  oldestPendingMs(): number;
  /** Resets what is connected, and takes the agent out of the Services, for two seconds at most. */
  close(): Promise<void>;
}

interface Running {
  readonly uid: string;
  readonly peer: string;
  readonly served: Served;
  /** As it was made last. */
  wanted?: WantedService;
  clusterIp?: string | undefined;
}

/** Services that somebody changes are looked at again so often, in milliseconds. */
const lookAgainMs = 30_000;
const closeWithinMs = 2_000;

export function createForwards(deps: ForwardsDeps): Forwards {
  const { client, roster, links, maker, entrance, clock, log } = deps;
  const reflector = createReflector({ client, kind: forwardKind, clock, log });
  const statuses = createStatusWriter({ client, kind: forwardKind, clock, log });
  const running = new Map<string, Running>();
  /** By UID, the status that was told last; the API server may not have it yet. */
  const told = new Map<string, ForwardStatus>();
  const worker = createKeyedWorker({ run, clock, concurrency: 8, onError });
  const ends = [
    reflector.subscribe((key, now, before) => {
      const { uid } = before?.metadata ?? {};
      if (uid !== undefined && uid !== now?.metadata.uid) told.delete(uid);
      worker.add(key);
    }),
    roster.subscribe(({ name }) => lookAtPeer(name)),
    links.subscribe(lookAtPeer),
  ];

  function lookAtPeer(peer: string): void {
    for (const forward of reflector.list()) if (forward.spec.peer === peer) worker.add(keyIn(forward));
  }

  async function run(key: string, signal: AbortSignal): Promise<void | { againMs: number }> {
    // Before the roster is known, every peer would look unknown.
    await roster.synced(signal);
    const forward = reflector.get(key);
    const { uid = "" } = forward?.metadata ?? {};
    if (running.get(key)?.uid !== uid) stop(key);
    if (!forward || forward.metadata.deletionTimestamp) {
      stop(key);
      deps.offering.delete(key);
      statuses.forget(key);
      return;
    }
    const planned = planForward(forward);
    if (!planned.ok) {
      await standDown(key, signal);
      deps.offering.delete(key);
      tell(forward, { invalid: planned.message });
      return;
    }
    const { plan } = planned;
    if (plan.direction === "Reverse") {
      await turn(plan, signal);
      tell(forward, offer(plan));
      return;
    }
    deps.offering.delete(key);
    tell(forward, await bring(plan, signal));
    return { againMs: lookAgainMs };
  }

  /** To what it asks for, as far as that can be now. */
  async function bring(plan: ForwardPlan, signal: AbortSignal): Promise<Standing> {
    const { key, peer, uid } = plan;
    if (!entrance) {
      await standDown(key, signal);
      const message =
        "This agent is not told at which address pods reach it: set forwards.address (the chart does, for agents in a cluster).";
      return { waiting: { reason: "NoAddress", message } };
    }
    if (!roster.get(peer)) {
      await standDown(key, signal);
      return unknownPeer(peer);
    }
    const one = running.get(key) ?? start(plan);
    const ports = await one.served.open(servedPorts(plan), plan.use);
    if (!ports) {
      await standDown(key, signal);
      const message = "All ports of this agent that are for Forwards are taken: widen forwards.ports.";
      return { waiting: { reason: "NoPorts", message } };
    }
    const wanted: WantedService = {
      namespace: plan.namespace,
      name: plan.name,
      uid,
      peer,
      isOwned: true,
      ports,
      place: entrance.place,
    };
    const made = await maker.keep(wanted, signal);
    const { fare } = one.served.traffic;
    if (!made.ok) {
      await standDown(key, signal);
      return { waiting: made, fare };
    }
    one.wanted = wanted;
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

  function start({ key, uid, peer, use }: ForwardPlan): Running {
    if (!entrance) throw new Error("Nothing is listened on without an address.");
    const served = new Served(entrance.range, use, {
      onFare: () => worker.add(key),
      clock,
      log: log.child({ forward: key, peer }),
    });
    const one = { uid, peer, served };
    running.set(key, one);
    return one;
  }

  /** To an offer there: what was made here before goes, also by a process of this agent before. */
  async function turn({ key, namespace, name, uid, peer }: ForwardPlan, signal: AbortSignal): Promise<void> {
    stop(key);
    if (!entrance) return;
    try {
      await maker.remove({ namespace, name, uid, peer, isOwned: true, place: entrance.place }, signal);
    } catch (error) {
      // Without the right to look it has made nothing there.
      if (!isForbidden(error)) throw error;
    }
  }

  /** Leads nobody to its ports before these are given back, since another Forward may get them. */
  async function standDown(key: string, signal: AbortSignal): Promise<void> {
    const made = running.get(key)?.wanted;
    if (made) {
      await maker.leave(made, signal).catch((error: unknown) => {
        if (!isForbidden(error)) throw error;
      });
    }
    stop(key);
  }

  function stop(key: string): void {
    running.get(key)?.served.close();
    running.delete(key);
  }

  function servedPorts({ key, peer, target, ports }: ForwardPlan): ServedPort[] {
    return ports.map((planned) => {
      const at = targetAt(target, planned);
      return {
        ...planned,
        leadsTo: `${peer} ${targetText(at)}`,
        // Who may write a Forward but in no namespace where Services are made for one gets no way by it either.
        async dial(signal: AbortSignal): Promise<Duplex> {
          if (!running.get(key)?.wanted) throw new Error("No Service leads here.");
          return deps.dial({ peer, target: at, person: `forward ${key}` }, signal);
        },
      };
    });
  }

  function tell(forward: Forward, standing: Standing): void {
    const { uid = "" } = forward.metadata;
    const before = told.get(uid) ?? forward.status;
    const status = statusOf(forward, standing, before, clock.now());
    told.set(uid, status);
    const happening = happeningOf(before, status);
    if (happening) {
      deps.events.record(forward, { ...happening, action: "Forward" });
      const { phase, message } = status;
      log.info({ forward: keyIn(forward), phase, reason: happening.reason, detail: message }, "a forward changed");
    }
    statuses.write({ metadata: forward.metadata, status });
  }

  function onError(key: string, error: unknown, attempt: number): void {
    log.warn({ forward: key, err: error, attempt }, "a forward could not be brought forward; it is tried again");
  }

  return {
    counts: () =>
      [...running].map(([key, { peer, served }]) => {
        const slash = key.indexOf("/");
        return { namespace: key.slice(0, slash), name: key.slice(slash + 1), peer, ...served.traffic.counts };
      }),
    async list(signal) {
      await reflector.synced(signal);
      return reflector.list().map((forward) => {
        const { uid = "" } = forward.metadata;
        const status = told.get(uid) ?? forward.status;
        const one = running.get(keyIn(forward));
        const counts = one?.uid === uid ? one.served.traffic.counts : undefined;
        return { forward: { ...forward, ...(status && { status }) }, counts };
      });
    },
    reconsider: (key) => worker.add(key),
    oldestPendingMs: () => Math.max(worker.oldestPendingMs(), statuses.oldestPendingMs()),
    async close() {
      for (const end of ends) end();
      await worker.close();
      const made = [...running.values()].flatMap(({ wanted }) => wanted ?? []);
      for (const key of [...running.keys()]) stop(key);
      const late = new AbortController();
      const limit = clock.after(closeWithinMs, () => late.abort(new Error("There is no more time.")));
      await Promise.allSettled(made.map((wanted) => maker.leave(wanted, late.signal)));
      limit.cancel();
      await Promise.all([statuses.close(), reflector.close()]);
    },
  };
}

function isForbidden(error: unknown): boolean {
  return error instanceof KubeError && error.status === 403;
}

function keyIn({ metadata }: Forward): string {
  return `${metadata.namespace}/${metadata.name}`;
}

function unknownPeer(peer: string): Standing {
  return { waiting: { reason: "UnknownPeer", message: `There is no peer ${peer} here: fairlead peer list` } };
}

function away(peer: string): NonNullable<Standing["waiting"]> {
  const message = `There is no link to ${peer}: fairlead doctor ${peer}. Until there is, connections are reset.`;
  return { reason: "PeerAway", message };
}
