/**
 * A Service that leads to ports of this agent, from the first port to the last slice. In the one order that is safe: nobody is let in
 * before the Service is made, and no port is given back before nothing leads there.
 */
import type { Clock } from "../../base/clock.ts";
import { isForbidden } from "../../kube/errors.ts";
import { type AgentPlace, portOwner, type ServiceIdentity } from "./manifests.ts";
import type { UseRules } from "./plan.ts";
import type { PortRange } from "./port-range.ts";
import { Served, type ServedPort } from "./served.ts";
import type { MadeService, ServiceMaker } from "./service-maker.ts";
import type { Traffic, TrafficDeps } from "./traffic.ts";

/** Where pods reach this agent, and where it listens for them. */
export interface Entrance {
  readonly place: AgentPlace;
  readonly range: PortRange;
}

export interface LedServiceDeps extends TrafficDeps {
  readonly maker: ServiceMaker;
  readonly entrance: Entrance;
  /** What to do where there are not ports enough, for who reads why there is no Service. */
  readonly noPorts: string;
}

export class LedService {
  readonly identity: ServiceIdentity;
  readonly #deps: LedServiceDeps;
  readonly #served: Served;
  /** Whether this has written, or may have, what leads to its ports. */
  #isWritten = false;
  #isMade = false;
  #isShut = false;

  constructor(identity: ServiceIdentity, deps: LedServiceDeps) {
    this.identity = identity;
    this.#deps = deps;
    this.#served = new Served(deps.entrance.range, { owner: portOwner(identity), peer: identity.peer }, deps);
  }

  get isShut(): boolean {
    return this.#isShut;
  }

  get traffic(): Traffic {
    return this.#served.traffic;
  }

  /**
   * Listens for these ports, and makes the Service or brings it back to what it has to be. Where that cannot be, the reason is returned,
   * and {@link standDown} has to follow, as it has when it is shut meanwhile. Rejects on trouble that may pass, and once it is shut.
   */
  async keep(ports: readonly ServedPort[], rules: UseRules, signal: AbortSignal): Promise<MadeService> {
    const { maker, entrance } = this.#deps;
    const listening = await this.#served.open(ports.map(this.#gated), rules);
    if (!listening) return { ok: false, reason: "NoPorts", message: this.#deps.noPorts };
    const before = this.#isWritten;
    this.#isWritten = true;
    const made = await maker.keep({ ...this.identity, ports: listening, place: entrance.place }, signal);
    if (!made.ok) this.#isWritten = before;
    // Once it is shut its ports are closed, and what was just written leads to them.
    else if (!this.#isShut) {
      this.#isMade = true;
      entrance.range.giveBack(portOwner(this.identity));
    }
    return made;
  }

  /** Resets who is connected, and lets nobody in any more, for good. The Service leads nowhere then, but still to these ports. */
  shut(): void {
    this.#isMade = false;
    this.#isShut = true;
    this.#served.close();
  }

  /** Shuts it, leads nobody to it any more and gives its ports back. Rejects on trouble that may pass; then try again. */
  async standDown(signal: AbortSignal): Promise<void> {
    this.shut();
    this.#giveBack(await isRefused(this.#deps.maker.leave(this.identity, signal)));
  }

  /** The same, and deletes the Service. */
  async remove(signal: AbortSignal): Promise<void> {
    this.shut();
    this.#giveBack(await isRefused(this.#deps.maker.remove(this.identity, signal)));
  }

  /** What was made here once, and may not be looked at any more, goes on leading to these ports. */
  #giveBack(isRefused: boolean): void {
    if (isRefused && this.#isWritten) return;
    this.#isWritten = false;
    this.#deps.entrance.range.giveBack(portOwner(this.identity));
  }

  /** Who may write what asks for a Service, but in no namespace where one is made, gets no way by it either. */
  readonly #gated = (port: ServedPort): ServedPort => {
    const { leading } = port;
    const gate = <T>(dial: (signal: AbortSignal) => Promise<T>) => {
      return async (signal: AbortSignal): Promise<T> => {
        if (!this.#isMade) throw new Error("No Service leads here.");
        return dial(signal);
      };
    };
    if (leading.protocol === "UDP") return { ...port, leading: { protocol: "UDP", dial: gate(leading.dial) } };
    return { ...port, leading: { protocol: "TCP", dial: gate(leading.dial) } };
  };
}

const leaveWithinMs = 2_000;

/** For the end of the agent: shuts all, and leads nobody here any more as far as that is done in two seconds. */
export async function leaveAll(all: readonly LedService[], clock: Clock): Promise<void> {
  for (const one of all) one.shut();
  const late = new AbortController();
  const limit = clock.after(leaveWithinMs, () => late.abort(new Error("There is no more time.")));
  await Promise.allSettled(all.map((one) => one.standDown(late.signal)));
  limit.cancel();
}

/** Whether the agent may not do that; rejects with everything else. */
async function isRefused(done: Promise<void>): Promise<boolean> {
  try {
    await done;
    return false;
  } catch (error) {
    if (isForbidden(error)) return true;
    throw error;
  }
}
