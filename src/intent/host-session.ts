/**
 * The host's half of one conversation: hears wishes, has the store carry them out, one object at a time and again until it
 * works, and tells what became of each. What is said is made from the store's present state at the moment of saying.
 */
import { createHash } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import { errorText } from "../base/error-text.ts";
import { createKeyedWorker } from "../base/keyed-worker.ts";
import type { Log } from "../base/log.ts";
import type * as pb from "../gen/fairlead/peer/v1/intent_pb.ts";
import { DigestReader, pages, toShow } from "./digest.ts";
import type { Held, HeldStore } from "./held-store.ts";
import {
  orphanToMessage,
  pageFromMessage,
  pageToMessage,
  refusalToMessage,
  response,
  wishFromMessage,
} from "./messages.ts";
import { Outbox } from "./outbox.ts";
import type { PendingBytes } from "./pending-bytes.ts";
import {
  attachedBytes,
  intentLimits,
  type Orphan,
  type Refusal,
  type RefusedWish,
  type Wish,
  type WishHead,
} from "./wish.ts";

export interface HostSession {
  /** What to say, in order, until closed. To be read once. */
  responses(): AsyncIterable<pb.SyncResponse>;
  /** Takes what the origin says, without waiting. Throws a RangeError when it breaks a bound or the order. */
  receive(message: pb.SyncRequest): void;
  /** The host's rules, or what they look at, changed: what was refused is asked for again, or only what is chosen of it. */
  reconsider(which?: (refusal: Refusal) => boolean): void;
  /** Ends `responses`, with the error if there is one, and resolves when no work is under way any more. */
  close(error?: Error): Promise<void>;
}

/** Failures in a row before the origin is told of the trouble; the work goes on being tried. */
const failuresBeforeTelling = 3;
/** A key of the outbox that is no UID. */
const orphansKey = "#orphans";

type Desire = { readonly wish: Wish } | "delete" | "mark orphan" | "unmark orphan";

/** What this conversation knows of one object. */
interface Entry {
  /** The origin has it: in its digest or by a later wish. */
  known: boolean;
  /** What is to be done; the latest word counts. */
  desire?: Desire;
  /** The highest generation heard in this conversation. */
  generation: number;
  /** Deletion was asked of the store, and its end is to be told. */
  deleting: boolean;
  refused?: RefusedWish;
  /** It was asked for again because something of it is lost, and not heard since. */
  isAsked?: true;
  /** What the next message about this object has to contain beside its state. */
  tell: { gone?: true; need?: true; refusal?: true };
  /** Of the state that was said last. */
  saidHash?: string;
}

