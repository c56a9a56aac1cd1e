/** What a seed wants to happen: who there is, what they ask of each other, and what the network does to them meanwhile. */
import { defaultLimits, type Limits } from "../../../src/wire/limits.ts";
import { Priority } from "../../../src/wire/scheduler.ts";
import type { CallPlan } from "./calls.ts";
import type { ExchangePlan } from "./exchange.ts";
import type { Loss } from "./network.ts";
import type { Conditions } from "./pipe.ts";
import type { Random } from "./random.ts";
import type { SidePlan } from "./side.ts";

const KiB = 1024;

export interface AgentPlan {
  readonly name: string;
  readonly limits: Partial<Limits>;
  /** What it holds of calls' messages that are not whole, at the most. */
  readonly maxUnfinishedBytes: number;
}

export interface RoutePlan {
  readonly between: readonly [string, string];
  /** Who of the two dials; both may, at once. */
  readonly diallers: readonly [string, ...string[]];
  /** Neither reaches the other but through this third agent, before a direct line opens. Of no meaning when sessions do not resume. */
  readonly via?: string | undefined;
  readonly conditions: Conditions;
  /** Nothing happens to it but what no session may notice. */
  readonly calm: boolean;
}

export type FaultPlan = { readonly at: number } & (
  | { readonly kind: "lose"; readonly route: RoutePlan; readonly how: Loss }
  | { readonly kind: "outage"; readonly route: RoutePlan; readonly how: Loss; readonly forMs: number }
  | { readonly kind: "stall"; readonly route: RoutePlan; readonly forMs: number }
  | { readonly kind: "dial-again"; readonly route: RoutePlan; readonly setupMs: number }
  | { readonly kind: "move"; readonly route: RoutePlan; readonly setupMs: number; readonly leaveMs: number }
  | { readonly kind: "open-line"; readonly route: RoutePlan; readonly setupMs: number }
  | { readonly kind: "crash"; readonly agent: string; readonly silently: boolean; readonly forMs: number }
  | { readonly kind: "hold" | "sleep"; readonly agent: string; readonly forMs: number }
  | { readonly kind: "shift-clock"; readonly agent: string; readonly byMs: number }
);

export interface Plan {
  /** Until then things happen; from then on the network is well. */
  readonly stormMs: number;
  readonly agents: readonly AgentPlan[];
  readonly routes: readonly RoutePlan[];
  readonly exchanges: readonly { readonly at: number; readonly plan: ExchangePlan }[];
  readonly calls: readonly { readonly at: number; readonly plan: CallPlan }[];
  readonly faults: readonly FaultPlan[];
}

/** Stalls and pauses that no session may take for death: half of the shortest bound, since two may meet. */
export const harmlessMs = 2_500;
const fewStreams = 12;
/** For 24 streams with the least that a stream begins with. */
export const smallBudget = 96 * KiB;
/** Less than the longest two messages of the calls here. */
export const fewUnfinishedBytes = 32 * KiB;

export function makePlan(random: Random): Plan {
  const stormMs = random.magnitude(1_000, 90_000);
  const names = random.chance(0.3) ? ["a", "b", "c"] : ["a", "b"];
  const agents = names.map((name) => ({
    name,
    limits: makeLimits(random),
    maxUnfinishedBytes: random.chance(0.2) ? fewUnfinishedBytes : 2 ** 20,
  }));
  const routes = makeRoutes(random, names);
  const moment = gather(random, stormMs);
  return {
    stormMs,
    agents,
    routes,
    ...makeWork(random, routes, moment),
    faults: makeFaults(random, routes, stormMs, moment),
  };
}

/** Draws times. Most lie close to a few, so that faults meet work, and each other. */
function gather(random: Random, stormMs: number): () => number {
  const moments = Array.from({ length: random.between(1, 3) }, () => random.next() * stormMs) as [number];
  return () => {
    if (random.chance(0.25)) return random.next() * stormMs;
    return Math.min(stormMs, random.pick(moments) + random.magnitude(1, 2_000));
  };
}

function makeLimits(random: Random): Partial<Limits> {
  const streamCredit = random.pick([4 * KiB, 10_000, 32 * KiB, 64 * KiB, 256 * KiB]);
  return {
    streamCredit,
    mostStreamCredit: random.pick([streamCredit, streamCredit * 3, 16_384 * KiB]),
    maxFrameBytes: random.pick([16 * KiB, 128 * KiB]),
    maxStreams: random.chance(0.2) ? fewStreams : 16_384,
    linkBudgetBytes: random.chance(0.15) ? smallBudget : defaultLimits.linkBudgetBytes,
    maxWritableBytes: random.pick([16 * KiB, 128 * KiB]),
  };
}

