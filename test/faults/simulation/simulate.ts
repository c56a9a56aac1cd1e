/** One seed: a storm that ends, and then all must be well. */
import { Reason } from "../../../src/wire/reason.ts";
import { Priority } from "../../../src/wire/scheduler.ts";
import { Agent } from "./agent.ts";
import { Call } from "./calls.ts";
import { Exchange, exchangeNumber } from "./exchange.ts";
import { type Expectations, Judge } from "./expectations.ts";
import { ownGlobals } from "./globals.ts";
import { patternIsWhole } from "./ledger.ts";
import { Network } from "./network.ts";
import type { Conditions } from "./pipe.ts";
import { type AgentPlan, fewUnfinishedBytes, makePlan, type Plan, type RoutePlan, smallBudget } from "./plan.ts";
import { Random } from "./random.ts";
import type { SidePlan } from "./side.ts";
import { Storm } from "./storm.ts";
import { World } from "./world.ts";

export interface SimulationOptions {
  readonly seed: number;
  readonly expectations: Expectations;
  /** Is told every event. */
  log?(line: string): void;
}

export interface Outcome {
  readonly seed: number;
  readonly events: number;
  /** Milliseconds of the world's time. */
  readonly tookMs: number;
  /** Streams and calls by how they ended. */
  readonly ended: Readonly<Record<string, number>>;
  /** What was found; undefined when all went right. */
  readonly failure: unknown;
}

/** From the end of the storm until all that was asked has ended: silence, a dial, and what a slow line needs. */
const healedWithinMs = 150_000;
/** Until the last connection of which nobody has told anybody is taken for dead, and the session that was on it given up. */
const dustMs = 115_000;
/** Until the last frame is acknowledged, 10 s after it came, and that is heard. */
const ackedMs = 13_000;
/** Beside what the line needs: so short that no ping comes to help. */
const probeWithinMs = 3_000;
const stoppedWithinMs = 10_000;
/** Last words have 2 s to leave. */
const restWithinMs = 2_500;
const lookEveryMs = 1_000;
const maxEvents = 400_000;

export async function simulate(o: SimulationOptions): Promise<Outcome> {
  const random = new Random(o.seed);
  const world = new World({ random: random.fork(), maxEvents, log: o.log });
  const story = new Story(world, random, o.expectations);
  const release = ownGlobals(world, random.fork());
  // What nobody catches has happened in the event that runs.
  const onDefect = (error: unknown): void => world.fail(error);
  process.on("uncaughtException", onDefect).on("unhandledRejection", onDefect);
  let failure: unknown;
  try {
    await story.play();
  } catch (error) {
    failure = error;
  } finally {
    process.off("uncaughtException", onDefect).off("unhandledRejection", onDefect);
    release();
  }
  return { seed: o.seed, events: world.events, tookMs: world.now, ended: story.ended(), failure };
}

class Story {
  readonly #world: World;
  readonly #random: Random;
  readonly #plan: Plan;
  readonly #network: Network;
  readonly #judge: Judge;
  readonly #storm: Storm;
  readonly #resume: boolean;
  readonly #agents = new Map<string, Agent>();
  readonly #exchanges = new Map<number, Exchange>();
  readonly #calls: Call[] = [];
  #number = 1_000_000;

