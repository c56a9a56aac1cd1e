/** One turn of what a peer offers here: from what is there to what its latest call has said and the rules allow. */
import type { Duplex } from "node:stream";
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { Offer } from "../../gen/fairlead/peer/v1/forward_pb.ts";
import type { KubeClient } from "../../kube/client.ts";
import { isForbidden, isNotFound } from "../../kube/errors.ts";
import { services } from "../../kube/resources.ts";
import type { AppDialer } from "../entry.ts";
import { TunnelError } from "../tunnel-error.ts";
import type { ConnectionBound } from "./connection-bound.ts";
import { type Entrance, LedService } from "./led-service.ts";
import { labels, portOwner } from "./manifests.ts";
import type { UseRules } from "./plan.ts";
import type { ServedPort } from "./served.ts";
import type { MadeService, ServiceMaker } from "./service-maker.ts";

export interface OfferBook {
  readonly fingerprint: string;
  readonly peer: string;
  offers: readonly Offer[];
  /** By the offer's UID. */
  readonly led: Map<string, LedService>;
  /** Of all that this peer offers. */
  readonly bound: ConnectionBound;
}

export interface State {
  readonly uid: string;
  readonly service: string;
  readonly reason: string;
  readonly message: string;
}

/** Without a refusal it may be, in milliseconds since 1970 until then. */
export interface OfferVerdict {
  readonly refusal?: string;
  readonly until?: number;
}

export interface OfferTurnDeps {
  readonly client: Pick<KubeClient, "list">;
  /** What the rules say now. */
  why(offer: Offer): OfferVerdict;
  /** Told of each offer in each turn. */
  onVerdict(offer: Offer, refusal?: string): void;
  /** The namespace that is the peer's own, made if it has to be. */
  claimNamespace(
    tenant: { peer: string; fingerprint: string },
    signal: AbortSignal,
  ): Promise<{ ok: true; namespace: string } | { ok: false; reason: string; message: string }>;
  namespaceOf(peer: string): string;
  readonly dial: AppDialer;
  readonly maker: ServiceMaker;
  readonly entrance: Entrance | undefined;
  /** Resolves once no port is dealt that leads elsewhere still; see left-behind.ts. */
  settled(signal: AbortSignal): Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}

interface Refusal {
  readonly reason: string;
  readonly message: string;
}

/** Of one peer, so that no other is left without. */
const mostPorts = 128;
/** Of one offer, whatever it says. */
const mostConnections = 4_096;
/** What is told to a peer of a reason has so much room. */
const longestReason = 1_024;

/** Rejects on trouble that may pass; what is there then is as far as it came. Resolves with when it has to be looked at again. */
export async function followOffers(
  book: OfferBook,
  deps: OfferTurnDeps,
  signal: AbortSignal,
): Promise<{ states: State[]; until: number | undefined }> {
  const { entrance } = deps;
  const judged = book.offers.map((offer) => ({ offer, ...deps.why(offer) }));
  for (const { offer, refusal } of judged) deps.onVerdict(offer, refusal);
  const refused = refusalsOf(judged);
  const taken = new Map(book.offers.filter(({ uid }) => !refused.has(uid)).map((offer) => [offer.uid, offer]));
  // Nobody comes in by what may not be any more while the API server is waited for.
  for (const [uid, led] of book.led) if (!taken.has(uid)) led.shut();
  if (entrance) await clearAway(book, taken, { ...deps, entrance }, signal);
  const states: State[] = [];
  for (const offer of book.offers) {
    const { uid, name } = offer;
    const against = refused.get(uid) ?? (await stand(book, offer, deps, signal));
    if (!against) states.push({ uid, service: `${deps.namespaceOf(book.peer)}/${name}`, reason: "", message: "" });
    else states.push({ uid, service: "", reason: against.reason, message: against.message.slice(0, longestReason) });
  }
  const ends = judged.flatMap(({ refusal, until }) => (refusal === undefined ? (until ?? []) : []));
  return { states, until: ends.length > 0 ? Math.min(...ends) : undefined };
}

/** By UID. Of two of a name the first is let be. */
function refusalsOf(judged: readonly ({ readonly offer: Offer } & OfferVerdict)[]): Map<string, Refusal> {
  const refused = new Map<string, Refusal>();
  const names = new Set<string>();
  let inAll = 0;
  for (const { offer, refusal } of judged) {
    const { uid, name, ports } = offer;
    const refuse = (reason: string, message: string) => refused.set(uid, { reason, message });
    if (refusal !== undefined) refuse("Denied", refusal);
    else if (names.has(name)) refuse("NameTaken", `Another of your Forwards offers ${name} already.`);
    else if (inAll + ports.length > mostPorts) refuse("TooMany", `A peer may offer ${mostPorts} ports here.`);
    else {
      names.add(name);
      inAll += ports.length;
    }
  }
  return refused;
}

