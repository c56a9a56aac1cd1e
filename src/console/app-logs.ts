/**
 * The log of an app at all peers that run it, merged as lines come. Who follows it hears of peers that get the app later, and one that
 * could not be read is tried again: it may be away for a while.
 */
import { ConnectError } from "@connectrpc/connect";
import { createBackoff } from "../base/backoff.ts";
import type { Clock } from "../base/clock.ts";
import { keyOf } from "../kube/object.ts";
import type { RemoteApp } from "../kube/resources.ts";
import type { LogEvent } from "../pods/follow-logs.ts";
import { Merge } from "../pods/merge.ts";
import type { LogOptions, LogPiece } from "./api/pod-service.ts";
import { choosePeer, peersOf } from "./app-peer.ts";

interface AppRef {
  readonly namespace: string;
  readonly name: string;
}

export interface AppLogsDeps {
  /** The apps of this cluster by "namespace/name", and news of them; each is told of at once. */
  readonly apps: {
    get(key: string): RemoteApp | undefined;
    subscribe(listener: (key: string, app: RemoteApp | undefined) => void): () => void;
  };
  /** The log at one peer. Throws a ConnectError. */
  follow(peer: string, app: AppRef, options: LogOptions, signal: AbortSignal): AsyncIterable<LogEvent>;
  isConnected(peer: string): boolean;
  readonly clock: Clock;
}

/** Peers read at a time; of others a notice says so. Each may have 50 pods. */
const mostPeers = 64;
/** Pieces that wait for the reader. */
const mostWaiting = 64;
/** Between two attempts to read on at a peer, in milliseconds. */
const retry = { minMs: 1_000, maxMs: 30_000 };

/** Throws a ConnectError when the app runs nowhere, or nothing could be read at any peer. */
export async function* readAppLogs(
  deps: AppLogsDeps,
  app: RemoteApp,
  options: LogOptions,
  signal: AbortSignal,
): AsyncGenerator<LogPiece, void, undefined> {
  const { namespace = "", name = "" } = app.metadata;
  const ref = { namespace, name };
  const isPlaced = app.spec.placement !== undefined || peersOf(app).length > 1;
  if (options.peer || options.pod || !isPlaced || peersOf(app).length === 0) {
    const peer = choosePeer(app, options, deps.isConnected);
    for await (const event of deps.follow(peer, ref, options, signal)) yield* pieceOf("", event);
    return;
  }
  const stop = new AbortController();
  const readers = new PeerReaders(deps, app, options, AbortSignal.any([signal, stop.signal]));
  try {
    yield* readers.begin();
    signal.throwIfAborted();
    if (readers.failure) throw readers.failure;
  } finally {
    stop.abort(new Error("The log is no longer read."));
  }
}

function* pieceOf(peer: string, event: LogEvent): Generator<LogPiece, void, undefined> {
  const { pod, container } = event;
  if (event.kind === "line") yield { peer, pod, container, line: event.line, notice: "" };
  else if (event.message !== "") yield { peer, pod, container, line: "", notice: event.message };
}

class PeerReaders {
  readonly #deps: AppLogsDeps;
  readonly #app: RemoteApp;
  readonly #ref: AppRef;
  readonly #options: LogOptions;
  readonly #signal: AbortSignal;
  /** Whether lines have to say where they come from. */
  readonly #isNamed: boolean;
  readonly #merge = new Merge<LogPiece>(mostWaiting);
  readonly #active = new Map<string, Promise<void>>();
  /** Peers at which the last attempt has failed. */
  readonly #failed = new Set<string>();
  #hasRead = false;
  #failure: unknown;

  constructor(deps: AppLogsDeps, app: RemoteApp, options: LogOptions, signal: AbortSignal) {
    this.#deps = deps;
    this.#app = app;
    this.#ref = { namespace: app.metadata.namespace ?? "", name: app.metadata.name ?? "" };
    this.#options = options;
    this.#signal = signal;
    this.#isNamed = app.spec.placement?.count !== 1 || peersOf(app).length > 1;
  }

  /** Why nothing was read; undefined when something was, or may be yet. */
  get failure(): unknown {
    return this.#failure;
  }

