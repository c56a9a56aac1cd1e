/**
 * What peers offer here: for each offer that the policy lets be, a Service in the peer's own namespace, whose connections are dialled back to
 * that peer and to that offer. All that a peer offers is what its latest call has said.
 */
import type { Duplex } from "node:stream";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { createRateLimit, type RateLimit } from "../../base/rate-limit.ts";
import type { ForwardService, Offer } from "../../gen/fairlead/peer/v1/forward_pb.ts";
import type { KubeClient } from "../../kube/client.ts";
import { KubeError } from "../../kube/errors.ts";
import { services } from "../../kube/resources.ts";
import { ruleIn, type StreamRecord, withRule } from "../../peering/stream-record.ts";
import type { EffectivePolicy } from "../../policy/effective-policy.ts";
import { permitReverse } from "../../policy/reach.ts";
import { callerKey } from "../../rpc/caller.ts";
import type { AppDialer } from "../entry.ts";
import type { ExitCaller } from "../exit-caller.ts";
import type { ForwardCount } from "./forwards.ts";
import { type AgentPlace, labels, type WantedService } from "./manifests.ts";
import type { UseRules } from "./plan.ts";
import type { PortRange } from "./port-range.ts";
import { Served, type ServedPort } from "./served.ts";
import type { ServiceMaker } from "./service-maker.ts";