function makeRoutes(random: Random, names: readonly string[]): RoutePlan[] {
  const routes: RoutePlan[] = [];
  // Two of three may have to meet at the third.
  const relay = names.length === 3 && random.chance(0.5) ? random.pick(["a", "b", "c"]) : undefined;
  for (const [index, one] of names.entries()) {
    for (const other of names.slice(index + 1)) {
      const latencyMs = random.magnitude(1, 200) - 0.9;
      const via = relay === undefined || relay === one || relay === other ? undefined : relay;
      const both = [one, other] as const;
      routes.push({
        between: both,
        diallers: random.chance(0.2) ? both : [random.pick(both)],
        via,
        conditions: {
          latencyMs,
          jitterMs: random.next() * latencyMs,
          bytesPerMs: random.magnitude(40, 100_000),
          holdsBytes: random.magnitude(4 * KiB, 256 * KiB),
          longestPiece: random.magnitude(300, 64 * KiB),
        },
        // What comes over its two legs comes over a relayed one.
        calm: random.chance(0.2) && via === undefined,
      });
    }
  }
  return routes;
}

function makeWork(
  random: Random,
  routes: readonly RoutePlan[],
  moment: () => number,
): Pick<Plan, "exchanges" | "calls"> {
  const exchanges: { at: number; plan: ExchangePlan }[] = [];
  const calls: { at: number; plan: CallPlan }[] = [];
  let number = 0;
  const direction = (route: RoutePlan): { from: string; to: string } => {
    const [a, b] = route.between;
    return random.chance(0.5) ? { from: a, to: b } : { from: b, to: a };
  };
  for (const route of routes) {
    const most = Math.min(120_000, route.conditions.bytesPerMs * 5_000);
    for (let left = random.between(1, 5); left > 0; left -= 1) {
      number += 1;
      exchanges.push({
        at: random.chance(0.1) ? random.magnitude(1, 1_000) : moment(),
        plan: makeExchange(random, number, direction(route), most),
      });
    }
    for (let left = random.between(0, 3); left > 0; left -= 1) {
      number += 1;
      calls.push({ at: moment(), plan: makeCall(random, number, direction(route)) });
    }
    if (random.chance(0.25)) {
      number += 1;
      exchanges.push({ at: moment(), plan: makeHog(random, number, direction(route), route.conditions.bytesPerMs) });
    }
    if (!random.chance(0.06)) continue;
    const at = moment();
    for (let left = random.between(10, 40); left > 0; left -= 1) {
      number += 1;
      exchanges.push({ at, plan: makeExchange(random, number, direction(route), 300) });
    }
  }
  return { exchanges, calls };
}

function makeExchange(
  random: Random,
  number: number,
  way: { readonly from: string; readonly to: string },
  most: number,
): ExchangePlan {
  const last = random.between(0, 5);
  const decision = random.chance(0.9) ? "accept" : random.pick(["refuse", "never"] as const);
  return {
    number,
    ...way,
    priority: random.pick([Priority.INTERACTIVE, Priority.NORMAL, Priority.BULK]),
    opener: makeSide(random, most, last === 0),
    acceptor: makeSide(random, most, last === 1 || last === 2),
    decision,
    decisionMs: random.chance(0.5) ? 0 : random.magnitude(1, 3_000),
    ...(decision === "never" || random.chance(0.1) ? { giveUpMs: random.magnitude(1, 3_000) } : {}),
    strict: false,
  };
}

/** More than all buffers on the way hold, for a reader who stops in the middle of it: so credit has to hold it back. */
function makeHog(
  random: Random,
  number: number,
  way: { readonly from: string; readonly to: string },
  bytesPerMs: number,
): ExchangePlan {
  const isFast = bytesPerMs > 500;
  const bytes = isFast ? random.between(380_000, 480_000) : 10_000;
  const sends = random.chance(0.5);
  const side = { ...makeSide(random, 1_000, false), leavesAt: undefined };
  const writer: SidePlan = { ...side, bytes, writeBytes: random.between(5_000, 20_000), writePauseMs: 0 };
  const reader: SidePlan = { ...side, pauseAt: random.between(1, bytes / 3), pauseMs: random.magnitude(3_000, 30_000) };
  return {
    number,
    ...way,
    priority: Priority.BULK,
    opener: sends ? writer : reader,
    acceptor: sends ? reader : writer,
    decision: "accept",
    decisionMs: 0,
    strict: false,
  };
}

