/**
 * Keeps a conversation about one kind with every peer that the link reaches, for as long as it does. A conversation that
 * ends while the link is up is begun again, with a growing wait, and begins with digests: nothing depends on what an
 * earlier one has said.
 */
import { createBackoff } from "../base/backoff.ts";
import { createBreather } from "../base/breather.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type * as pb from "../gen/fairlead/peer/v1/intent_pb.ts";
import { responseFault } from "./messages.ts";
import { createOriginSession, type HostNews, type OriginSession, type WishBook } from "./origin-session.ts";

/** How a link is, as far as intent cares. */
export interface LinkWatch {
  /** Calls `fn` for each link that is up, soon, and then whenever one has come up or gone down. Returns how to end that. */
  subscribe(fn: (peer: string, up: boolean) => void): () => void;
}

export interface OriginDeps {
  /** What the wishes are about. */
  kind: string;
  links: LinkWatch;
  /** Calls IntentService.Sync at this peer. */
  sync(peer: string, requests: AsyncIterable<pb.SyncRequest>, signal: AbortSignal): AsyncIterable<pb.SyncResponse>;
  book(peer: string): WishBook;
  news(peer: string): HostNews;
  /** Told why a conversation broke off although the link is up, and with undefined when the next one goes well. */
  onTrouble?(peer: string, error: unknown): void;
  clock: Clock;
  log: Log;
}

export interface IntentOrigin {
  /** What is wished at this peer for this object may have changed: it is said now, or on the next connect. */
  changed(peer: string, uid: string): void;
  /** Ends all conversations; nothing at any host changes by that. */
  close(): Promise<void>;
}

/** What goes on with one peer. */
interface Talk {
  readonly stop: AbortController;
  /** The conversation at hand; none while waiting for the next. */
  session?: OriginSession;
  done: Promise<void>;
}

/** A conversation that lasted this long was a good one, and the wait before the next starts over. */
const stableMs = 10_000;

export function createIntentOrigin(deps: OriginDeps): IntentOrigin {
  const talks = new Map<string, Talk>();
  const closing = new AbortController();

  function start(peer: string): void {
    if (talks.has(peer) || closing.signal.aborted) return;
    const talk: Talk = { stop: new AbortController(), done: Promise.resolve() };
    talks.set(peer, talk);
    talk.done = keepTalking(peer, talk, AbortSignal.any([talk.stop.signal, closing.signal])).finally(() => {
      if (talks.get(peer) === talk) talks.delete(peer);
    });
  }

  function stop(peer: string): void {
    const talk = talks.get(peer);
    talks.delete(peer);
    talk?.stop.abort(new Error(`The link to ${peer} is down.`));
  }

  async function keepTalking(peer: string, talk: Talk, signal: AbortSignal): Promise<void> {
    const backoff = createBackoff({ minMs: 100, maxMs: 30_000 });
    while (!signal.aborted) {
      const begun = deps.clock.monotonic();
      const error = await talkOnce(peer, talk, signal).then(
        () => new Error("The host ended the conversation."),
        (failure: unknown) => failure,
      );
      if (signal.aborted) return;
      if (deps.clock.monotonic() - begun >= stableMs) backoff.reset();
      const waitMs = backoff.next();
      deps.onTrouble?.(peer, error);
      deps.log.warn(
        { peer, kind: deps.kind, err: error, waitMs },
        "a conversation about wishes broke off; it begins again",
      );
      await deps.clock.sleep(waitMs, signal).catch(() => undefined);
    }
  }

  async function talkOnce(peer: string, talk: Talk, signal: AbortSignal): Promise<void> {
    const session = createOriginSession({ kind: deps.kind, book: deps.book(peer), news: deps.news(peer) });
    // Aborting this on the way out also ends a call whose answer was invalid.
    const call = new AbortController();
    talk.session = session;
    let isFirstAnswer = true;
    const breathe = createBreather();
    try {
      const both = AbortSignal.any([signal, call.signal]);
      for await (const message of deps.sync(peer, session.requests(), both)) {
        await breathe(); // A host may say thousands of things at once.
        const fault = responseFault(message);
        // A message without content is a later version's; any other breach ends the conversation.
        if (fault !== undefined && message.message.case !== undefined) {
          throw new Error(`${peer} said what intent.proto forbids: ${fault}`);
        }
        session.receive(message);
        // A welcome alone proves nothing: what comes after it may break off each time.
        if (isFirstAnswer && message.message.case !== "welcome") deps.onTrouble?.(peer, undefined);
        isFirstAnswer &&= message.message.case === "welcome";
      }
    } finally {
      delete talk.session;
      session.close();
      call.abort(new Error("The conversation is over."));
    }
  }

  const unsubscribe = deps.links.subscribe((peer, up) => (up ? start(peer) : stop(peer)));

  return {
    changed: (peer, uid) => talks.get(peer)?.session?.changed(uid),
    async close() {
      unsubscribe();
      const ending = [...talks.values()].map((talk) => talk.done);
      closing.abort(new Error("The agent is stopping."));
      await Promise.all(ending);
    },
  };
}
