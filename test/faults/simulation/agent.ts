/** An agent as far as the link goes: it dials, is dialled, keeps one session with each neighbour, and serves what comes. */
import type { Duplex } from "node:stream";
import type { RpcServer } from "../../../src/rpc/server.ts";
import type { Limits } from "../../../src/wire/limits.ts";
import { PeerSessions } from "../../../src/wire/peer-sessions.ts";
import { Reason, SessionError } from "../../../src/wire/reason.ts";
import { AgentBudget, type IncomingDial, openSession, type Session } from "../../../src/wire/session.ts";
import { createSimulatedServer } from "./calls.ts";
import type { Judge } from "./expectations.ts";
import type { Network, Route } from "./network.ts";
import type { Random } from "./random.ts";
import { Relay } from "./relay.ts";
import type { Life, World } from "./world.ts";

export interface AgentDeps {
  readonly world: World;
  readonly network: Network;
  readonly judge: Judge;
  readonly random: Random;
  readonly limits: Partial<Limits>;
  readonly maxUnfinishedBytes: number;
  /** Its sessions go on at the next carrier when they lose one. */
  readonly resume: boolean;
  /** Neighbours that it dials; the others dial it, and some of these do, too. */
  readonly dials: readonly string[];
  /** Who carries connections to that neighbour as long as there is no other way to it. */
  relayTo(peer: string): string | undefined;
  /** What comes and is no call. */
  serveDial(incoming: IncomingDial, from: string, life: Life): void;
}

const firstBackoffMs = 200;
const longestBackoffMs = 4_000;
const relayTimeoutMs = 20_000;

/** One life of an agent: after a crash there is another, of the same name. */
export class Agent {
  readonly life: Life;
  readonly server: RpcServer;
  readonly #deps: AgentDeps;
  readonly #instance: Uint8Array;
  /** All that stand, with whom, in the order in which they came up. */
  readonly #open = new Map<Session, string>();
  readonly #waiting: { readonly peer: string; resolve(session: Session): void }[] = [];
  readonly #stop = new AbortController();
  /** What this process remembers of each neighbour. */
  readonly #sessions = new Map<string, PeerSessions>();
  /** Connections that stand and are a session's, by neighbour. */
  readonly #carriers = new Map<string, Set<Duplex>>();
  /** Who waits for one of them to go. */
  #bare: (() => void)[] = [];
  readonly #relay: Relay;
  #opening = 0;

