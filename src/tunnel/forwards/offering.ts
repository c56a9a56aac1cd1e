/**
 * What Forwards of this cluster offer to peers. Each peer is told all of it whenever that changes, on each new link, and now and then to
 * hear how it stands there; so nothing depends on what was said before.
 */
import { isDeepStrictEqual } from "node:util";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { startDeadline } from "../../base/abort.ts";
import type { Clock } from "../../base/clock.ts";
import { errorText } from "../../base/error-text.ts";
import { createKeyedWorker } from "../../base/keyed-worker.ts";
import type { Log } from "../../base/log.ts";
import { ForwardService, type OfferState } from "../../gen/fairlead/peer/v1/forward_pb.ts";
import type { LinkStatus } from "../../peering/link-status.ts";
import { type ForwardPlan, targetAt } from "./plan.ts";
import type { FindOffered } from "./reverse-way.ts";

export interface OfferingDeps {
  transport(peer: string): Transport;
  readonly links: {
    status(peer: string): LinkStatus;
    subscribe(fn: (peer: string, status: LinkStatus) => void): () => void;
  };
  /** What a peer might do by an offer it may not do any more. */
  onWithdrawn(peer: string): void;
  /** It stands otherwise with this Forward, by its key. */
  onState(key: string): void;
  readonly clock: Clock;
  readonly log: Log;
}

/** What the peer says of an offer. */
export type OfferStanding = Pick<OfferState, "service" | "reason" | "message">;

export interface Offering {
  /** Offers it, or as it is now. */
  set(plan: ForwardPlan): void;
  delete(key: string): void;
  /** Undefined before the peer was asked; NotAnswered while it does not answer. */
  standing(plan: ForwardPlan): OfferStanding | undefined;
  readonly find: FindOffered;
  close(): Promise<void>;
}

/** How it stands is asked again so often, in milliseconds, as long as something is offered. */
const askAgainMs = 15_000;
const callTimeoutMs = 30_000;
/** Peers that are told at once, so that some which do not answer keep nobody waiting. */
const concurrency = 32;
const longest = 512;
/** In one call: as many as OfferRequest takes. */
const mostOffers = 256;

export function createOffering(deps: OfferingDeps): Offering {
  const { clock, links, log } = deps;
  const plans = new Map<string, ForwardPlan>();
  /** By UID. */
  const standings = new Map<string, OfferStanding>();
  /** By peer, the link on which something was said last. */
  const said = new Map<string, number>();
  const worker = createKeyedWorker({ run, clock, concurrency, maxMs: 60_000, onError });
  const unsubscribe = links.subscribe((peer, { held, epoch }) => {
    if (held && said.get(peer) !== epoch) worker.add(peer);
  });

  /** The oldest first: of two of a name it is the one that is let be, also after a start. */
  const offersTo = (peer: string): ForwardPlan[] =>
    [...plans.values()]
      .filter((plan) => plan.peer === peer)
      .sort((a, b) => compare(a.since, b.since) || compare(a.uid, b.uid));

  async function run(peer: string, closing: AbortSignal): Promise<void | { againMs: number }> {
    const { held, epoch } = links.status(peer);
    if (!held) return;
    const all = offersTo(peer);
    const offered = all.slice(0, mostOffers);
    for (const { uid } of all.slice(mostOffers)) {
      const message = `${mostOffers} Forwards at most offer something to one peer.`;
      take(all, { uid, service: "", reason: "TooMany", message });
    }
    const client = createClient(ForwardService, deps.transport(peer));
    const late = () => new ConnectError("It took too long.", Code.DeadlineExceeded);
    const deadline = startDeadline(clock, callTimeoutMs, late, closing);
    try {
      const { states } = await client.offer({ offers: offered.map(messageOf) }, { signal: deadline.signal });
      for (const state of states) take(offered, state);
    } catch (error) {
      if (closing.aborted) return;
      // One that is older knows of no offers, and there is nothing to clear away.
      const isOlder = error instanceof ConnectError && error.code === Code.Unimplemented;
      if (offered.length > 0 || !isOlder) {
        const message = `${peer} does not answer: ${errorText(error)}`;
        for (const { uid } of offered) take(offered, { uid, service: "", reason: "NotAnswered", message });
        throw error;
      }
    } finally {
      deadline.cancel();
    }
    said.set(peer, epoch);
    return offered.length > 0 ? { againMs: askAgainMs } : undefined;
  }

  function take(
    offered: readonly ForwardPlan[],
    state: Pick<OfferState, "uid" | "service" | "reason" | "message">,
  ): void {
    const plan = offered.find(({ uid }) => uid === state.uid);
    if (!plan || plans.get(plan.key)?.uid !== plan.uid) return;
    const standing = {
      service: state.service.slice(0, 127),
      reason: /^[A-Z][A-Za-z]{0,62}$/.test(state.reason) ? state.reason : "",
      message: state.message.slice(0, longest),
    };
    const before = standings.get(plan.uid);
    standings.set(plan.uid, standing);
    if (before && isDeepStrictEqual(before, standing)) return;
    deps.onState(plan.key);
  }

  function onError(peer: string, error: unknown, attempt: number): void {
    log.warn({ peer, err: error, attempt }, "a peer could not be told what is offered to it; it is tried again");
  }

  function forget(key: string): void {
    const plan = plans.get(key);
    if (!plan) return;
    plans.delete(key);
    standings.delete(plan.uid);
    deps.onWithdrawn(plan.peer);
    if (links.status(plan.peer).held) worker.add(plan.peer);
  }

  return {
    set(plan) {
      const before = plans.get(plan.key);
      const text = JSON.stringify(plan);
      if (before && JSON.stringify(before) === text) return;
      if (before && (before.peer !== plan.peer || before.uid !== plan.uid)) forget(plan.key);
      plans.set(plan.key, plan);
      if (before) deps.onWithdrawn(plan.peer);
      worker.add(plan.peer);
    },
    delete: forget,
    standing: ({ uid }) => standings.get(uid),
    find(peer, { uid, port }) {
      const plan = [...plans.values()].find((one) => one.uid === uid && one.peer === peer);
      const planned = plan?.ports.find(({ name }) => name === port);
      const target = plan && planned && targetAt(plan.target, planned);
      return target?.kind === "service" ? target : undefined;
    },
    async close() {
      unsubscribe();
      await worker.close();
    },
  };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function messageOf({ uid, name, ports, use }: ForwardPlan) {
  return {
    uid,
    name,
    ports: ports.map(({ name, port, appProtocol }) => ({ name, port, appProtocol: appProtocol ?? "" })),
    use: {
      connections: use.connections,
      connectionsPerSecond: use.connectionsPerSecond ?? 0,
      bytesPerSecond: BigInt(Math.round(use.bytesPerSecond ?? 0)),
      idleMs: BigInt(use.idleMs ?? 0),
      proxyProtocol: use.proxyProtocol,
    },
  };
}