  constructor(world: World, random: Random, expectations: Expectations) {
    this.#world = world;
    this.#random = random;
    this.#plan = makePlan(random.fork());
    this.#network = new Network(world);
    this.#judge = new Judge(expectations);
    this.#resume = expectations.resume;
    this.#storm = new Storm({
      world,
      network: this.#network,
      judge: this.#judge,
      plan: this.#plan,
      resume: this.#resume,
      agent: (name) => this.#agent(name),
      start: (name) => this.#start(name),
    });
  }

  ended(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { outcome } of [...this.#exchanges.values(), ...this.#calls]) {
      counts[outcome] = (counts[outcome] ?? 0) + 1;
    }
    return counts;
  }

  async play(): Promise<void> {
    const world = this.#world;
    const { stormMs, routes, agents, exchanges, calls, faults } = this.#plan;
    for (const { between, conditions } of routes) this.#network.connect(between, conditions);
    for (const { name } of agents) this.#start(name);
    for (const { at, plan } of exchanges) world.at(at, `begin ${plan.number}`, () => this.#exchange(plan));
    for (const { at, plan } of calls) world.at(at, `begin ${plan.number}`, () => this.#call(plan));
    for (const fault of faults) world.at(fault.at, fault.kind, () => this.#storm.suffer(fault));
    this.#look();
    await world.run(stormMs, () => false);
    for (const { between } of routes) this.#network.route(...between).downUntil = 0;

    const isOver = (): boolean => this.#open().length === 0;
    const calmAt = stormMs + this.#storm.longestHoldMs();
    await world.run(calmAt + healedWithinMs + this.#slowestMs(), isOver);
    if (!isOver()) throw new Error(`This has not ended though the network is well: ${this.#open().join("; ")}`);
    await world.run(Math.max(world.now + ackedMs, calmAt + dustMs), () => false);
    this.#checkKept();

    const probedMs = this.#probe();
    await world.run(world.now + probeWithinMs + probedMs, isOver);
    if (!isOver()) throw new Error(`A network that is well does not carry this: ${this.#open().join("; ")}`);
    for (const agent of this.#agents.values()) {
      const { name, server, sessions } = agent;
      if (server.running > 0) throw new Error(`${server.running} calls run at ${name} that nobody waits for.`);
      if (server.unfinishedBytes > 0) {
        throw new Error(`${server.unfinishedBytes} bytes of calls that are over still count at ${name}.`);
      }
      for (const session of sessions) {
        const { open, promisedBytes, heldBytes, resumes } = session.stats();
        const peer = agent.peerOf(session);
        if (resumes > 0 && this.#mustStand(name, peer)) {
          throw new Error(`${name} gave ${resumes} carriers to ${peer} up, and nothing was wrong with them.`);
        }
        const streams = open.control + open.interactive + open.normal + open.bulk;
        if (streams === 0 && (promisedBytes !== 0 || heldBytes !== 0))
          throw new Error(`${name} has promised ${promisedBytes} bytes to nobody, and holds ${heldBytes} of nobody.`);
      }
    }
    await this.#end();
  }

  #start(name: string): void {
    const { limits, maxUnfinishedBytes } = this.#spec(name);
    const dials = this.#plan.routes
      .filter(({ diallers }) => (this.#resume ? diallers.includes(name) : diallers[0] === name))
      .map(({ between: [one, other] }) => (one === name ? other : one));
    const agent = new Agent(name, {
      world: this.#world,
      network: this.#network,
      judge: this.#judge,
      random: this.#random.fork(),
      limits,
      maxUnfinishedBytes,
      dials,
      relayTo: (peer) => this.#storm.relayBetween(name, peer),
      resume: this.#resume,
      serveDial: (incoming, _from, life) => {
        const exchange = this.#exchanges.get(exchangeNumber(incoming.target));
        if (exchange === undefined) throw new Error("A stream was dialled that nobody has begun.");
        exchange.serve(incoming, life);
      },
    });
    this.#agents.set(name, agent);
  }

  #spec(name: string): AgentPlan {
    const spec = this.#plan.agents.find((agent) => agent.name === name);
    if (spec === undefined) throw new Error(`There is to be no agent ${name}.`);
    return spec;
  }

  #agent(name: string): Agent {
    const agent = this.#agents.get(name);
    if (agent === undefined) throw new Error(`There is no agent ${name}.`);
    return agent;
  }

  #exchange(plan: Exchange["plan"]): void {
    const agent = this.#agent(plan.from);
    if (!agent.life.alive) return;
    const exchange = new Exchange(plan, {
      world: this.#world,
      judge: this.#judge,
      route: this.#network.route(plan.from, plan.to),
      mostBytes: [this.#mostBytes(plan.to, plan.opener), this.#mostBytes(plan.from, plan.acceptor)],
      mayRefuse: this.#mayRefuse(plan.from, plan.to),
    });
    this.#exchanges.set(plan.number, exchange);
    exchange.await(agent);
    agent.life.soon(`begin ${plan.number}`, () => exchange.start(agent));
  }

  #call(plan: Call["plan"]): void {
    const agent = this.#agent(plan.from);
    if (!agent.life.alive) return;
    const route = this.#network.route(plan.from, plan.to);
    const call = new Call(plan, agent, {
      world: this.#world,
      judge: this.#judge,
      route,
      mayRefuse: this.#mayRefuse(plan.from, plan.to),
      fewBytes: this.#spec(plan.to).maxUnfinishedBytes === fewUnfinishedBytes,
    });
    this.#calls.push(call);
    agent.life.soon(`begin ${plan.number}`, () => call.start());
  }

  /** A window of credit as large as it may grow, what waits for its turn, what waits in Node's two buffers, and a write more that each of them may take. */
  #mostBytes(reader: string, { writeBytes }: SidePlan): number {
    const { mostStreamCredit = 0 } = this.#spec(reader).limits;
    return mostStreamCredit + 2 * 64 * 1024 + 3 * writeBytes;
  }

  /** Whether a stream may be refused for want of room: by whom. */
  #mayRefuse(from: string, to: string): "nobody" | "here" | "anybody" {
    if ([from, to].some((name) => this.#spec(name).limits.linkBudgetBytes === smallBudget)) return "anybody";
    return (this.#spec(to).limits.maxStreams ?? 0) < 100 ? "here" : "nobody";
  }

  #open(): string[] {
    return [...this.#exchanges.values(), ...this.#calls].filter(({ over }) => !over).map((one) => one.describe());
  }

  /** What all the planned bytes may need on the slowest line, three times over, and the longest stream in windows that never grow. */
  #slowestMs(): number {
    const ways = this.#plan.routes.map((route) => this.#way(route));
    const sizes = this.#plan.exchanges.map(({ plan }) => plan.opener.bytes + plan.acceptor.bytes);
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    const window = this.#leastWindow(ways);
    const roundTripMs = Math.max(...ways.map(({ latencyMs, jitterMs }) => 2 * (latencyMs + jitterMs)));
    return (
      (3 * bytes) / Math.min(...ways.map(({ bytesPerMs }) => bytesPerMs)) +
      (Math.max(0, ...sizes) / window) * roundTripMs * 3
    );
  }

  /** What may be under way without an answer, on any line. */
  #leastWindow(ways: readonly Conditions[]): number {
    const held = ways.map(({ holdsBytes }) => holdsBytes);
    return Math.min(...held, ...this.#plan.agents.map(({ limits }) => limits.streamCredit ?? 0));
  }

  /** Looks at what each agent holds, now and then. */
  #look(): void {
    const isStormy = this.#world.now < this.#plan.stormMs;
    this.#world.at(this.#world.now + (isStormy ? lookEveryMs : lookEveryMs * 10), "look", () => {
      for (const agent of this.#agents.values()) {
        const { limits, maxUnfinishedBytes } = this.#spec(agent.name);
        const { unfinishedBytes } = agent.server;
        if (unfinishedBytes > maxUnfinishedBytes)
          throw new Error(`${unfinishedBytes} bytes of calls are held at ${agent.name}.`);
        for (const session of agent.life.alive ? agent.sessions : []) {
          const { waitingBytes, refused, heldBytes, promisedBytes } = session.stats();
          // A write begins while little waits, and holds a frame more than it is meant to.
          const most = Math.max(limits.maxWritableBytes ?? 0, 64 * 1024) + 96 * 1024;
          if (waitingBytes > most) throw new Error(`${waitingBytes} bytes wait at ${agent.name}; ${most} may.`);
          if (heldBytes < 0 || heldBytes > promisedBytes || promisedBytes > (limits.linkBudgetBytes ?? 0)) {
            throw new Error(`${agent.name} holds ${heldBytes} bytes and has promised ${promisedBytes}.`);
          }
          if (refused > 0 && this.#mayRefuse(agent.peerOf(session), agent.name) !== "anybody")
            throw new Error(`${agent.name} has refused a stream of a neighbour who keeps to the limits.`);
        }
      }
      if (!this.#ending) this.#look();
    });
  }

  /** Long after the last frame, each end has told the other that it has it: nothing is kept any more for a carrier to come. */
  #checkKept(): void {
    for (const agent of this.#agents.values()) {
      for (const session of agent.sessions) {
        const { open, replayBytes, carrierlessSince } = session.stats();
        // What is carried for others talks on.
        const isQuiet = open.control + open.interactive + open.normal + open.bulk === 0;
        if (!isQuiet || carrierlessSince !== undefined || replayBytes === 0) continue;
        throw new Error(`${agent.name} still keeps ${replayBytes} bytes for ${agent.peerOf(session)}.`);
      }
    }
  }

  /** Whether nothing has given cause to leave the first carrier between the two. */
  #mustStand(one: string, other: string): boolean {
    const route = this.#plan.routes.find(({ between }) => between.includes(one) && between.includes(other));
    if (route === undefined || route.via !== undefined || route.diallers.length > 1) return false;
    return this.#judge.isUnharmed(this.#network.route(one, other));
  }

  #ending = false;

  /**
   * Each pair of neighbours, both ways: a stream with bytes in both directions, and a call. Returns how long the slowest line needs
   * for its part, in milliseconds.
   */
  #probe(): number {
    let longestMs = 0;
    for (const route of this.#plan.routes) {
      const { between } = route;
      const { latencyMs, jitterMs, bytesPerMs } = this.#way(route);
      const window = this.#leastWindow([this.#way(route)]);
      const bytes = Math.floor(Math.min(150_000, bytesPerMs * 500, window * 8));
      const side = { ...probe, bytes };
      const roundTripMs = 2 * (latencyMs + jitterMs);
      longestMs = Math.max(longestMs, (8 * bytes) / bytesPerMs + (6 + (8 * bytes) / window) * roundTripMs);
      for (const [from, to] of [between, between.toReversed()] as [string, string][]) {
        this.#number += 2;
        const priority = Priority.NORMAL;
        const common = { from, to, strict: true };
        const decision = { decision: "accept", decisionMs: 0 } as const;
        this.#exchange({ number: this.#number, ...common, priority, ...decision, opener: side, acceptor: side });
        this.#call({ number: this.#number + 1, ...common, kind: "say", hangs: false, count: 1, size: 10, pauseMs: 1 });
      }
    }
    return longestMs;
  }

  /**
   * What the way between two neighbours is like: one that leads through a third is like both of its legs together, and may do so still when
   * there is a direct line.
   */
  #way({ conditions, via }: RoutePlan): Conditions {
    if (via === undefined || !this.#resume) return conditions;
    const legs = this.#plan.routes.filter((route) => route.between.includes(via)).map((leg) => leg.conditions);
    const ways = [...legs, conditions];
    return {
      latencyMs: ways.reduce((sum, way) => sum + way.latencyMs, 0),
      jitterMs: ways.reduce((sum, way) => sum + way.jitterMs, 0),
      bytesPerMs: Math.min(...ways.map((way) => way.bytesPerMs)),
      holdsBytes: Math.min(...ways.map((way) => way.holdsBytes)),
      longestPiece: Math.min(...ways.map((way) => way.longestPiece)),
    };
  }

  async #end(): Promise<void> {
    const world = this.#world;
    this.#ending = true;
    this.#judge.leave();
    let stopping = this.#agents.size;
    for (const agent of this.#agents.values()) {
      const gently = this.#random.chance(0.5);
      agent.life.at(world.now + this.#random.amid(0, 200), "stop", () => {
        void agent.stop(gently).then(() => {
          stopping -= 1;
        });
      });
    }
    await world.run(world.now + stoppedWithinMs, () => stopping === 0);
    if (stopping > 0) throw new Error(`${stopping} agents have not stopped within ${stoppedWithinMs} ms.`);
    await world.run(world.now + restWithinMs, () => false);
    for (const agent of this.#agents.values()) {
      const { name, busy, server, life, budget } = agent;
      if (busy > 0) throw new Error(`${name} still has ${busy} sessions.`);
      if (server.running > 0) throw new Error(`${server.running} calls still run at ${name}.`);
      if (budget.promised !== 0) throw new Error(`${budget.promised} bytes are still promised at ${name}.`);
      if (life.waiting > 0) throw new Error(`${life.waiting} timers or turns are left at ${name}.`);
    }
    if (this.#open().length > 0) throw new Error(`This began and never ended: ${this.#open().join("; ")}`);
    if (!patternIsWhole()) throw new Error(`Bytes that were handed over to be sent were changed (${Reason.INTERNAL}).`);
  }
}

const probe: SidePlan = {
  bytes: 0,
  writeBytes: 30_000,
  writePauseMs: 0,
  writesLast: false,
  reads: "flowing",
  pauseAt: 0,
  pauseMs: 0,
};
