/** A way to a port of loopback that breaks as networks do: at any byte, at any moment, on one side only, or in silence. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import type { Random } from "./simulation/random.ts";

/** How connections are broken. */
export type Cut =
  /** Both sides are reset. */
  | "reset"
  /** Both sides are closed in good order, in the middle of whatever they say. */
  | "close"
  /** The side that dialled is reset, and the other one hears nothing any more. */
  | "half-open"
  /** One direction passes nothing for a while, then both sides are reset. */
  | "stall"
  /** Both sides are reset when some more bytes have gone one way. */
  | "in mid-message";

export const cuts: readonly [Cut, ...Cut[]] = ["reset", "close", "half-open", "stall", "in mid-message"];

export interface CuttingProxy {
  readonly port: number;
  /** Connections that were taken so far, and those that pass bytes now. */
  readonly taken: number;
  readonly open: number;
  /** Breaks all connections that there are; resolves when it is done. */
  cut(how: Cut): Promise<void>;
  close(): void;
}

/** What a stall lasts at most, and what goes on before a cut in mid-message is given up; milliseconds. */
const longestStallMs = 400;
const mostBytesBefore = 100_000;

export async function startCuttingProxy(to: number, random: Random): Promise<CuttingProxy> {
  const passing = new Set<Passage>();
  const all = new Set<Socket>();
  let taken = 0;
  const keep = (socket: Socket): Socket => {
    all.add(socket);
    socket.on("error", () => undefined);
    return socket.once("close", () => all.delete(socket));
  };
  const server = createServer((near) => {
    taken += 1;
    const far = keep(connect(to, "127.0.0.1"));
    const passage = new Passage(keep(near), far);
    passing.add(passage);
    passage.over.then(() => passing.delete(passage));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The proxy does not listen on TCP.");
  return {
    port: address.port,
    get taken() {
      return taken;
    },
    get open() {
      return passing.size;
    },
    async cut(how) {
      await Promise.all([...passing].map((passage) => passage.cut(how, random)));
    },
    close() {
      server.close();
      for (const socket of all) socket.destroy();
    },
  };
}

/** One connection, in two halves. */
class Passage {
  readonly over: Promise<unknown>;
  readonly #near: Socket;
  readonly #far: Socket;
  #isHalfOpen = false;

  constructor(near: Socket, far: Socket) {
    this.#near = near;
    this.#far = far;
    this.over = Promise.race([once(near, "close"), once(far, "close")]);
    near.pipe(far);
    far.pipe(near);
    near.once("close", () => this.#isHalfOpen || far.destroy());
    far.once("close", () => near.destroy());
  }

  async cut(how: Cut, random: Random): Promise<void> {
    switch (how) {
      case "reset":
        this.#reset();
        break;
      case "close":
        this.#near.destroy();
        this.#far.destroy();
        break;
      case "half-open":
        this.#isHalfOpen = true;
        // What it still says goes nowhere.
        this.#far.unpipe().resume();
        this.#near.unpipe().resetAndDestroy();
        break;
      case "stall": {
        const from = random.pick([this.#near, this.#far]);
        from.unpipe().pause();
        await this.#orOver(new Promise((resolve) => setTimeout(resolve, random.magnitude(10, longestStallMs))));
        this.#reset();
        break;
      }
      case "in mid-message":
        await this.#orOver(this.#bytes(random.pick([this.#near, this.#far]), random.magnitude(1, mostBytesBefore)));
        this.#reset();
        break;
    }
    await this.over;
  }

  #reset(): void {
    this.#near.resetAndDestroy();
    this.#far.resetAndDestroy();
  }

  /** Passes so many more bytes of that side, and none behind them; at most for as long as a stall. */
  #bytes(from: Socket, most: number): Promise<void> {
    const to = from === this.#near ? this.#far : this.#near;
    from.unpipe(to);
    let left = most;
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, longestStallMs);
      from.on("data", (chunk: Buffer) => {
        to.write(chunk.subarray(0, left));
        left -= Math.min(left, chunk.length);
        if (left > 0) return;
        from.pause();
        clearTimeout(timer);
        // What was written last has to leave before the reset.
        setImmediate(resolve);
      });
      from.resume();
    });
  }

  #orOver(promise: Promise<void>): Promise<unknown> {
    return Promise.race([promise, this.over]);
  }
}