function makeSide(random: Random, most: number, writesLast: boolean): SidePlan {
  const bytes = random.chance(0.1) ? 0 : random.magnitude(1, most);
  const pauses = random.chance(0.4);
  return {
    bytes,
    writeBytes: random.magnitude(Math.max(1, Math.floor(bytes / 40)), 70_000),
    writePauseMs: random.chance(0.8) ? 0 : random.magnitude(1, 500),
    writesLast,
    reads: random.pick(["flowing", "flowing", "by-hand", "iterating"]),
    pauseAt: pauses ? random.between(1, most) : 0,
    pauseMs: pauses ? random.magnitude(1, 20_000) : 0,
    ...(random.chance(0.1) ? { leavesAt: { bytes: random.between(0, most), withError: random.chance(0.5) } } : {}),
  };
}

function makeCall(random: Random, number: number, way: { readonly from: string; readonly to: string }): CallPlan {
  const hangs = random.chance(0.1);
  return {
    number,
    ...way,
    kind: random.pick(["say", "pour", "collect", "talk"]),
    count: random.between(0, 8),
    size: random.magnitude(1, 20_000),
    pauseMs: random.chance(0.5) ? 0 : random.magnitude(1, 2_000),
    ...(random.chance(0.3) ? { leavesAfter: random.between(1, 3) } : {}),
    hangs,
    ...(random.chance(0.3) ? { deadlineMs: random.magnitude(5, 20_000) } : {}),
    ...(hangs || random.chance(0.2) ? { abortMs: random.magnitude(1, 5_000) } : {}),
    strict: false,
  };
}

function makeFaults(random: Random, routes: readonly RoutePlan[], stormMs: number, moment: () => number): FaultPlan[] {
  const faults: FaultPlan[] = [];
  const stormy = routes.filter(({ calm }) => !calm);
  const losses = ["cut", "cut", "ended", "half-open", "silent", "one-way", "corrupted"] as const;
  // One of these for each route and agent, or two might add up to what looks like death.
  for (const route of routes) {
    if (!random.chance(0.3)) continue;
    const forMs = random.amid(1, harmlessMs);
    faults.push({ kind: "stall", at: Math.max(0, moment() - forMs), route, forMs });
  }
  for (const agent of new Set(routes.flatMap(({ between }) => between))) {
    const touchesCalm = routes.some(({ calm, between }) => calm && between.includes(agent));
    if (random.chance(0.1)) {
      const forMs = touchesCalm ? random.amid(1, harmlessMs) : random.magnitude(harmlessMs, 120_000);
      faults.push({ kind: random.chance(0.5) ? "hold" : "sleep", at: moment(), agent, forMs });
    }
    if (random.chance(0.2)) {
      faults.push({ kind: "shift-clock", at: moment(), agent, byMs: random.amid(-1e8, 1e8) });
    }
    // One that slept through its first moments with another, who has given it up meanwhile.
    if (!touchesCalm && random.chance(0.04)) {
      faults.push({ kind: "sleep", at: random.magnitude(1, 1_000), agent, forMs: random.amid(60_000, 120_000) });
    }
    if (!touchesCalm && random.chance(0.2)) {
      const at = moment();
      const forMs = random.next() * (stormMs - at);
      faults.push({ kind: "crash", at, agent, silently: random.chance(0.4), forMs });
    }
  }
  for (const route of stormy) {
    if (route.via !== undefined && random.chance(0.4)) {
      faults.push({ kind: "open-line", at: moment(), route, setupMs: random.magnitude(1, 1_000) });
    }
    for (let left = random.between(0, 4); left > 0; left -= 1) {
      const at = moment();
      const how = random.pick(losses);
      const chance = random.next();
      if (chance < 0.6) faults.push({ kind: "lose", at, route, how });
      else if (chance < 0.7) {
        const setupMs = random.magnitude(1, 5_000);
        faults.push({ kind: "move", at, route, setupMs, leaveMs: random.chance(0.3) ? 0 : random.magnitude(1, 2_000) });
      } else if (chance < 0.8) faults.push({ kind: "dial-again", at, route, setupMs: random.magnitude(1, 5_000) });
      else faults.push({ kind: "outage", at, route, how, forMs: random.next() * (stormMs - at) });
    }
  }
  return faults.sort((one, other) => one.at - other.at);
}