  constructor(name: string, deps: AgentDeps) {
    this.#deps = deps;
    this.life = deps.world.begin(name);
    this.#instance = Uint8Array.from({ length: 16 }, () => deps.random.between(0, 255));
    this.server = createSimulatedServer(this.life, deps.maxUnfinishedBytes, (error) => deps.world.fail(error));
    deps.network.listen({
      life: this.life,
      accept: (from, carrier) => void this.#take(from, carrier).catch(() => undefined),
    });
    this.#relay = new Relay({
      session: (peer) => this.#latest(peer),
      take: (peer, carrier) => void this.#take(peer, carrier).catch(() => undefined),
    });
    for (const peer of deps.dials) this.life.soon(`keep ${peer}`, () => void this.#keep(peer));
  }

  get name(): string {
    return this.life.name;
  }

  /** What its sessions have promised. */
  readonly budget = new AgentBudget();

  /** All that stand. */
  get sessions(): readonly Session[] {
    return [...this.#open.keys()];
  }

  /** The neighbour that a session is with. */
  peerOf(session: Session): string {
    return this.#open.get(session) ?? "";
  }

  /** Sessions that stand, and connections of which one may become. */
  get busy(): number {
    return this.#open.size + this.#opening;
  }

  /** The latest one, as soon as there is any. */
  session(peer: string): Promise<Session> {
    const session = this.#latest(peer);
    if (session !== undefined) return Promise.resolve(session);
    return new Promise((resolve) => {
      this.#waiting.push({ peer, resolve });
    });
  }

  /** One more connection beside the present one, as for a spare: whichever stands last counts. */
  async dialAgain(peer: string, setupMs: number): Promise<void> {
    const carrier = await this.#dial(peer, setupMs).catch(() => undefined);
    if (carrier !== undefined) await this.#take(peer, carrier).catch(() => undefined);
  }

  /** One more as well, and those before it go as soon as it stands, or some time later. */
  async move(peer: string, setupMs: number, leaveMs: number): Promise<void> {
    const before = [...(this.#carriers.get(peer) ?? [])];
    await this.dialAgain(peer, setupMs);
    await this.life.clock.sleep(leaveMs);
    for (const carrier of before) carrier.destroy();
  }

  /** Lets go one of the connections that it carries for two others. */
  dropRelayed(): void {
    this.#relay.drop();
  }

  /** Ends all of it, and waits until nobody is here any more. */
  async stop(gently: boolean): Promise<void> {
    this.#stop.abort(new Error("The agent stops."));
    const message = "The agent stops.";
    for (const session of this.sessions) {
      if (gently) void session.drain(message, 5_000);
      else session.close({ reason: Reason.SHUTDOWN, message });
    }
    await Promise.all(this.sessions.map((session) => session.closed));
    await this.server.close();
  }

  #latest(peer: string): Session | undefined {
    return this.sessions.findLast((session) => this.#open.get(session) === peer);
  }

  #sessionsWith(peer: string): PeerSessions {
    const held = this.#sessions.get(peer) ?? new PeerSessions(this.life.clock);
    this.#sessions.set(peer, held);
    return held;
  }

  async #keep(peer: string): Promise<void> {
    let backoffMs = firstBackoffMs;
    while (!this.#stop.signal.aborted) {
      try {
        const carrier = await this.#dial(peer, this.#deps.random.magnitude(1, 50));
        const session = await this.#take(peer, carrier);
        backoffMs = firstBackoffMs;
        if (this.#deps.resume) await this.#untilBare(peer);
        // Another may have come meanwhile, which was dialled besides.
        for (let other = this.#latest(peer); other !== undefined && !this.#deps.resume; other = this.#latest(peer)) {
          await other.closed;
        }
        if (!this.#deps.resume) await session.closed;
      } catch {
        backoffMs = Math.min(longestBackoffMs, backoffMs * 2);
      }
      await this.life.clock.sleep(this.#deps.random.amid(0, backoffMs), this.#stop.signal).catch(() => undefined);
      // The other end may have dialled.
      if (this.#deps.resume) await this.#untilBare(peer);
    }
  }

  /** Resolves when no connection to that neighbour stands. */
  async #untilBare(peer: string): Promise<void> {
    while ((this.#carriers.get(peer)?.size ?? 0) > 0) {
      await new Promise<void>((resolve) => {
        this.#bare.push(resolve);
      });
    }
  }

  #stands(peer: string, carrier: Duplex): void {
    if (carrier.destroyed) return;
    const all = this.#carriers.get(peer) ?? new Set();
    this.#carriers.set(peer, all.add(carrier));
    carrier.on("close", () => {
      all.delete(carrier);
      for (const resolve of this.#bare.splice(0)) resolve();
    });
  }

  async #dial(peer: string, setupMs: number): Promise<Duplex> {
    this.#opening += 1;
    const giveUp = new AbortController();
    const timer = this.life.clock.after(relayTimeoutMs, () => giveUp.abort());
    try {
      const relay = this.#deps.relayTo(peer);
      if (relay === undefined) return await this.#deps.network.dial(this.life, peer, setupMs);
      const session = this.#latest(relay);
      if (session === undefined) throw new Error("There is no link to the relay.");
      return await Relay.dial(session, peer, giveUp.signal);
    } finally {
      timer.cancel();
      this.#opening -= 1;
    }
  }

  async #take(peer: string, carrier: Duplex): Promise<Session> {
    const { judge, network, random, world } = this.#deps;
    const route = network.route(this.name, peer);
    const what = `The session of ${this.name} with ${peer}`;
    this.#opening += 1;
    try {
      const session = await openSession(
        {
          carrier,
          side: this.name < peer ? "low" : "high",
          hello: { instance: this.#instance, version: "simulated" },
          ...(this.#deps.resume ? { sessions: this.#sessionsWith(peer) } : {}),
          limits: this.#deps.limits,
          budget: this.budget,
          clock: this.life.clock,
          random: () => random.next(),
          accept: (incoming) => {
            if (incoming.kind === "dial") {
              if (!this.#relay.serve(incoming, peer)) this.#deps.serveDial(incoming, peer, this.life);
            } else void this.server.serve(incoming, caller(peer));
          },
          onDefect: (error) => world.fail(error),
        },
        this.#stop.signal,
      );
      this.#stands(peer, carrier);
      this.#up(peer, session, route);
      return session;
    } catch (error) {
      if (error instanceof SessionError) judge.judgeOpening(what, route, error);
      throw error;
    } finally {
      this.#opening -= 1;
    }
  }

  #up(peer: string, session: Session, route: Route): void {
    const { judge, world } = this.#deps;
    world.log(`up with ${peer}`);
    if (this.#open.has(session)) return;
    const before = this.#latest(peer);
    // Another process speaks there, and nobody is there who could say that the old one lives.
    for (const [older, other] of this.#open) {
      if (other !== peer || older.stats().carrierlessSince === undefined) continue;
      older.close({ reason: Reason.REPLACED, message: "A new start of that agent has come." });
    }
    this.#open.set(session, peer);
    void session.closed.then((end) => {
      world.log(`down with ${peer}: ${end.reason} by ${end.by}`);
      this.#open.delete(session);
      try {
        judge.judgeEnd(`The session of ${this.name} with ${peer}`, route, end);
        checkEmpty(session, `The session of ${this.name} with ${peer}`);
      } catch (error) {
        world.fail(error);
      }
    });
    for (const waiting of this.#waiting.splice(0)) {
      if (waiting.peer === peer) waiting.resolve(session);
      else this.#waiting.push(waiting);
    }
    // Who was dialled decides; if both ends did, each might close what the other keeps.
    if (!this.#deps.resume && before !== undefined && !this.#deps.dials.includes(peer)) {
      before.close({ reason: Reason.REPLACED, message: "A newer link has come." });
    }
  }
}

/** No stream is left in it. */
function checkEmpty(session: Session, what: string): void {
  const { open } = session.stats();
  const left = open.control + open.interactive + open.normal + open.bulk;
  if (left > 0) throw new Error(`${what} still has ${left} streams.`);
}

function caller(peer: string): Parameters<RpcServer["serve"]>[1] {
  return { fingerprint: peer.padEnd(64, "0"), guest: false, peer, grants: [], caPem: "" };
}