export function createHostSession(deps: {
  store: HeldStore;
  clock: Clock;
  log: Log;
  /** For wishes that are heard and not carried out yet; of this agent's conversations together. */
  pending: PendingBytes;
  limits?: { objects?: number; specBytes?: number; heldBytes?: number; attachmentBytes?: number };
}): HostSession {
  const { store } = deps;
  const limits = { ...intentLimits, ...deps.limits };
  const outbox = new Outbox();
  const originDigest = new DigestReader(limits.objects);
  const entries = new Map<string, Entry>();
  const closing = new AbortController();
  const pending = deps.pending.share(askAgain);
  const worker = createKeyedWorker({ run, clock: deps.clock, concurrency: 8, onError });
  const unsubscribe = store.subscribe(onStoreChange);

  async function* responses(): AsyncGenerator<pb.SyncResponse> {
    const { specBytes: maxSpecBytes, objects: maxObjects, attachmentBytes: maxAttachmentBytes } = limits;
    yield response({ case: "welcome", value: { maxSpecBytes, maxObjects, maxAttachmentBytes, leases: true } });
    await store.ready(closing.signal);
    for (const page of pages(heads())) yield response({ case: "digest", value: pageToMessage(page) });
    for await (const key of outbox.take()) {
      if (key === orphansKey) yield sayOrphans();
      else yield* say(key);
    }
  }

  /** What is not whole is not what the origin wishes, whatever its hash. */
  function* heads(): Generator<WishHead> {
    for (const held of store.list()) yield held.lacks ? { ...held, hash: "" } : held;
  }

  function* say(uid: string): Generator<pb.SyncResponse> {
    const entry = entries.get(uid);
    if (!entry) return;
    const { tell } = entry;
    entry.tell = {};
    if (tell.gone) {
      entries.delete(uid);
      yield response({ case: "gone", value: { uid } });
      return;
    }
    if (tell.need) yield response({ case: "need", value: { uids: [uid] } });
    const held = store.get(uid);
    if (held && entry.known && isNews(entry, held)) {
      const { generation, hash, status } = held;
      yield response({ case: "state", value: { uid, generation: BigInt(generation), hash, status } });
    }
    if (tell.refusal && entry.refused) yield response({ case: "refusal", value: refusalToMessage(entry.refused) });
  }

  function sayOrphans(): pb.SyncResponse {
    const orphans: Orphan[] = [];
    let bytes = 0;
    let truncated = false;
    for (const held of store.list()) {
      if (entries.get(held.uid)?.known) continue;
      const { uid, namespace, name, generation, spec, orphanedSince = "" } = held;
      bytes += Buffer.byteLength(spec);
      truncated = orphans.length === limits.page || bytes > limits.listBytes;
      if (truncated) break;
      orphans.push({ uid, namespace, name, generation, spec, since: orphanedSince });
    }
    return response({ case: "orphans", value: { orphans: orphans.map(orphanToMessage), truncated } });
  }

  function receive({ message }: pb.SyncRequest): void {
    switch (message.case) {
      case "digest":
        if (originDigest.add(pageFromMessage(message.value))) {
          store
            .ready(closing.signal)
            .then(compare)
            .catch((error: unknown) => void close(toError(error)));
        }
        return;
      case "wish":
        hear(wishFromMessage(message.value));
        return;
      case "tombstone": {
        const { uid } = message.value;
        want(meet(uid), uid, "delete");
        worker.add(uid);
        return;
      }
      case "forgotten": {
        const { uid } = message.value;
        entries.delete(uid);
        pending.release(uid);
        if (store.get(uid)) wantOrphan(uid, true);
        return;
      }
      default:
        return; // A later version's word, which this one does not know.
    }
  }

  function hear(wish: Wish): void {
    if (!originDigest.complete) throw new RangeError("a wish came before the digest was complete");
    const entry = meet(wish.uid);
    if (wish.generation < entry.generation) return;
    entry.generation = wish.generation;
    entry.deleting = false;
    entry.tell = {};
    delete entry.isAsked;
    want(entry, wish.uid, { wish });
    worker.add(wish.uid);
  }

  function want(entry: Entry, uid: string, desire: Desire): void {
    const bytes = typeof desire === "object" ? attachedBytes(desire.wish) : 0;
    if (bytes === 0) pending.release(uid);
    if (bytes === 0 || pending.take(uid, Math.min(bytes, limits.attachmentBytes))) entry.desire = desire;
    else delete entry.desire;
  }

  function askAgain(uid: string): void {
    const entry = entries.get(uid);
    if (!entry) return;
    entry.tell.need = true;
    entry.isAsked = true;
    outbox.add(uid);
  }

  /** The origin spoke of this object, so it is no orphan from now on. */
  function meet(uid: string): Entry {
    const entry = entryOf(uid);
    if (!entry.known && store.get(uid)) outbox.add(orphansKey);
    entry.known = true;
    return entry;
  }

  /** Both ends know what the other holds: the origin hears what it has right, and of what it does not know. */
  function compare(): void {
    const { current, orphans } = toShow(store.list(), originDigest.entries);
    for (const uid of originDigest.entries.keys()) {
      entryOf(uid).known = true;
      if (store.get(uid)?.orphanedSince !== undefined) wantOrphan(uid, false);
    }
    for (const uid of current) outbox.add(uid);
    for (const uid of orphans) if (store.get(uid)?.orphanedSince === undefined) wantOrphan(uid, true);
    outbox.add(orphansKey);
  }

  function wantOrphan(uid: string, orphan: boolean): void {
    entryOf(uid).desire ??= orphan ? "mark orphan" : "unmark orphan";
    worker.add(uid);
  }

  function entryOf(uid: string): Entry {
    let entry = entries.get(uid);
    if (!entry) {
      // Twice the objects: what is held and, at the worst, as many that are being deleted and not yet told.
      if (entries.size >= limits.objects * 2) {
        throw new RangeError(`the conversation is about more than ${limits.objects * 2} objects`);
      }
      entry = { known: false, generation: 0, deleting: false, tell: {} };
      entries.set(uid, entry);
    }
    return entry;
  }

  async function run(uid: string, signal: AbortSignal): Promise<void> {
    const entry = entries.get(uid);
    const desire = entry?.desire;
    if (!entry || desire === undefined) return;
    await store.ready(signal);
    const done = await carryOut(uid, entry, desire, signal);
    if (entry.desire !== desire) return; // A newer word came meanwhile, and with it the next run.
    if (done) {
      delete entry.desire;
      pending.release(uid);
    } else if (typeof desire === "object" && desire.wish.attachments) {
      // What it waits for may last, so nothing is kept of it: it is asked for again after that.
      delete entry.desire;
      pending.release(uid);
      if (!store.get(uid)) askAgain(uid);
    }
    if (!entry.known && !entry.desire) entries.delete(uid);
  }

  /** False when it has to wait for something that `onStoreChange` will see. */
  async function carryOut(uid: string, entry: Entry, desire: Desire, signal: AbortSignal): Promise<boolean> {
    if (desire === "mark orphan" || desire === "unmark orphan") {
      await store.setOrphan(uid, desire === "mark orphan", signal);
      outbox.add(orphansKey);
      return true;
    }
    if (desire === "delete") {
      entry.deleting = true;
      if (store.get(uid)) await store.remove(uid, signal);
      if (!store.get(uid)) tellGone(uid, entry);
      return true;
    }
    const { wish } = desire;
    const beyond = unfit(wish);
    if (beyond) store.refused?.(wish, beyond);
    const outcome = beyond ?? (await store.put(wish, signal));
    if (outcome === "later") return false;
    if (outcome === "done") tellDone(entry);
    else tellRefusal(uid, entry, wish, outcome);
    if (store.get(uid)?.orphanedSince !== undefined) await store.setOrphan(uid, false, signal);
    outbox.add(uid);
    return true;
  }

  /** Why a wish is beyond the bounds, whatever it is about. */
  function unfit(wish: Wish): Refusal | undefined {
    const { uid, generation, spec } = wish;
    if (generation > limits.generation) return tooNew(generation, limits.generation);
    const [bytes, attached] = [Buffer.byteLength(spec), attachedBytes(wish)];
    if (bytes > limits.specBytes) return tooLarge("The spec has", bytes, limits.specBytes);
    if (attached > limits.attachmentBytes) return tooLarge("What comes with it has", attached, limits.attachmentBytes);
    const held = store.get(uid);
    if (held === undefined && store.count() >= limits.objects) return tooMany(limits.objects);
    const before = held === undefined ? 0 : Buffer.byteLength(held.spec) + (held.attachedBytes ?? 0);
    const grows = bytes + attached - before;
    // What makes it smaller is welcome, also when it is not small enough.
    return grows > 0 && store.bytes() + grows > limits.heldBytes ? tooMuch(limits.heldBytes) : undefined;
  }

  /** What the origin heard of trouble is over, and it learns so from the state, also where that is as it was said before the trouble. */
  function tellDone(entry: Entry): void {
    if (entry.refused) delete entry.saidHash;
    delete entry.refused;
  }

  function tellGone(uid: string, entry: Entry): void {
    if (!entry.deleting) return;
    entry.deleting = false;
    entry.tell = { gone: true };
    outbox.add(uid);
  }

  function tellRefusal(uid: string, entry: Entry, wish: WishHead | undefined, refusal: Refusal): void {
    entry.refused = { uid, generation: wish?.generation ?? 0, hash: wish?.hash ?? "", refusal };
    entry.tell.refusal = true;
    outbox.add(uid);
  }

  function onStoreChange(uid: string): void {
    const entry = entries.get(uid);
    if (!entry?.known) {
      if (originDigest.complete) outbox.add(orphansKey);
      return;
    }
    if (!store.get(uid)) {
      if (entry.deleting) tellGone(uid, entry);
      else if (entry.desire) worker.add(uid);
      else if (!entry.refused) entry.tell.need = true; // Somebody at the host deleted what the origin still wants.
      delete entry.saidHash;
    } else if (store.get(uid)?.lacks && !entry.desire && !entry.refused && !entry.isAsked) {
      askAgain(uid);
    }
    outbox.add(uid);
  }

  function onError(uid: string, error: unknown, attempt: number): void {
    deps.log.warn({ uid, err: error, attempt }, "a wish could not be carried out; it is tried again");
    const entry = entries.get(uid);
    if (!entry?.known || attempt !== failuresBeforeTelling) return;
    const text = errorText(error);
    const wish = typeof entry.desire === "object" ? entry.desire.wish : undefined;
    tellRefusal(uid, entry, wish, {
      reason: "Failing",
      message: `The host keeps trying, and failed so far: ${text}`,
      violations: [],
    });
  }

  async function close(error?: Error): Promise<void> {
    unsubscribe();
    closing.abort(error ?? new Error("The conversation is over."));
    outbox.close(error);
    pending.close();
    await worker.close();
  }

  return {
    responses,
    receive,
    reconsider(which = () => true) {
      for (const [uid, entry] of entries) {
        if (!entry.refused || entry.desire || !which(entry.refused.refusal)) continue;
        entry.tell.need = true;
        outbox.add(uid);
      }
    },
    close,
  };
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

/** Whether the object's state differs from what was said last; it is then the last said. */
function isNews(entry: Entry, held: Held): boolean {
  const hash = createHash("sha256").update(`${held.generation} ${held.hash} ${held.status}`).digest("base64");
  if (entry.saidHash === hash) return false;
  entry.saidHash = hash;
  return true;
}

function tooNew(generation: number, most: number): Refusal {
  const message = `The generation ${generation} is higher than any that the host can keep, which is ${most}; make the object anew.`;
  return { reason: "Invalid", message, violations: [{ field: "", rule: "generation", message }] };
}

function tooLarge(what: string, bytes: number, most: number): Refusal {
  const message = `${what} ${bytes} bytes, and the host takes ${most} at most; make it smaller.`;
  return { reason: "TooLarge", message, violations: [] };
}

function tooMuch(most: number): Refusal {
  const message = `With this spec the host would hold more than ${most} bytes of specs, Secrets and ConfigMaps of this peer, which is the most; make it smaller, or delete other objects.`;
  return { reason: "TooMany", message, violations: [] };
}

function tooMany(objects: number): Refusal {
  const message = `The host holds ${objects} objects of this peer, which is the most; delete some.`;
  return { reason: "TooMany", message, violations: [] };
}
