/** What happens to agents and to what is between them, and what that may break. */
import type { Agent } from "./agent.ts";
import type { Judge } from "./expectations.ts";
import type { Network, Route } from "./network.ts";
import { type FaultPlan, harmlessMs, type Plan, type RoutePlan } from "./plan.ts";
import type { World } from "./world.ts";

export interface StormDeps {
  readonly world: World;
  readonly network: Network;
  readonly judge: Judge;
  readonly plan: Plan;
  readonly resume: boolean;
  agent(name: string): Agent;
  /** Begins another life of it. */
  start(name: string): void;
}

/**
 * For how long, in milliseconds, a session may be without a connection by each fault, at the most: a dial may hang for 20 s, a process
 * that is back may have to see the end of what it was offered meanwhile, and of a silent connection one end may learn 35 s before the other.
 */
const dialMs = 25_000;
const awakeMs = 16_000;
const unseenMs = 36_000;
const relayedMs = 10_000;
/** A session waits 60 s, so what adds up to less than this breaks none. */
const outlivedMs = 58_000;

export class Storm {
  readonly #deps: StormDeps;
  /** What each route may have been without a connection for, in all. */
  readonly #troubleMs = new Map<RoutePlan, number>();
  /** Relayed routes whose agents have found a direct line. */
  readonly #direct = new Set<RoutePlan>();

  constructor(deps: StormDeps) {
    this.#deps = deps;
  }

  /** Who has to carry connections between the two, if anybody has. */
  relayBetween(one: string, other: string): string | undefined {
    const route = this.#deps.plan.routes.find(({ between }) => between.includes(one) && between.includes(other));
    return route === undefined || !this.#isRelayed(route) || this.#direct.has(route) ? undefined : route.via;
  }

  /** The longest that a process does not run. */
  longestHoldMs(): number {
    const { faults } = this.#deps.plan;
    return Math.max(0, ...faults.map((fault) => (fault.kind === "hold" || fault.kind === "sleep" ? fault.forMs : 0)));
  }

  suffer(fault: FaultPlan): void {
    const { world, judge } = this.#deps;
    switch (fault.kind) {
      case "outage":
        this.#trouble(fault.route, fault.forMs + dialMs);
        this.#route(fault.route).downUntil = Math.max(this.#route(fault.route).downUntil, world.now + fault.forMs);
        this.#lose(fault);
        break;
      case "lose":
        this.#lose(fault);
        break;
      case "stall":
        for (const connection of this.#deps.network.standing(this.#route(fault.route))) connection.stall(fault.forMs);
        break;
      case "dial-again":
        this.#byDialler(fault.route, (agent, peer) => agent.dialAgain(peer, fault.setupMs));
        break;
      case "move":
        this.#byDialler(fault.route, (agent, peer) => agent.move(peer, fault.setupMs, fault.leaveMs));
        break;
      case "open-line":
        this.#direct.add(fault.route);
        this.#byDialler(fault.route, (agent, peer) => agent.dialAgain(peer, fault.setupMs));
        break;
      case "crash":
        this.#crash(fault.agent, fault.silently, fault.forMs);
        break;
      case "hold":
      case "sleep":
        if (fault.forMs > harmlessMs) this.#troubleAround(fault.agent, fault.forMs + awakeMs);
        this.#deps.agent(fault.agent).life[fault.kind](fault.forMs);
        break;
      case "shift-clock":
        this.#deps.agent(fault.agent).life.shiftWall(fault.byMs);
        break;
    }
    // Without resume one that is detached is as good as lost.
    if ("route" in fault && fault.kind !== "stall") judge.harm(this.#route(fault.route), "carrier");
  }

  #route({ between }: RoutePlan): Route {
    return this.#deps.network.route(...between);
  }

  #isRelayed({ via }: RoutePlan): boolean {
    return this.#deps.resume && via !== undefined;
  }

  #lose({ route, how }: Extract<FaultPlan, { how: unknown }>): void {
    const seen = how === "cut" || how === "ended" || how === "corrupted";
    this.#trouble(route, seen ? 0 : unseenMs);
    for (const connection of this.#deps.network.standing(this.#route(route))) connection.lose(how);
    const relay = this.relayBetween(...route.between);
    if (relay === undefined) return;
    const agent = this.#deps.agent(relay);
    if (agent.life.alive) agent.life.soon("drop", () => agent.dropRelayed());
  }

  #byDialler(
    { between: [one, other], diallers: [dialler] }: RoutePlan,
    act: (agent: Agent, peer: string) => Promise<void>,
  ): void {
    const agent = this.#deps.agent(dialler);
    if (agent.life.alive) agent.life.soon("dial again", () => void act(agent, dialler === one ? other : one));
  }

  #crash(name: string, silently: boolean, forMs: number): void {
    const { world, network, start } = this.#deps;
    const { life } = this.#deps.agent(name);
    this.#troubleAround(name, Number.POSITIVE_INFINITY);
    if (!life.alive) return;
    life.kill();
    network.died(life, silently);
    world.at(world.now + forMs, `restart ${name}`, () => start(name));
  }

  #troubleAround(name: string, ms: number): void {
    for (const route of this.#deps.plan.routes) if (route.between.includes(name)) this.#trouble(route, ms);
  }

  /** What comes over a route comes over those that stand on it, too. */
  #trouble(route: RoutePlan, ms: number): void {
    const { judge, plan } = this.#deps;
    const carried = plan.routes.filter((one) => this.#isRelayed(one) && this.#isLeg(route, one));
    for (const one of [route, ...carried]) {
      const trouble = (this.#troubleMs.get(one) ?? (this.#isRelayed(one) ? relayedMs : 0)) + ms;
      this.#troubleMs.set(one, trouble);
      judge.harm(this.#route(one), trouble > outlivedMs ? "session" : "carrier");
    }
  }

  #isLeg(route: RoutePlan, { between, via }: RoutePlan): boolean {
    return via !== undefined && route.between.includes(via) && route.between.some((name) => between.includes(name));
  }
}
