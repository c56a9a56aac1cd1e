/** One Forward that is served: a port of this agent's for each of its ports, and the connections that come by them. */
import { listenForDatagrams } from "../../base/datagram-listener.ts";
import type { WantedPort } from "./manifests.ts";
import type { UseRules } from "./plan.ts";
import type { Listen, ListeningPort, PortRange } from "./port-range.ts";
import { listenTcp } from "./tcp-listener.ts";
import type { FlowDialer, TargetDialer, TrafficDeps } from "./traffic.ts";
import { Traffic } from "./traffic.ts";

/** How what comes by a port is led on: connections, or flows of datagrams. */
export type Leading =
  | { readonly protocol: "TCP"; readonly dial: TargetDialer }
  | { readonly protocol: "UDP"; readonly dial: FlowDialer };

export interface ServedPort {
  readonly name: string;
  /** Of the Service. */
  readonly port: number;
  readonly appProtocol: string | undefined;
  /** Says what it leads to: who is connected when this changes is cut off. */
  readonly leadsTo: string;
  readonly leading: Leading;
}

interface Entrance {
  readonly leadsTo: string;
  readonly listening: ListeningPort;
  readonly ended: AbortController;
}

export class Served {
  readonly traffic: Traffic;
  readonly #range: Pick<PortRange, "open">;
  readonly #owner: string;
  readonly #peer: string | undefined;
  /** By the port's name. */
  readonly #entrances = new Map<string, Entrance>();
  #closed = false;

  /** Its ports are held for `owner` in the range, also when it is closed, and are of the peer's share. */
  constructor(range: Pick<PortRange, "open">, { owner, peer }: { owner: string; peer?: string }, deps: TrafficDeps) {
    this.#range = range;
    this.#owner = owner;
    this.#peer = peer;
    this.traffic = new Traffic(deps);
  }

  /**
   * Listens for these ports and for no others; undefined when the range has not room enough. One at a time. Rejects when the agent's
   * address cannot be listened on, and when it is closed meanwhile or was before.
   */
  async open(ports: readonly ServedPort[], rules: UseRules): Promise<WantedPort[] | undefined> {
    this.traffic.rules = rules;
    for (const [name, { leadsTo }] of this.#entrances) {
      if (!ports.some((port) => port.name === name && port.leadsTo === leadsTo)) this.#end(name);
    }
    const wanted: WantedPort[] = [];
    for (const { name, port, appProtocol, leadsTo, leading } of ports) {
      const entrance = this.#entrances.get(name) ?? (await this.#enter(name, leadsTo, leading));
      if (!entrance) return undefined;
      wanted.push({ name, port, appProtocol, protocol: leading.protocol, listening: entrance.listening.port });
    }
    return wanted;
  }

  async #enter(name: string, leadsTo: string, leading: Leading): Promise<Entrance | undefined> {
    const ended = new AbortController();
    const listen: Listen =
      leading.protocol === "UDP"
        ? (host, port) => listenForDatagrams(this.traffic.flows(leading.dial, { host, port }))
        : listenTcp((socket) => void this.traffic.pass(socket, leading.dial, ended.signal));
    const listening = this.#closed ? undefined : await this.#range.open(this.#owner, name, listen, this.#peer);
    if (this.#closed) {
      listening?.close();
      throw new Error("This forward is not served any more.");
    }
    if (!listening) return undefined;
    const entrance = { leadsTo, listening, ended };
    this.#entrances.set(name, entrance);
    return entrance;
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
