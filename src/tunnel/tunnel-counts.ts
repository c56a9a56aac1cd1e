/** What peers have had of what they reach here, by peer and kind of target. */
import type { NamedTarget } from "../wire/target-text.ts";

export interface TunnelCount {
  readonly peer: string;
  readonly kind: NamedTarget["kind"];
  /** Now, being made and open. */
  readonly connections: number;
  /** Since the start, by what was said to them. */
  readonly opened: Readonly<Record<string, number>>;
  /** Bytes from the peer and to it; not of what speaks for itself here. */
  readonly in: number;
  readonly out: number;
  /** Datagrams among them, and those that were dropped here, which are not. */
  readonly datagrams: DatagramCount;
  readonly dropped: DatagramCount;
}

export interface DatagramCount {
  readonly in: number;
  readonly out: number;
}

interface Mutable {
  readonly peer: string;
  readonly kind: NamedTarget["kind"];
  readonly opened: Record<string, number>;
  readonly datagrams: { in: number; out: number };
  readonly dropped: { in: number; out: number };
  connections: number;
  in: number;
  out: number;
}

/** As many as there are peers and kinds: guests, and dials that cannot be read, are not counted. */
export class TunnelCounts {
  readonly #counts = new Map<string, Mutable>();

  opened(peer: string | undefined, kind: NamedTarget["kind"] | undefined, verdict: string): void {
    if (peer === undefined || kind === undefined) return;
    const { opened } = this.#of(peer, kind);
    opened[verdict] = (opened[verdict] ?? 0) + 1;
  }

  /** To be told of each piece. */
  flow(peer: string | undefined, kind: NamedTarget["kind"], way: "in" | "out"): (bytes: number) => void {
    if (peer === undefined) return () => undefined;
    const count = this.#of(peer, kind);
    return (bytes) => {
      count[way] += bytes;
    };
  }

  /** To be told of each datagram, and whether it has passed. */
  datagrams(
    peer: string | undefined,
    kind: NamedTarget["kind"],
  ): (way: "in" | "out", bytes: number, passed: boolean) => void {
    if (peer === undefined) return () => undefined;
    const count = this.#of(peer, kind);
    return (way, bytes, passed) => {
      count[passed ? "datagrams" : "dropped"][way] += 1;
      if (passed) count[way] += bytes;
    };
  }

  /** With what there is now. */
  read(
    now: readonly { readonly caller: { readonly peer?: string | undefined }; readonly target: NamedTarget }[],
  ): TunnelCount[] {
    for (const count of this.#counts.values()) count.connections = 0;
    for (const { caller, target } of now) {
      if (caller.peer !== undefined) this.#of(caller.peer, target.kind).connections += 1;
    }
    return [...this.#counts.values()];
  }

  #of(peer: string, kind: NamedTarget["kind"]): Mutable {
    const key = JSON.stringify([peer, kind]);
    const known = this.#counts.get(key);
    const none = () => ({ in: 0, out: 0 });
    const count = known ?? { peer, kind, connections: 0, opened: {}, ...none(), datagrams: none(), dropped: none() };
    if (!known) this.#counts.set(key, count);
    return count;
  }
}