export interface OfferedDeps {
  readonly client: Pick<KubeClient, "list">;
  /** The peer as it is now; undefined for who is none. */
  callerOf(fingerprint: string): ExitCaller | undefined;
  policyOf(fingerprint: string): EffectivePolicy | undefined;
  /** The namespace that is the peer's own, made if it has to be. */
  claimNamespace(
    tenant: { peer: string; fingerprint: string },
    signal: AbortSignal,
  ): Promise<{ ok: true; namespace: string } | { ok: false; reason: string; message: string }>;
  namespaceOf(peer: string): string;
  readonly dial: AppDialer;
  readonly record: Pick<StreamRecord, "note">;
  readonly maker: ServiceMaker;
  readonly entrance: { readonly place: AgentPlace; readonly range: Pick<PortRange, "listen"> } | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Offered {
  readonly service: ServiceImpl<typeof ForwardService>;
  /** Rules or grants of this peer, or of all, may be others now: what may not be any more ends at once. */
  review(fingerprint?: string): void;
  counts(): ForwardCount[];
  close(): Promise<void>;
}

interface Taken {
  readonly served: Served;
  readonly wanted: WantedService;
}

interface Book {
  readonly peer: string;
  offers: readonly Offer[];
  /** By the offer's UID. */
  readonly taken: Map<string, Taken>;
  /** By the offer's UID, what was written down of it last. */
  readonly noted: Map<string, string>;
  readonly asking: RateLimit;
  /** Ends with the latest turn; one at a time. */
  turn: Promise<unknown>;
}

interface State {
  readonly uid: string;
  readonly service: string;
  readonly reason: string;
  readonly message: string;
}

/** Of one peer, so that no other is left without. */
const mostPorts = 128;
const closeWithinMs = 2_000;
const turnWithinMs = 45_000;

export function createOffered(deps: OfferedDeps): Offered {
  const { clock, log, maker, entrance } = deps;
  /** By fingerprint. */
  const books = new Map<string, Book>();
  const closing = new AbortController();

  function bookOf(fingerprint: string, peer: string): Book {
    const known = books.get(fingerprint);
    if (known?.peer === peer) return known;
    const asking = createRateLimit({ clock, burst: 20, perSecond: 2 });
    const book = { peer, offers: [], taken: new Map(), noted: new Map(), asking, turn: Promise.resolve() };
    books.set(fingerprint, book);
    return book;
  }

  function why(fingerprint: string, { name, ports }: Offer): string | undefined {
    const caller = deps.callerOf(fingerprint);
    const policy = deps.policyOf(fingerprint);
    if (!caller || !policy || caller.guest) return "Only a paired peer may offer anything.";
    const numbers = ports.map(({ port }) => port);
    const permission = permitReverse(caller, { name, ports: numbers }, policy, clock.now());
    return permission.allowed ? undefined : withRule(permission.message, permission.rule);
  }

  /** Each decision once, and each time that it changes. */
  function note(fingerprint: string, { peer, noted }: Book, { uid, name, ports }: Offer, refusal?: string): void {
    const target = `${deps.namespaceOf(peer)}/${name}:${ports.map(({ port }) => port).join(",")}`;
    const said = `${target} ${refusal ?? ""}`;
    if (noted.get(uid) === said) return;
    noted.set(uid, said);
    const verdict = refusal === undefined ? "allowed" : "denied";
    const rule = refusal === undefined ? undefined : ruleIn(refusal);
    deps.record.note(fingerprint, {
      action: "forward.offer",
      actor: { peer, fingerprint },
      target,
      verdict,
      rule,
      message: refusal,
    });
  }

  /** One turn after another: from what is there to what the latest call has said and the rules allow. */
  function bring(fingerprint: string, book: Book): Promise<State[]> {
    const next = book.turn.then(() => {
      const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(turnWithinMs)]);
      return turn(fingerprint, book, signal);
    });
    book.turn = next.catch((error: unknown) => {
      if (!closing.signal.aborted) log.warn({ peer: book.peer, err: error }, "offers of a peer could not be followed");
    });
    return next;
  }

  async function turn(fingerprint: string, book: Book, signal: AbortSignal): Promise<State[]> {
    signal.throwIfAborted();
    const { peer } = book;
    const states: State[] = [];
    const kept = new Set<string>();
    const names = new Set<string>();
    let ports = 0;
    for (const offer of book.offers) {
      const refuse = (reason: string, message: string) =>
        states.push({ uid: offer.uid, service: "", reason, message: message.slice(0, 1_024) });
      const refusal = why(fingerprint, offer);
      note(fingerprint, book, offer, refusal);
      ports += offer.ports.length;
      if (refusal !== undefined) refuse("Denied", refusal);
      else if (names.has(offer.name)) refuse("NameTaken", `Another of your Forwards offers ${offer.name} already.`);
      else if (ports > mostPorts) refuse("TooMany", `A peer may offer ${mostPorts} ports here.`);
      else {
        names.add(offer.name);
        const made = await take(fingerprint, book, offer, signal);
        if (made.ok) states.push({ uid: offer.uid, service: made.service, reason: "", message: "" });
        else refuse(made.reason, made.message);
        if (book.taken.has(offer.uid)) kept.add(offer.uid);
      }
    }
    for (const uid of [...book.taken.keys()]) if (!kept.has(uid)) drop(book, uid);
    for (const uid of [...book.noted.keys()]) if (!book.offers.some((one) => one.uid === uid)) book.noted.delete(uid);
    await clearAway(peer, kept, signal);
    if (!deps.callerOf(fingerprint) && books.get(fingerprint) === book) books.delete(fingerprint);
    return states;
  }

  async function take(
    fingerprint: string,
    book: Book,
    { uid, name, ports, use }: Offer,
    signal: AbortSignal,
  ): Promise<{ ok: true; service: string } | { ok: false; reason: string; message: string }> {
    const { peer } = book;
    if (!entrance) {
      return {
        ok: false,
        reason: "NoAddress",
        message: "The peer's agent is not told where pods reach it (forwards.address).",
      };
    }
    const claim = await deps.claimNamespace({ peer, fingerprint }, signal);
    if (!claim.ok) return claim;
    const { namespace } = claim;
    const rules = rulesOf(use);
    const before = book.taken.get(uid);
    const served =
      before?.served ??
      new Served(entrance.range, rules, {
        onFare: () => undefined,
        clock,
        log: log.child({ offer: `${namespace}/${name}`, peer }),
      });
    const dialled = ports.map(
      ({ name: port, port: number, appProtocol }): ServedPort => ({
        name: port,
        port: number,
        appProtocol: appProtocol || undefined,
        leadsTo: port,
        dial: (stop: AbortSignal): Promise<Duplex> =>
          deps.dial({ peer, target: { kind: "reverse", uid, port }, person: `service ${namespace}/${name}` }, stop),
      }),
    );
    const listening = await served.open(dialled, rules);
    if (!listening) {
      served.close();
      book.taken.delete(uid);
      return { ok: false, reason: "NoPorts", message: "All ports of the peer's agent for this are taken." };
    }
    const wanted = { namespace, name, uid, peer, isOwned: false, ports: listening, place: entrance.place };
    book.taken.set(uid, { served, wanted });
    const made = await maker.keep(wanted, signal);
    return made.ok ? { ok: true, service: `${namespace}/${name}` } : made;
  }

  function drop(book: Book, uid: string): void {
    book.taken.get(uid)?.served.close();
    book.taken.delete(uid);
  }

  /** Deletes what was made for offers that are none any more, also by a process of this agent before. */
  async function clearAway(peer: string, kept: ReadonlySet<string>, signal: AbortSignal): Promise<void> {
    if (!entrance) return;
    const namespace = deps.namespaceOf(peer);
    const labelSelector = `${labels.forward},${labels.peer}=${peer}`;
    const found = await deps.client.list(services, { namespace, labelSelector }, signal).catch((error: unknown) => {
      // There is no such namespace yet, or the agent has no rights in it: it has made nothing there.
      if (error instanceof KubeError && (error.status === 403 || error.status === 404)) return undefined;
      throw error;
    });
    for (const { metadata } of found?.items ?? []) {
      const uid = metadata.labels?.[labels.forward] ?? "";
      if (kept.has(uid)) continue;
      await maker.remove(
        { namespace, name: metadata.name ?? "", uid, peer, isOwned: false, place: entrance.place },
        signal,
      );
    }
  }

  return {
    service: {
      async offer({ offers }, { values }) {
        const { fingerprint, peer } = values.get(callerKey);
        if (peer === undefined) throw new ConnectError("Only a paired peer may offer anything.", Code.PermissionDenied);
        const book = bookOf(fingerprint, peer);
        if (!book.asking.take()) throw new ConnectError("You offer too often.", Code.ResourceExhausted);
        if (new Set(offers.map(({ uid }) => uid)).size < offers.length) {
          throw new ConnectError("Two offers have the same UID.", Code.InvalidArgument);
        }
        book.offers = offers;
        return { states: await bring(fingerprint, book) };
      },
    },
    review(fingerprint) {
      for (const [each, book] of books) {
        if (fingerprint !== undefined && each !== fingerprint) continue;
        for (const offer of book.offers) if (why(each, offer) !== undefined) drop(book, offer.uid);
        if (!deps.callerOf(each)) book.offers = [];
        void bring(each, book).catch(() => undefined);
      }
    },
    counts: () =>
      [...books.values()].flatMap(({ peer, taken }) =>
        [...taken.values()].map(({ served, wanted: { namespace, name } }) => {
          return { namespace, name, peer, ...served.traffic.counts };
        }),
      ),
    async close() {
      closing.abort(new Error("The agent is stopping."));
      await Promise.all([...books.values()].map(({ turn }) => turn));
      const made = [...books.values()].flatMap(({ taken }) => [...taken.values()]);
      for (const book of books.values()) for (const uid of [...book.taken.keys()]) drop(book, uid);
      const late = new AbortController();
      const limit = clock.after(closeWithinMs, () => late.abort(new Error("There is no more time.")));
      await Promise.allSettled(made.map(({ wanted }) => maker.leave(wanted, late.signal)));
      limit.cancel();
    },
  };
}

function rulesOf(use: Offer["use"]): UseRules {
  const bound = (value: number | bigint | undefined): number | undefined => (value ? Number(value) : undefined);
  return {
    connections: use?.connections || 1,
    connectionsPerSecond: bound(use?.connectionsPerSecond),
    bytesPerSecond: bound(use?.bytesPerSecond),
    idleMs: bound(use?.idleMs),
    proxyProtocol: use?.proxyProtocol ?? false,
  };
}