  begin(): AsyncIterable<LogPiece> {
    const end = (): void => this.#merge.end();
    this.#signal.addEventListener("abort", end, { once: true });
    if (this.#signal.aborted) end();
    this.#look(true);
    if (this.#options.follow) {
      const unsubscribe = this.#deps.apps.subscribe((key) => {
        if (key === keyOf(this.#app)) this.#look(false);
      });
      this.#signal.addEventListener("abort", unsubscribe, { once: true });
    } else void Promise.all(this.#active.values()).then(end);
    return this.#merge;
  }

  /** The peers that have it now; nobody when it is gone, or another by its name is there. */
  #peers(): string[] {
    const now = this.#deps.apps.get(keyOf(this.#app));
    return now && now.metadata.uid === this.#app.metadata.uid ? peersOf(now) : [];
  }

  #isGone(): boolean {
    return this.#deps.apps.get(keyOf(this.#app))?.metadata.uid !== this.#app.metadata.uid;
  }

  #look(isFirst: boolean): void {
    if (this.#isGone()) {
      this.#merge.end();
      return;
    }
    const fresh = this.#peers().filter((peer) => !this.#active.has(peer));
    const room = Math.max(0, mostPeers - this.#active.size);
    for (const peer of fresh.slice(0, room)) {
      const reading = this.#read(peer, isFirst).finally(() => this.#active.delete(peer));
      this.#active.set(peer, reading);
    }
    for (const peer of isFirst ? fresh.slice(room) : [])
      void this.#note(peer, `Only ${mostPeers} peers are read at a time; this one can be read by its name.`);
  }

  /** Resolves when there is nothing more to read there. */
  async #read(peer: string, isFirst: boolean): Promise<void> {
    const { follow } = this.#options;
    const named = this.#isNamed ? peer : "";
    const backoff = createBackoff(retry);
    let options = isFirst ? this.#options : { ...this.#options, tailLines: undefined, sinceSeconds: undefined };
    let told = "";
    let heardAt: number | undefined;
    if (!isFirst) await this.#note(peer, "The app is to run here now.");
    for (;;) {
      try {
        for await (const event of this.#deps.follow(peer, this.#ref, options, this.#signal)) {
          backoff.reset();
          heardAt = this.#deps.clock.now();
          this.#heard(peer);
          for (const piece of pieceOf(named, event)) await this.#merge.put(piece);
        }
        this.#heard(peer);
        told = "";
      } catch (error) {
        if (this.#signal.aborted) return;
        if (this.#fails(peer, error)) return;
        const { rawMessage } = ConnectError.from(error);
        if (rawMessage !== told) await this.#note(peer, rawMessage);
        told = rawMessage;
      }
      if (!follow || !(await this.#isWorthMore(peer, backoff.next()))) return;
      // What came between is worth more than that nothing of the last second comes twice.
      if (heardAt !== undefined) {
        const sinceSeconds = Math.ceil((this.#deps.clock.now() - heardAt) / 1000);
        options = { ...this.#options, tailLines: undefined, sinceSeconds: Math.max(1, sinceSeconds) };
      }
    }
  }

  /** Waits, and says whether the peer still has the app. */
  async #isWorthMore(peer: string, waitMs: number): Promise<boolean> {
    if (!this.#peers().includes(peer)) return false;
    const isOver = await this.#deps.clock.sleep(waitMs, this.#signal).then(
      () => false,
      () => true,
    );
    return !isOver && this.#peers().includes(peer);
  }

  #heard(peer: string): void {
    this.#hasRead = true;
    this.#failed.delete(peer);
  }

  /** Whether that was the last peer of which something could be hoped for. */
  #fails(peer: string, error: unknown): boolean {
    this.#failed.add(peer);
    if (this.#hasRead || [...this.#active.keys()].some((other) => !this.#failed.has(other))) return false;
    this.#failure = error;
    this.#merge.end();
    return true;
  }

  #note(peer: string, notice: string): Promise<void> {
    return this.#merge.put({ peer, pod: "", container: "", line: "", notice });
  }
}
