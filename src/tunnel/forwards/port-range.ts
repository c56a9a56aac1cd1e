/** Ports of this agent's own address that are listened on for Forwards: a bounded range, each taken by one at a time. */
import { createServer, type Server, type Socket } from "node:net";

export interface ListeningPort {
  readonly port: number;
  /** Takes nobody more, and gives the port back. Who is connected stays so. */
  close(): void;
}

/** Connections that wait to be taken; programs open hundreds in one go. */
const backlog = 4_096;

export class PortRange {
  readonly #host: string;
  readonly #first: number;
  readonly #last: number;
  readonly #taken = new Set<number>();
  /** Where the next is looked for, so that a port that was given back is not at once somebody else's. */
  #next: number;

  /** Of this machine's address `host`. */
  constructor(host: string, range: { readonly first: number; readonly last: number }) {
    this.#host = host;
    this.#first = range.first;
    this.#last = range.last;
    this.#next = range.first;
  }

  /** Undefined when none is left. Rejects when the address cannot be listened on at all. */
  async listen(onConnection: (socket: Socket) => void): Promise<ListeningPort | undefined> {
    const size = this.#last - this.#first + 1;
    for (let tried = 0; tried < size; tried += 1) {
      const port = this.#next;
      this.#next = port === this.#last ? this.#first : port + 1;
      if (this.#taken.has(port)) continue;
      this.#taken.add(port);
      const server = createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true }, onConnection);
      try {
        await listenOn(server, this.#host, port);
      } catch (error) {
        this.#taken.delete(port);
        if (isInUse(error)) continue;
        throw error;
      }
      return {
        port,
        close: () => {
          server.close(() => this.#taken.delete(port));
        },
      };
    }
    return undefined;
  }
}

function listenOn(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port, backlog }, () => {
      server.off("error", reject);
      // One that cannot be taken, as without file descriptors, is no reason to end.
      server.on("error", () => undefined);
      resolve();
    });
  });
}

function isInUse(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EADDRINUSE";
}
