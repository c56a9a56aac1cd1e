import { type Duplex, duplexPair } from "node:stream";
import { create } from "@bufbuild/protobuf";
import { type Clock, systemClock } from "../../src/base/clock.ts";
import { type Target, TargetSchema } from "../../src/gen/fairlead/wire/v1/target_pb.ts";
import type { Limits } from "../../src/wire/limits.ts";
import { type AgentBudget, type IncomingStream, openSession, type Session } from "../../src/wire/session.ts";

export interface PairOptions {
  readonly limits?: Partial<Limits>;
  readonly lowLimits?: Partial<Limits>;
  readonly lowBudget?: AgentBudget;
  readonly highBudget?: AgentBudget;
  readonly clock?: Clock;
  acceptLow?(incoming: IncomingStream): void;
  acceptHigh?(incoming: IncomingStream): void;
  /** Two ends of one connection; a pair in memory unless given. */
  readonly carriers?: readonly [Duplex, Duplex];
}

export interface Pair {
  readonly low: Session;
  readonly high: Session;
  readonly lowCarrier: Duplex;
  readonly highCarrier: Duplex;
  close(): Promise<void>;
}

export const never = new AbortController().signal;

export function hello(byte: number): { instance: Uint8Array; version: string } {
  return { instance: new Uint8Array(16).fill(byte), version: "test" };
}

/** Two sessions, joined. */
export async function openPair(o: PairOptions = {}): Promise<Pair> {
  const [lowCarrier, highCarrier] = o.carriers ?? duplexPair();
  const clock = o.clock ?? systemClock;
  const refuse = (incoming: IncomingStream): void => {
    if (incoming.kind === "dial") incoming.refuse(18, "Nothing is here.");
    else incoming.stream.reset(16, "Nothing is here.");
  };
  const common = { clock, random: () => 0 };
  const [low, high] = await Promise.all([
    openSession(
      {
        ...common,
        carrier: lowCarrier,
        side: "low",
        hello: hello(1),
        limits: { ...o.limits, ...o.lowLimits },
        ...(o.lowBudget && { budget: o.lowBudget }),
        accept: o.acceptLow ?? refuse,
      },
      never,
    ),
    openSession(
      {
        ...common,
        carrier: highCarrier,
        side: "high",
        hello: hello(2),
        limits: { ...o.limits },
        ...(o.highBudget && { budget: o.highBudget }),
        accept: o.acceptHigh ?? refuse,
      },
      never,
    ),
  ]);
  return {
    low,
    high,
    lowCarrier,
    highCarrier,
    async close() {
      low.close({ reason: 56, message: "The test is over." });
      await Promise.all([low.closed, high.closed]);
    },
  };
}

/** A target that tests dial; its name tells the other end what to do. */
export function service(name: string): Target {
  return create(TargetSchema, { kind: { case: "service", value: { namespace: "test", name } } });
}

/** The name of the service that is dialled. */
export function serviceName(target: Target): string {
  return target.kind.case === "service" ? target.kind.value.name : "";
}
