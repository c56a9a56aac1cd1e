/**
 * Ports of this agent's own address that are listened on for Forwards: a bounded range, each held for one owner at a time. Nothing on a
 * connection says which Forward was meant, the port is all; so a port is another's only when its owner has said that nothing leads there.
 */

export interface Listener {
  /** Takes nobody more. Who has come stays so. */
  close(): void;
}

/** Listens at this port. Rejects with EADDRINUSE when some other program does. */
export type Listen = (host: string, port: number) => Promise<Listener>;

export interface ListeningPort extends Listener {
  readonly port: number;
}

interface Holding {
  readonly owner: string;
  readonly name: string;
  /** Undefined until it is known whose share it is of. */
  peer?: string | undefined;
  isOpen: boolean;
}

export class PortRange {
  readonly #host: string;
  readonly #held = new Map<number, Holding>();
  /** In the order in which they are dealt: what was given back last comes last. */
  readonly #free = new Set<number>();

  /** Of this machine's address `host`. */
  constructor(host: string, range: { readonly first: number; readonly last: number }) {
    this.#host = host;
    for (let port = range.first; port <= range.last; port += 1) this.#free.add(port);
  }

  /**
   * Listens at the port that is held for this name of the owner, or at one that is then. Undefined when none is left for this peer: of what
   * the others leave it gets half, so that there is room for the next. Rejects when the address cannot be listened on at all.
   */
  async open(owner: string, name: string, listen: Listen, peer?: string): Promise<ListeningPort | undefined> {
    for (const [port, held] of this.#held) {
      if (held.owner !== owner || held.name !== name || held.isOpen) continue;
      held.isOpen = true;
      held.peer = peer;
      const listening = await this.#listen(port, held, listen);
      if (listening) return listening;
    }
    for (const port of [...this.#free]) {
      if (!this.#hasRoomFor(peer)) return undefined;
      // Another may have been dealt it meanwhile.
      if (!this.#free.delete(port)) continue;
      const held = { owner, name, peer, isOpen: true };
      this.#held.set(port, held);
      let listening: ListeningPort | undefined;
      try {
        listening = await this.#listen(port, held, listen);
      } finally {
        if (!listening) this.#release(port);
      }
      if (listening) return listening;
    }
    return undefined;
  }

  /** Something leads there for this owner already. False when it is another's; what is outside of the range is nobody's concern. */
  hold(owner: string, name: string, port: number): boolean {
    const held = this.#held.get(port);
    if (held) return held.owner === owner;
    if (this.#free.delete(port)) this.#held.set(port, { owner, name, isOpen: false });
    return true;
  }

  /** Nothing leads any more to those ports of the owner that nobody listens on. */
  giveBack(owner: string): void {
    for (const [port, held] of [...this.#held]) if (held.owner === owner && !held.isOpen) this.#release(port);
  }

  #hasRoomFor(peer: string | undefined): boolean {
    if (peer === undefined) return true;
    const theirs = [...this.#held.values()].filter((held) => held.peer === peer).length;
    return theirs < this.#free.size;
  }

  /** Undefined when some other program has it. */
  async #listen(port: number, held: Holding, listen: Listen): Promise<ListeningPort | undefined> {
    try {
      const listener = await listen(this.#host, port);
      return {
        port,
        close: () => {
          if (!held.isOpen) return;
          held.isOpen = false;
          listener.close();
        },
      };
    } catch (error) {
      held.isOpen = false;
      if (isInUse(error)) return undefined;
      throw error;
    }
  }

  #release(port: number): void {
    this.#held.delete(port);
    this.#free.add(port);
  }
}

function isInUse(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EADDRINUSE";
}
