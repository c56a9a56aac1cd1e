/** What the model takes for right: when a stream or a session may break, and why. */
import { Reason, reasonName, type SessionError } from "../../../src/wire/reason.ts";
import type { SessionEnd } from "../../../src/wire/session.ts";
import type { Route } from "./network.ts";

/**
 * What has come over a route: nothing that a session may notice; connections that were lost; or more than any session outlives,
 * because an agent died or there was no way for longer than a session waits.
 */
export type Harm = "none" | "carrier" | "session";

export interface Expectations {
  /** Sessions take up their streams on another carrier: then a lost one is no reason to break anything. */
  readonly resume: boolean;
}

/** Why links end; everything else is somebody's fault, and in a simulation of honest agents a defect. */
const linkReasons: ReadonlySet<Reason> = new Set([
  Reason.CARRIER_LOST,
  Reason.SILENT,
  Reason.STALLED,
  Reason.REPLACED,
  Reason.HELLO_TIMEOUT,
  Reason.SESSION_LOST,
  Reason.SHUTDOWN,
  Reason.GOING_AWAY,
]);

export class Judge {
  readonly #expectations: Expectations;
  readonly #harms = new Map<Route, Harm>();
  #leaving = false;

  constructor(expectations: Expectations) {
    this.#expectations = expectations;
  }

  harm(route: Route, harm: "carrier" | "session"): void {
    if (this.#harms.get(route) !== "session") this.#harms.set(route, harm);
  }

  /** Nothing has happened that a session may notice. */
  isUnharmed(route: Route): boolean {
    return !this.#harms.has(route);
  }

  /** From now on agents say goodbye. */
  leave(): void {
    this.#leaving = true;
  }

  mayLose(route: Route): boolean {
    const harm = this.#harms.get(route) ?? "none";
    return this.#leaving || harm === "session" || (harm === "carrier" && !this.#expectations.resume);
  }

  /** Throws when a stream on this route has no right to end for this reason. `own` are those that its workload gave cause for. */
  judgeReset(what: string, route: Route, reason: Reason, message: string, own: readonly Reason[]): void {
    if (own.includes(reason)) return;
    if (linkReasons.has(reason) && this.mayLose(route)) return;
    throw new Error(`${what} was reset without cause: ${reasonName(reason)}, ${message}`);
  }

  /** A connection of which no session came, or on which none went on. */
  judgeOpening(what: string, route: Route, { reason, message, cause }: SessionError): void {
    const harm = this.#harms.get(route) ?? "none";
    if (linkReasons.has(reason) && (this.#leaving || harm !== "none")) return;
    throw new Error(`${what} did not open, without cause: ${reasonName(reason)}, ${message}`, { cause });
  }

  judgeEnd(what: string, route: Route, end: SessionEnd): void {
    if (linkReasons.has(end.reason) && this.mayLose(route)) return;
    throw new Error(`${what} ended without cause: ${reasonName(end.reason)}, ${end.message}`, { cause: end.cause });
  }
}
