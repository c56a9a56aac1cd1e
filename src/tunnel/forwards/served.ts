/** One Forward that is served: a port of this agent's for each of its ports, and the connections that come by them. */

import type { WantedPort } from "./manifests.ts";
import type { UseRules } from "./plan.ts";
import type { ListeningPort, PortRange } from "./port-range.ts";
import type { TargetDialer, TrafficDeps } from "./traffic.ts";
import { Traffic } from "./traffic.ts";

export interface ServedPort {
  readonly name: string;
  /** Of the Service. */
  readonly port: number;
  readonly appProtocol: string | undefined;
  /** Says what it leads to: who is connected when this changes is cut off. */
  readonly leadsTo: string;
  readonly dial: TargetDialer;
}

interface Entrance {
  readonly leadsTo: string;
  readonly listening: ListeningPort;
  readonly ended: AbortController;
}

export class Served {
  readonly traffic: Traffic;
  readonly #range: Pick<PortRange, "listen">;
  /** By the port's name. */
  readonly #entrances = new Map<string, Entrance>();
  #closed = false;

  constructor(range: Pick<PortRange, "listen">, rules: UseRules, deps: TrafficDeps) {
    this.#range = range;
    this.traffic = new Traffic(deps, rules);
  }

  /**
   * Listens for these ports and for no others; undefined when the range has not room enough. One at a time. Rejects when the agent's
   * address cannot be listened on.
   */
  async open(ports: readonly ServedPort[], rules: UseRules): Promise<WantedPort[] | undefined> {
    this.traffic.rules = rules;
    for (const [name, { leadsTo }] of this.#entrances) {
      if (!ports.some((port) => port.name === name && port.leadsTo === leadsTo)) this.#end(name);
    }
    const wanted: WantedPort[] = [];
    for (const { name, port, appProtocol, leadsTo, dial } of ports) {
      const entrance = this.#entrances.get(name) ?? (await this.#listen(leadsTo, dial));
      if (!entrance) return undefined;
      if (this.#closed) entrance.listening.close();
      else this.#entrances.set(name, entrance);
      wanted.push({ name, port, appProtocol, listening: entrance.listening.port });
    }
    return wanted;
  }

  async #listen(leadsTo: string, dial: TargetDialer): Promise<Entrance | undefined> {
    const ended = new AbortController();
    const listening = await this.#range.listen((socket) => void this.traffic.pass(socket, dial, ended.signal));
    return listening && { leadsTo, listening, ended };
  }

  #end(name: string): void {
    const entrance = this.#entrances.get(name);
    this.#entrances.delete(name);
    entrance?.listening.close();
    entrance?.ended.abort(new Error("The forward has ended, or leads elsewhere now."));
  }

  /** Takes nobody more, and resets who is connected. */
  close(): void {
    this.#closed = true;
    for (const name of [...this.#entrances.keys()]) this.#end(name);
  }
}
