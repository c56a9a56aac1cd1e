/** What is open at this moment over the links to peers: every connection that this agent has an end of, whose it is, and what has passed. */
import { randomBytes } from "node:crypto";
import type { Duplex } from "node:stream";
import type { Clock } from "../base/clock.ts";
import type { DatagramPipe } from "../base/datagram-pipe.ts";
import { Reason, StreamError } from "../wire/reason.ts";
import type { NamedTarget } from "../wire/target-text.ts";

export interface Connection {
  /** Of no other connection, also not after the agent was started anew. */
  readonly id: string;
  readonly peer: string;
  /** Where it was opened, to what is at the other side. */
  readonly side: "Here" | "Peer";
  readonly target: NamedTarget;
  /** Who has opened it from here, as the audit has them; undefined for what a peer has, and where nobody can know. */
  readonly person: string | undefined;
  /** What the records of both ends call its stream. */
  readonly correlation: string | undefined;
  /** In milliseconds since 1970. */
  readonly openedAt: number;
  /** Bytes from here to the peer and back, so far. */
  readonly passed: Passed;
}

export interface Passed {
  readonly out: number;
  readonly in: number;
}

/** One that has just been opened. */
export interface Opened extends Omit<Connection, "id" | "openedAt" | "passed"> {
  passed(): Passed;
  /** Resets it, with what the other end is told. */
  end(reason: StreamError): void;
}

/** Holds no more than is open: links and policies bound that. */
export class Connections {
  readonly #clock: Pick<Clock, "now">;
  readonly #open = new Map<string, Opened & { readonly openedAt: number }>();

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  /** To be called once it is open; what is returned, once it is not any more. */
  add(opened: Opened): () => void {
    // Counted, they would tell who sees one how many others there are.
    const id = randomBytes(9).toString("hex");
    this.#open.set(id, { ...opened, openedAt: this.#clock.now() });
    return () => void this.#open.delete(id);
  }

  list(): Connection[] {
    return [...this.#open].map(([id, { passed, end: _end, ...one }]) => ({ ...one, id, passed: passed() }));
  }

  /** Resets one that leads to or from this peer; undefined when there is none such. */
  end(peer: string, id: string): Connection | undefined {
    const found = this.#open.get(id);
    if (found?.peer !== peer) return undefined;
    const { passed, end, ...one } = found;
    const was = { ...one, id, passed: passed() };
    this.#open.delete(id);
    end(new StreamError(Reason.REVOKED, "An operator has ended this connection."));
    return was;
  }
}

/** What has passed by a stream that counts its bytes as a socket of Node's does; nothing is known of another. */
export function passedBy(stream: Duplex): Passed {
  return { out: countIn(stream, "bytesWritten"), in: countIn(stream, "bytesRead") };
}

function countIn(stream: Duplex, name: "bytesWritten" | "bytesRead"): number {
  const count: unknown = Reflect.get(stream, name);
  return typeof count === "number" ? count : 0;
}

/** The same pipe, and what has passed by it. */
export function countDatagrams(pipe: DatagramPipe): { readonly pipe: DatagramPipe; passed(): Passed } {
  const passed = { out: 0, in: 0 };
  return {
    passed: () => ({ ...passed }),
    pipe: {
      closed: pipe.closed,
      close: (error) => pipe.close(error),
      send(payload) {
        const { length } = payload;
        const isSent = pipe.send(payload);
        if (isSent) passed.out += length;
        return isSent;
      },
      listen: (listener) =>
        pipe.listen((payload) => {
          passed.in += payload.length;
          listener(payload);
        }),
    },
  };
}
