import { Duplex } from "node:stream";
import { type Conditions, Pipe } from "./pipe.ts";
import type { Life, World } from "./world.ts";

/** What two machines have between them. */
export interface Route {
  readonly between: readonly [string, string];
  readonly conditions: Conditions;
  /** No connection can be made before this time; those that stand are not touched. */
  downUntil: number;
}

/** How a connection is lost. */
export type Loss = "cut" | "ended" | "half-open" | "silent" | "one-way" | "corrupted";

/** What stands at a machine and takes connections. */
export interface Listener {
  readonly life: Life;
  accept(from: string, carrier: Duplex): void;
}

const dialTimeoutMs = 20_000;

/** Connections as an agent finds them below its session, in the place of TLS: bytes in order, or none. */
export class Network {
  readonly #world: World;
  readonly #routes: Route[] = [];
  readonly #listeners = new Map<string, Listener>();
  readonly #connections = new Set<Connection>();
  #made = 0;

  constructor(world: World) {
    this.#world = world;
  }

  connect(between: readonly [string, string], conditions: Conditions): Route {
    const route: Route = { between, conditions, downUntil: 0 };
    this.#routes.push(route);
    return route;
  }

  route(a: string, b: string): Route {
    const route = this.#routes.find(({ between }) => between.includes(a) && between.includes(b));
    if (route === undefined) throw new Error(`Nothing leads from ${a} to ${b}.`);
    return route;
  }

  listen(listener: Listener): void {
    this.#listeners.set(listener.life.name, listener);
  }

  /** Connections that stand between two machines, in the order in which they were made. */
  standing(route: Route): Connection[] {
    return [...this.#connections].filter((connection) => connection.route === route && !connection.over);
  }

  /** `setupMs` is what the handshakes take besides the way: so that one that began earlier may stand later. */
  dial(from: Life, to: string, setupMs: number): Promise<Duplex> {
    const route = this.#route(from, to);
    const { random, now } = this.#world;
    const arrivesAt = now + setupMs + route.conditions.latencyMs * (1 + random.next());
    return new Promise((resolve, reject) => {
      const refuse = (at: number, why: string): void => {
        from.at(at, `dial of ${to} failed`, () => reject(new Error(why)));
      };
      this.#world.at(arrivesAt, `dial ${from.name} ${to}`, () => {
        const listener = this.#listeners.get(to);
        if (this.#world.now < route.downUntil) {
          const waitMs = random.chance(0.5) ? dialTimeoutMs : 0;
          refuse(this.#world.now + route.conditions.latencyMs + waitMs, "The network is down.");
        } else if (listener === undefined || !listener.life.alive) {
          refuse(this.#world.now + route.conditions.latencyMs, "Nobody listens there.");
        } else if (from.alive) {
          const connection = this.#join(route, from, listener.life);
          listener.life.soon(`accept ${connection.name}`, () => listener.accept(from.name, connection.ends[1]));
          const knownAt = this.#world.now + route.conditions.latencyMs;
          from.at(knownAt, `connected ${connection.name}`, () => resolve(connection.ends[0]));
        }
      });
    });
  }

  /** What the other ends see of a process that dies: resets, or nothing at all when its machine goes with it. */
  died(life: Life, silently: boolean): void {
    for (const connection of this.#connections) {
      if (connection.ends.every((end) => end.life !== life)) continue;
      if (silently) connection.lose("silent");
      else connection.abandonedBy(life);
      this.#connections.delete(connection);
    }
  }

  #route(from: Life, to: string): Route {
    return this.route(from.name, to);
  }

  #join(route: Route, from: Life, to: Life): Connection {
    for (const connection of this.#connections) if (connection.over) this.#connections.delete(connection);
    this.#made += 1;
    const connection = new Connection(this.#world, { route, from, to, name: `#${this.#made}` });
    this.#connections.add(connection);
    return connection;
  }
}

/** Two ends, and one pipe in each direction. */
export class Connection {
  readonly route: Route;
  readonly name: string;
  readonly ends: readonly [End, End];
  readonly #world: World;
  readonly #pipes: readonly [Pipe, Pipe];

  constructor(world: World, o: { route: Route; from: Life; to: Life; name: string }) {
    const { conditions } = o.route;
    this.route = o.route;
    this.name = o.name;
    this.#world = world;
    const there: Pipe = new Pipe(world, {
      conditions,
      from: o.from,
      to: o.to,
      name: `${o.name} at ${o.to.name}`,
      reader: () => this.ends[1],
    });
    const back: Pipe = new Pipe(world, {
      conditions,
      from: o.to,
      to: o.from,
      name: `${o.name} at ${o.from.name}`,
      reader: () => this.ends[0],
    });
    this.#pipes = [there, back];
    const allowHalfOpen = world.random.chance(0.3);
    this.ends = [new End(o.from, there, back, allowHalfOpen), new End(o.to, back, there, allowHalfOpen)];
  }

  get over(): boolean {
    return this.ends.some((end) => end.destroyed);
  }

  lose(how: Loss): void {
    this.#world.log(`${this.name} ${how}`);
    const which = this.#world.random.between(0, 1);
    const [one, other] = which === 0 ? this.#pipes : [this.#pipes[1], this.#pipes[0]];
    switch (how) {
      case "cut":
        one.break("The connection was cut.");
        other.break("The connection was cut.");
        break;
      case "corrupted":
        // What TLS makes of it: the end that reads the byte refuses the record and cuts.
        one.break("A record did not verify.");
        other.break("The connection was cut.");
        break;
      case "ended":
        one.end();
        other.end();
        break;
      case "half-open":
        one.break("The connection was cut.");
        other.stall(Number.POSITIVE_INFINITY);
        break;
      case "one-way":
        one.stall(Number.POSITIVE_INFINITY);
        break;
      case "silent":
        one.stall(Number.POSITIVE_INFINITY);
        other.stall(Number.POSITIVE_INFINITY);
        break;
    }
  }

  /** One direction, or both, do not move for a while. */
  stall(forMs: number): void {
    const until = this.#world.now + forMs;
    const which = this.#world.random.between(0, 2);
    this.#world.log(`${this.name} stalls for ${Math.round(forMs)} ms, ${["there", "back", "both ways"][which]}`);
    if (which !== 1) this.#pipes[0].stall(until);
    if (which !== 0) this.#pipes[1].stall(until);
  }

  abandonedBy(life: Life): void {
    const at = this.ends[0].life === life ? 0 : 1;
    this.#pipes[at].abandon();
    this.#pipes[(1 - at) as 0 | 1].close();
  }
}

/** What the session is given as its carrier. */
export class End extends Duplex {
  readonly life: Life;
  readonly #out: Pipe;
  readonly #in: Pipe;

  constructor(life: Life, out: Pipe, into: Pipe, allowHalfOpen: boolean) {
    super({ allowHalfOpen, writableHighWaterMark: 16 * 1024 });
    this.life = life;
    this.#out = out;
    this.#in = into;
    // It may be lost before a session has it.
    this.on("error", () => undefined);
  }

  override _read(): void {
    this.#in.resume();
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, callback: () => void): void {
    this.#out.write([chunk], callback);
  }

  override _writev(chunks: { chunk: Uint8Array }[], callback: () => void): void {
    this.#out.write(
      chunks.map(({ chunk }) => chunk),
      callback,
    );
  }

  override _final(callback: () => void): void {
    this.#out.end();
    callback();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#out.abandon();
    this.#in.close();
    callback(error);
  }
}
