/** One watch: what it is told next, and whether its caller may still have it. */
import { Code, ConnectError } from "@connectrpc/connect";
import type { Clock } from "../../base/clock.ts";
import { Reset_Reason as Reason, WatchService } from "../../gen/fairlead/console/v1/watch_service_pb.ts";
import type { Refuse } from "../access/refuser.ts";
import { type Principal, personOf } from "../auth/principal.ts";
import type { ChangeLog } from "./change-log.ts";
import type { Logged } from "./logged.ts";
import { type PositionOf, positionWriter, readPosition } from "./position-text.ts";
import { askedText, selectionOf, type WatchedTopic } from "./selection.ts";
import { accessText, mayCall } from "./sight.ts";
import type { Sources } from "./sources.ts";
import { methodOf } from "./topics.ts";
import { type Selection, WatchReader } from "./watch-reader.ts";

export interface WatchDeps {
  readonly log: ChangeLog;
  readonly sources: Sources;
  /** Whose credential it is now. */
  present(credential: string): Principal | undefined;
  readonly refuse: Refuse;
  readonly clock: Clock;
}

/** What a watch is told at once. Nothing in it: a sign of life. */
export interface News {
  readonly reset: Reason | undefined;
  readonly changes: readonly NewsChange[];
  readonly isSynced: boolean;
  /** Where the watch is after all of it; empty while there is no going on from there. */
  readonly resume: string;
}

export interface NewsChange {
  readonly one: Logged;
  readonly gone: boolean;
  /** Where the watch is after this one; likewise. */
  readonly resume: string;
}

/** How long a watch may be silent, in milliseconds. */
const quietMs = 15_000;
/** What is told at once at most: so that whoever reads slowly is not owed much. */
const mostChanges = 256;
const mostBytes = 64 * 1024;

export class Watch {
  readonly credential: string;
  /** Whose it is, by whatever credential. */
  readonly person: string;
  readonly #deps: WatchDeps;
  /** None: all that there are for its caller. */
  readonly #asked: readonly WatchedTopic[];
  #principal: Principal | undefined;
  #access: string;
  #reader: WatchReader | undefined;
  #write: (position: { settled: number; read: number }) => string;
  #toldAt: number;
  #ended: ConnectError | Error | undefined;
  #isFresh = false;
  #wake: (() => void) | undefined;

  /** Throws when the caller may not watch one of these. */
  constructor(deps: WatchDeps, asked: readonly WatchedTopic[], principal: Principal | undefined) {
    this.#deps = deps;
    this.#asked = asked;
    this.#principal = principal;
    const refused = this.#refused(principal);
    if (refused) throw refused;
    this.credential = principal?.credential ?? "";
    this.person = principal ? personOf(principal) : "";
    this.#access = accessText(principal);
    this.#write = positionWriter(this.#of());
    this.#toldAt = deps.clock.monotonic();
  }

  begin(resume: string): void {
    const { log } = this.#deps;
    const from = resume === "" ? undefined : readPosition(resume, this.#of());
    this.#reader = new WatchReader(log, this.#selection(), typeof from === "object" ? from : undefined);
    if (typeof from === "number") this.#reader.beginAnew(this.#selection(), from);
  }

  /** Whether its caller may still see it, and whether it has been silent for too long. */
  look(): void {
    const principal = this.#deps.present(this.credential);
    const access = accessText(principal);
    if (!principal) this.#end(new ConnectError("What you signed in by does not count any more.", Code.Unauthenticated));
    else if (access !== this.#access) this.#change(principal, access);
    else if (this.#deps.clock.monotonic() - this.#toldAt >= quietMs) this.wake();
  }

  wake(): void {
    this.#isFresh = true;
    this.#wake?.();
  }

  /** Resolves when there may be something to take. */
  async some(): Promise<void> {
    if (!this.#isFresh) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#wake = undefined;
    this.#isFresh = false;
  }

  /** What to tell now; undefined: nothing. */
  take(): News | undefined {
    if (this.#ended) throw this.#ended;
    const news = this.#reader && this.#gather(this.#reader);
    const now = this.#deps.clock.monotonic();
    if (!news && now - this.#toldAt < quietMs) return undefined;
    this.#toldAt = now;
    return news ?? { reset: undefined, changes: [], isSynced: false, resume: this.#position() };
  }

  #gather(reader: WatchReader): News | undefined {
    const changes: NewsChange[] = [];
    let bytes = 0;
    let isSynced = false;
    let reset: Reason | undefined;
    while (changes.length < mostChanges && bytes < mostBytes && !isSynced) {
      const step = reader.next();
      if (!step) break;
      if (step.kind === "reset") reset = step.reason;
      else if (step.kind === "synced") isSynced = true;
      else {
        changes.push({ one: step.one, gone: step.gone, resume: this.#position() });
        bytes += step.one.bytes(step.gone).byteLength;
      }
    }
    if (changes.length === 0 && !isSynced && reset === undefined) return undefined;
    return { reset, changes, isSynced, resume: this.#position() };
  }

  #position(): string {
    const position = this.#reader?.position;
    return position ? this.#write(position) : "";
  }

  #change(principal: Principal, access: string): void {
    const refused = this.#refused(principal);
    if (refused) {
      this.#end(refused);
      return;
    }
    this.#principal = principal;
    this.#access = access;
    this.#write = positionWriter(this.#of());
    this.#reader?.beginAnew(this.#selection(), Reason.OTHER_ACCESS);
    this.wake();
  }

  #refused(principal: Principal | undefined): Error | undefined {
    const methods = [WatchService.method.watch, ...this.#asked.map(({ topic }) => methodOf(topic))];
    for (const method of methods) {
      const decision = mayCall(principal, method);
      if (decision.ok) continue;
      return this.#deps.refuse(decision, { what: `${method.parent.typeName}/${method.name}`, principal });
    }
    return undefined;
  }

  #end(error: Error): void {
    this.#ended = error;
    this.wake();
  }

  #of(): PositionOf {
    return { instance: this.#deps.log.instance, topics: askedText(this.#asked), access: this.#access };
  }

  #selection(): Selection {
    return selectionOf(this.#asked, this.#principal, (topic) => this.#deps.sources.mostAtFirst(topic));
  }
}
