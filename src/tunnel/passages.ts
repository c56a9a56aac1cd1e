/**
 * The connections of peers to what they may reach here, being made and open: how many each has, and which still have the
 * right to be. Whoever loses it loses the connection at once, with the reason.
 */
import type { Clock, Timer } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { type StreamRecord, withRule } from "../peering/stream-record.ts";
import { Reason, StreamError } from "../wire/reason.ts";
import { type AppTarget, type NamedTarget, targetName } from "../wire/target-text.ts";
import type { ExitCaller } from "./exit-caller.ts";
import type { Permission } from "./hosted-app.ts";

export interface Passage {
  /** As it was known when it was judged last. */
  caller: ExitCaller;
  /** As it counts for the rules: what was asked for, and once it was looked up what that is. */
  target: NamedTarget;
  /** Whether it was looked up and let in. Until then it has no right that could end. */
  entered: boolean;
  /** Names its stream. */
  readonly correlation: string | undefined;
  /** When the passing of time alone may end the right to it, in milliseconds since 1970. */
  until: number | undefined;
  /** Aborts with a StreamError when it has to end. */
  readonly ended: AbortController;
}

export interface PassagesDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly record: Pick<StreamRecord, "note">;
  permit(caller: ExitCaller, target: NamedTarget): Permission;
  /** Whether what is meant is still here; asked for apps, of which there is news. */
  isAlive(fingerprint: string, target: AppTarget): boolean;
}

/** Milliseconds that news of apps is gathered for. */
const settleMs = 500;
/** Rights end by the wall clock, which may be set forward while a timer waits: it is read at least so often, in milliseconds. */
const longestWaitMs = 60_000;

export class Passages {
  readonly #deps: PassagesDeps;
  readonly #running = new Map<Passage, Promise<void>>();
  /** By fingerprint. */
  readonly #perPeer = new Map<string, number>();
  /** Peers of whose apps there was news since the last look. */
  readonly #changed = new Set<string>();
  #look: Timer | undefined;
  #expiry: Timer | undefined;
  /** The end that the timer waits for, in milliseconds since 1970. */
  #nextEnd = Number.POSITIVE_INFINITY;
  #closed = false;

  constructor(deps: PassagesDeps) {
    this.#deps = deps;
  }

  get size(): number {
    return this.#running.size;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Of all that are there, who has them and what they lead to. */
  list(): Readonly<Pick<Passage, "caller" | "target">>[] {
    return [...this.#running.keys()];
  }

  /** Those of one peer. */
  of(fingerprint: string): number {
    return this.#perPeer.get(fingerprint) ?? 0;
  }

  /** Counts a passage until `run` has ended, which must not reject. */
  add(o: Pick<Passage, "caller" | "target" | "correlation">, run: (passage: Passage) => Promise<void>): void {
    const passage: Passage = { ...o, until: undefined, entered: false, ended: new AbortController() };
    const { fingerprint } = passage.caller;
    this.#perPeer.set(fingerprint, this.of(fingerprint) + 1);
    const done = Promise.resolve()
      .then(() => run(passage))
      .finally(() => {
        this.#running.delete(passage);
        const left = this.of(fingerprint) - 1;
        if (left > 0) this.#perPeer.set(fingerprint, left);
        else this.#perPeer.delete(fingerprint);
      });
    this.#running.set(passage, done);
  }

  /** It was looked up, and the rules let it in: from now on they may end it. */
  enter(passage: Passage, target: NamedTarget, until: number | undefined): void {
    passage.target = target;
    passage.entered = true;
    passage.until = until;
    if (until !== undefined && until < this.#nextEnd) this.#awaitExpiry();
  }

  /** Judges again what is open, of one peer or of all; `stillKnown` gives the caller as it is now. */
  review(stillKnown: (fingerprint: string) => ExitCaller | undefined, fingerprint?: string): void {
    for (const passage of this.#running.keys()) {
      const { caller } = passage;
      if (fingerprint !== undefined && caller.fingerprint !== fingerprint) continue;
      this.#judge(passage, stillKnown(caller.fingerprint));
    }
    this.#awaitExpiry();
  }

  /** An app of that peer's may be gone: within a second, what is open to apps that are no more is reset. */
  appsChanged(fingerprint: string): void {
    if (this.#closed || !this.#perPeer.has(fingerprint)) return;
    this.#changed.add(fingerprint);
    this.#look ??= this.#deps.clock.after(settleMs, () => this.#reviewApps());
  }

  /** Resets everything; resolves when all runs have ended. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#look?.cancel();
    this.#expiry?.cancel();
    for (const { ended } of this.#running.keys()) {
      ended.abort(new StreamError(Reason.SHUTDOWN, "The agent is stopping."));
    }
    await Promise.all(this.#running.values());
  }

  /** Ends it unless its caller, as it is known now, may still have it. */
  #judge(passage: Passage, now: ExitCaller | undefined): void {
    const { caller, target, correlation, ended } = passage;
    if (ended.signal.aborted) return;
    const { log, record } = this.#deps;
    const permission = now ? this.#deps.permit(now, target) : gone;
    if (now) passage.caller = { ...now, correlation };
    if (now && !passage.entered) return;
    if (permission.allowed) {
      passage.until = permission.until;
      return;
    }
    const { rule, message } = permission;
    const { peer, fingerprint } = caller;
    const name = targetName(target);
    log.info({ peer, target: name, rule }, "dial revoked");
    const actor = { peer, fingerprint };
    record.note(fingerprint, {
      action: "tunnel.revoke",
      actor,
      target: name,
      verdict: "done",
      rule,
      message,
      correlation,
    });
    ended.abort(new StreamError(Reason.REVOKED, withRule(message, rule)));
  }

  /** One timer for all, for the right that ends next. */
  #awaitExpiry(): void {
    const { clock } = this.#deps;
    this.#expiry?.cancel();
    this.#expiry = undefined;
    this.#nextEnd = Number.POSITIVE_INFINITY;
    for (const { until, ended } of this.#running.keys()) {
      if (until !== undefined && !ended.signal.aborted) this.#nextEnd = Math.min(this.#nextEnd, until);
    }
    if (this.#nextEnd === Number.POSITIVE_INFINITY || this.#closed) return;
    const waitMs = Math.max(0, this.#nextEnd - clock.now());
    this.#expiry = clock.after(Math.min(waitMs, longestWaitMs), () => this.#expire());
    this.#expiry.unref?.();
  }

  #expire(): void {
    const now = this.#deps.clock.now();
    for (const passage of this.#running.keys()) {
      if (passage.until !== undefined && passage.until <= now) this.#judge(passage, passage.caller);
    }
    this.#awaitExpiry();
  }

  /** Not at each piece of news, of which a rollout brings many. */
  #reviewApps(): void {
    this.#look = undefined;
    const alive = new Map<string, boolean>();
    for (const { caller, target, ended } of this.#running.keys()) {
      const { fingerprint, peer } = caller;
      if (target.kind !== "app" || !this.#changed.has(fingerprint)) continue;
      const shown = `${target.namespace}/${target.name}`;
      const key = JSON.stringify([fingerprint, target.namespace, target.name, target.uid]);
      const isAlive = alive.get(key) ?? this.#deps.isAlive(fingerprint, target);
      alive.set(key, isAlive);
      if (isAlive) continue;
      this.#deps.log.info({ peer, target: shown }, "dial ended, for its app is gone");
      ended.abort(new StreamError(Reason.NOT_FOUND, `The app ${shown} runs here no more.`));
    }
    this.#changed.clear();
  }
}

const gone: Permission = { allowed: false, rule: "pairing", message: "The peer was removed." };
