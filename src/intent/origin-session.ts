/**
 * The origin's half of one conversation. It says what the book holds now, never what it held when something changed, and
 * says each thing once unless the host asks again. Does no I/O: `requests` is pulled by the transport, `receive` is pushed.
 */
import type * as pb from "../gen/fairlead/peer/v1/intent_pb.ts";
import { DigestReader, pages, toSay } from "./digest.ts";
import {
  headFromMessage,
  orphanFromMessage,
  pageFromMessage,
  pageToMessage,
  refusalFromMessage,
  request,
  wishToMessage,
} from "./messages.ts";
import { Outbox } from "./outbox.ts";
import {
  attachedBytes,
  type HostState,
  intentLimits,
  type Orphan,
  type Refusal,
  type RefusedWish,
  type Wish,
  type WishHead,
} from "./wish.ts";

/** What the origin wants at one host, now. */
export interface WishBook {
  /** Every object that is wished for at the host, or held there and being deleted. */
  heads(): Iterable<WishHead & { readonly deleted: boolean }>;
  /**
   * The present word about one object; "unspoken" when the origin knows it and has nothing to say now, undefined when it
   * does not know it.
   */
  word(uid: string): Wish | "deleted" | "unspoken" | undefined;
}

/** Told what the host says. Called in the order of the conversation; must not throw. */
export interface HostNews {
  state(state: HostState): void;
  refused(refused: RefusedWish): void;
  /** The host holds nothing of this object any more, after a tombstone. */
  gone(uid: string): void;
  /** All orphans at the host, replacing what was said before. */
  orphans(orphans: readonly Orphan[], truncated: boolean): void;
}

export interface OriginSession {
  /** What to say, in order, until closed. To be read once. */
  requests(): AsyncIterable<pb.SyncRequest>;
  /** Takes what the host says. Throws a RangeError when the host breaks a bound. */
  receive(message: pb.SyncResponse): void;
  /** The book's word about this object may have changed. */
  changed(uid: string): void;
  close(): void;
}

export function createOriginSession(deps: { kind: string; book: WishBook; news: HostNews }): OriginSession {
  const { book, news } = deps;
  const outbox = new Outbox();
  const hostDigest = new DigestReader();
  /** The hash of the last wish said and not asked for again; or "deleted". Bounded by what the origin has. */
  const said = new Map<string, string>();
  let maxSpecBytes: number = intentLimits.specBytes;
  let maxAttachmentBytes = 0;
  let knowsLeases = false;

  async function* requests(): AsyncGenerator<pb.SyncRequest> {
    yield request({ case: "begin", value: { kind: deps.kind } });
    const heads = [...book.heads()];
    for (const page of pages<WishHead>(heads)) yield request({ case: "digest", value: pageToMessage(page) });
    // Nothing is said before the host's digest is complete, because only then is it known what the host lacks.
    for await (const uid of outbox.take()) {
      const message = say(uid);
      if (message) yield message;
    }
  }

  function say(uid: string): pb.SyncRequest | undefined {
    const word = book.word(uid);
    if (word === "unspoken") return undefined;
    const key = word === undefined ? undefined : word === "deleted" ? word : word.hash;
    const before = said.get(uid);
    if (key === before) return undefined;
    // What is to be deleted is wished again only when it is gone: else nobody could tell which end a Gone is about.
    if (before === "deleted" && key !== undefined) return undefined;
    if (key === undefined) said.delete(uid);
    else said.set(uid, key);
    if (word === undefined) return request({ case: "forgotten", value: { uid } });
    if (word === "deleted") return request({ case: "tombstone", value: { uid } });
    const refusal = unfit(word);
    if (!refusal) return request({ case: "wish", value: wishToMessage(word) });
    news.refused({ uid, generation: word.generation, hash: word.hash, refusal });
    return undefined;
  }

  /** What the host would refuse unread. */
  function unfit(wish: Wish): Refusal | undefined {
    const bytes = Buffer.byteLength(wish.spec);
    if (bytes > maxSpecBytes) return tooLarge(bytes, maxSpecBytes);
    if (wish.leaseSeconds !== undefined && !knowsLeases) return noLeases;
    if (!wish.attachments?.length) return undefined;
    if (maxAttachmentBytes === 0) return hostTooOld;
    const attached = attachedBytes(wish);
    return attached > maxAttachmentBytes ? tooMuchAttached(attached, maxAttachmentBytes) : undefined;
  }

  function compare(): void {
    const { say, equal } = toSay(book.heads(), hostDigest.entries);
    for (const head of equal) said.set(head.uid, head.hash);
    for (const uid of say) outbox.add(uid);
  }

  return {
    requests,
    receive({ message }) {
      switch (message.case) {
        case "welcome":
          maxSpecBytes = Math.min(intentLimits.specBytes, message.value.maxSpecBytes || intentLimits.specBytes);
          knowsLeases = message.value.leases;
          maxAttachmentBytes = Math.min(intentLimits.attachmentBytes, message.value.maxAttachmentBytes);
          return;
        case "digest":
          if (hostDigest.add(pageFromMessage(message.value))) compare();
          return;
        case "need":
          for (const uid of message.value.uids) {
            // Of an object that the origin does not know there is nothing to say; the host has it among the orphans.
            if (book.word(uid) === undefined) continue;
            said.delete(uid);
            outbox.add(uid);
          }
          return;
        case "state":
          news.state({ ...headFromMessage(message.value), status: message.value.status });
          return;
        case "refusal":
          news.refused(refusalFromMessage(message.value));
          return;
        case "gone": {
          // What was wished again since is not gone, although this was said of what was before it.
          if (said.get(message.value.uid) !== "deleted") return;
          // It is said again when the object comes back to this host.
          said.delete(message.value.uid);
          const isWished = typeof book.word(message.value.uid) === "object";
          news.gone(message.value.uid);
          if (isWished) outbox.add(message.value.uid);
          return;
        }
        case "orphans":
          news.orphans(message.value.orphans.map(orphanFromMessage), message.value.truncated);
          return;
        case undefined:
          return; // A later version's word, which this one does not know.
      }
    },
    changed(uid) {
      if (hostDigest.complete) outbox.add(uid);
    },
    close: () => outbox.close(),
  };
}

const noLeases: Refusal = {
  reason: "HostTooOld",
  message:
    "The host's agent cannot end an app by itself, as placement with move: Unreachable needs; its operator can upgrade it.",
  violations: [],
};

const hostTooOld: Refusal = {
  reason: "HostTooOld",
  message: "The host's agent does not know Secrets and ConfigMaps that come with an app; its operator can upgrade it.",
  violations: [],
};

function tooMuchAttached(bytes: number, most: number): Refusal {
  const message = `The app's Secrets and ConfigMaps have ${bytes} bytes together, and the host takes ${most} at most; make them smaller.`;
  return { reason: "TooLarge", message, violations: [] };
}

function tooLarge(bytes: number, most: number): { reason: string; message: string; violations: [] } {
  const message = `The spec has ${bytes} bytes, and the host takes ${most} at most; make it smaller.`;
  return { reason: "TooLarge", message, violations: [] };
}
