import type { Duplex } from "node:stream";
import type { Clock } from "../base/clock.ts";
import type { AgentBudget } from "./budget.ts";
import type { LocalHello, Side } from "./hello.ts";
import type { IncomingStream } from "./incoming.ts";
import type { Limits } from "./limits.ts";
import type { PeerSessions } from "./peer-sessions.ts";
import type { SessionError } from "./reason.ts";
import type { CarrierFacts, Session } from "./session-face.ts";

export interface PartOptions {
  readonly carrier: Duplex;
  readonly facts?: CarrierFacts;
  readonly side: Side;
  readonly hello: LocalHello;
  readonly sessions?: PeerSessions;
  readonly limits: Limits;
  readonly budget?: AgentBudget;
  readonly clock: Clock;
  readonly random?: () => number;
  accept(incoming: IncomingStream): void;
  onDefect?(error: unknown): void;
}

/** Told once, one or the other: which session the carrier is for, or why it is for none. */
export interface PartOutcome {
  opened(session: Session): void;
  failed(error: SessionError): void;
}
