/**
 * What peers offer here: for each offer that the policy lets be, a Service in the peer's own namespace, whose connections are dialled back to
 * that peer and to that offer. All that a peer offers is what its latest call has said.
 */
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { startDeadline } from "../../base/abort.ts";
import { createKeyedWorker } from "../../base/keyed-worker.ts";
import { createRateLimit, type RateLimit } from "../../base/rate-limit.ts";
import type { ForwardService, Offer } from "../../gen/fairlead/peer/v1/forward_pb.ts";
import { ruleIn, type StreamRecord, withRule } from "../../peering/stream-record.ts";
import { defaultConnections, type EffectivePolicy } from "../../policy/effective-policy.ts";
import { permitReverse } from "../../policy/reach.ts";
import { callerKey } from "../../rpc/caller.ts";
import type { ExitCaller } from "../exit-caller.ts";
import { ConnectionBound } from "./connection-bound.ts";
import type { ForwardCount } from "./forwards.ts";
import { leaveAll } from "./led-service.ts";
import { followOffers, type OfferBook, type OfferTurnDeps, type OfferVerdict, type State } from "./offer-turn.ts";

export interface OfferedDeps extends Omit<OfferTurnDeps, "why" | "onVerdict"> {
  /** The peer as it is now; undefined for who is none. */
  callerOf(fingerprint: string): ExitCaller | undefined;
  policyOf(fingerprint: string): EffectivePolicy | undefined;
  readonly record: Pick<StreamRecord, "note">;
  /** Of all connections of Forwards. */
  readonly bound: ConnectionBound;
}

export interface Offered {
  readonly service: ServiceImpl<typeof ForwardService>;
  /** Rules or grants of this peer, or of all, may be others now: what may not be any more ends at once. */
  review(fingerprint?: string): void;
  counts(): ForwardCount[];
  close(): Promise<void>;
}

interface Book extends OfferBook {
  /** By the offer's UID, what was written down of it last. */
  readonly noted: Map<string, string>;
  readonly asking: RateLimit;
  /** Of the next turn, when somebody waits for it. */
  next?: PromiseWithResolvers<State[]> | undefined;
}

const turnWithinMs = 45_000;

export function createOffered(deps: OfferedDeps): Offered {
  const { clock, log } = deps;
  /** By {@link keyOf}. */
  const books = new Map<string, Book>();
  const worker = createKeyedWorker({ run, clock, onError });

  function bookOf(fingerprint: string, peer: string): Book {
    const key = keyOf(fingerprint, peer);
    const known = books.get(key);
    if (known) return known;
    const asking = createRateLimit({ clock, burst: 20, perSecond: 2 });
    const bound = new ConnectionBound(defaultConnections, deps.bound);
    const book = { fingerprint, peer, offers: [], led: new Map(), noted: new Map(), asking, bound };
    books.set(key, book);
    return book;
  }

  function isPeer({ fingerprint, peer }: Book): boolean {
    return deps.callerOf(fingerprint)?.peer === peer;
  }

  function why({ fingerprint, peer }: OfferBook, { name, ports }: Offer): OfferVerdict {
    const caller = deps.callerOf(fingerprint);
    const policy = deps.policyOf(fingerprint);
    if (!caller || !policy || caller.guest || caller.peer !== peer) {
      return { refusal: "Only a paired peer may offer anything." };
    }
    const numbers = ports.map(({ port }) => port);
    const permission = permitReverse(caller, { name, ports: numbers }, policy, clock.now());
    return permission.allowed ? permission : { refusal: withRule(permission.message, permission.rule) };
  }

  /** Each decision once, and each time that it changes. */
  function note({ fingerprint, peer, noted }: Book, { uid, name, ports }: Offer, refusal?: string): void {
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

  /** One turn of a peer at a time. Who calls meanwhile waits for the next, all of them for the same. */
  async function run(key: string, closing: AbortSignal): Promise<void | { againMs: number }> {
    const book = books.get(key);
    if (!book) return;
    const asked = book.next;
    book.next = undefined;
    const late = () => new ConnectError("The offers cannot be followed in time.", Code.DeadlineExceeded);
    const deadline = startDeadline(clock, turnWithinMs, late, closing);
    try {
      const { states, until } = await turn(book, deadline.signal);
      asked?.resolve(states);
      return until === undefined ? undefined : { againMs: Math.max(1, until - clock.now()) };
    } catch (error) {
      asked?.reject(error);
      throw error;
    } finally {
      deadline.cancel();
    }
  }

  async function turn(book: Book, signal: AbortSignal): Promise<{ states: State[]; until: number | undefined }> {
    const onVerdict = (offer: Offer, refusal?: string) => note(book, offer, refusal);
    const done = await followOffers(book, { ...deps, why: (offer) => why(book, offer), onVerdict }, signal);
    for (const uid of [...book.noted.keys()]) if (!book.offers.some((one) => one.uid === uid)) book.noted.delete(uid);
    if (!isPeer(book)) books.delete(keyOf(book.fingerprint, book.peer));
    return done;
  }

  function onError(key: string, error: unknown, attempt: number): void {
    const { peer } = books.get(key) ?? {};
    log.warn({ peer, err: error, attempt }, "offers of a peer could not be followed; it is tried again");
  }

  /** What needs no API server: who may not be served any more is not, from now on. */
  function judge(book: Book): void {
    if (!isPeer(book)) book.offers = [];
    book.bound.most = deps.policyOf(book.fingerprint)?.tunnels.limits.connections ?? defaultConnections;
    for (const [uid, led] of book.led) {
      const offer = book.offers.find((one) => one.uid === uid);
      if (!offer || why(book, offer).refusal !== undefined) led.shut();
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
        judge(book);
        book.next ??= Promise.withResolvers();
        worker.add(keyOf(fingerprint, peer));
        return { states: await book.next.promise };
      },
    },
    review(fingerprint) {
      for (const [key, book] of books) {
        if (fingerprint !== undefined && book.fingerprint !== fingerprint) continue;
        judge(book);
        worker.add(key);
      }
    },
    counts: () =>
      [...books.values()].flatMap(({ led }) =>
        [...led.values()].map(({ identity: { namespace, name, peer }, traffic }) => {
          return { namespace, name, peer, ...traffic.counts };
        }),
      ),
    async close() {
      await worker.close();
      for (const { next } of books.values()) next?.reject(new ConnectError("The agent is stopping.", Code.Unavailable));
      await leaveAll(
        [...books.values()].flatMap(({ led }) => [...led.values()]),
        clock,
      );
    },
  };
}

/** A peer that comes back under another name has another namespace, and what was in the old one goes. */
function keyOf(fingerprint: string, peer: string): string {
  return `${fingerprint} ${peer}`;
}