/** Deletes what was made for offers that are none any more, also by a process of this agent before. */
async function clearAway(
  book: OfferBook,
  taken: ReadonlyMap<string, Offer>,
  deps: OfferTurnDeps & { readonly entrance: Entrance },
  signal: AbortSignal,
): Promise<void> {
  for (const [uid, led] of [...book.led]) {
    const isWanted = taken.get(uid)?.name === led.identity.name;
    if (isWanted && !led.isShut) continue;
    await (isWanted ? led.standDown(signal) : led.remove(signal));
    book.led.delete(uid);
  }
  const { peer } = book;
  const namespace = deps.namespaceOf(peer);
  const labelSelector = `${labels.forward},${labels.peer}=${peer}`;
  const found = await deps.client.list(services, { namespace, labelSelector }, signal).catch((error: unknown) => {
    // There is no such namespace yet, or the agent has no rights in it: it has made nothing there.
    if (isForbidden(error) || isNotFound(error)) return undefined;
    throw error;
  });
  for (const { metadata } of found?.items ?? []) {
    const uid = metadata.labels?.[labels.forward] ?? "";
    const { name = "" } = metadata;
    if (taken.get(uid)?.name === name) continue;
    try {
      await deps.maker.remove({ namespace, name, uid, peer, isOwned: false }, signal);
      deps.entrance.range.giveBack(portOwner({ namespace, uid }));
    } catch (error) {
      // What was made by a right that is gone by now: it is no reason to follow no offers.
      if (!isForbidden(error)) throw error;
    }
  }
}

/** Undefined once it stands, or what is against it. */
async function stand(
  book: OfferBook,
  offer: Offer,
  deps: OfferTurnDeps,
  signal: AbortSignal,
): Promise<Refusal | undefined> {
  const { entrance } = deps;
  const { peer, fingerprint } = book;
  if (!entrance) {
    const message = "The peer's agent is not told where pods reach it (forwards.address).";
    return { reason: "NoAddress", message };
  }
  await deps.settled(signal);
  const claim = await deps.claimNamespace({ peer, fingerprint }, signal);
  if (!claim.ok) return claim;
  const { namespace } = claim;
  const { uid, name } = offer;
  const led = book.led.get(uid) ?? start(book, { namespace, name, uid }, { ...deps, entrance });
  const made = await keep(led, book, offer, deps, signal);
  if (made.ok) return undefined;
  await led.standDown(signal);
  book.led.delete(uid);
  return made;
}

function start(
  book: OfferBook,
  service: { namespace: string; name: string; uid: string },
  deps: OfferTurnDeps & { readonly entrance: Entrance },
): LedService {
  const { peer, bound } = book;
  const led = new LedService(
    { ...service, peer, isOwned: false },
    {
      maker: deps.maker,
      entrance: deps.entrance,
      noPorts: "All ports of the peer's agent for this are taken.",
      onFare: () => undefined,
      bound,
      clock: deps.clock,
      log: deps.log.child({ offer: `${service.namespace}/${service.name}`, peer }),
    },
  );
  book.led.set(service.uid, led);
  return led;
}

async function keep(
  led: LedService,
  book: OfferBook,
  { uid, ports, use }: Offer,
  deps: OfferTurnDeps,
  signal: AbortSignal,
): Promise<MadeService> {
  const { peer } = book;
  const { namespace, name } = led.identity;
  const dialled = ports.map(
    ({ name: port, port: number, appProtocol }): ServedPort => ({
      name: port,
      port: number,
      appProtocol: appProtocol || undefined,
      leadsTo: `${port}:${number}`,
      leading: {
        protocol: "TCP",
        async dial(stop: AbortSignal): Promise<Duplex> {
          const offer = book.offers.find((one) => one.uid === uid);
          const refusal = offer ? deps.why(offer).refusal : "This is not offered any more.";
          if (refusal !== undefined) throw new TunnelError("denied", refusal);
          return deps.dial(
            { peer, target: { kind: "reverse", uid, port }, person: `service ${namespace}/${name}` },
            stop,
          );
        },
      },
    }),
  );
  return led.keep(dialled, rulesOf(use), signal);
}

/** How connections of an offer are held here. */
export function rulesOf(use: Offer["use"]): UseRules {
  const bound = (value: number | bigint | undefined): number | undefined => (value ? Number(value) : undefined);
  return {
    connections: Math.min(use?.connections || 1, mostConnections),
    connectionsPerSecond: bound(use?.connectionsPerSecond),
    bytesPerSecond: bound(use?.bytesPerSecond),
    idleMs: bound(use?.idleMs),
    proxyProtocol: use?.proxyProtocol ?? false,
  };
}
