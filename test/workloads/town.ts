/** Agents with their clusters in one process, joined by real sessions and RPC, and by a clock that a test moves. */
import { createSecretKey } from "node:crypto";
import { type Duplex, duplexPair } from "node:stream";
import type { Transport } from "@connectrpc/connect";
import type { AuditEntry } from "../../src/audit/entry.ts";
import type { Clock } from "../../src/base/clock.ts";
import { type Log, silentLog } from "../../src/base/log.ts";
import { IntentService } from "../../src/gen/fairlead/peer/v1/intent_pb.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { createEventRecorder } from "../../src/kube/event-recorder.ts";
import type { LinkStatus } from "../../src/peering/link-status.ts";
import type { Peer } from "../../src/peering/peer.ts";
import type { RosterListener } from "../../src/peering/roster.ts";
import { createPolicyBook } from "../../src/policy/policy-book.ts";
import { createRpcServer, type RpcServer } from "../../src/rpc/server.ts";
import { createLinkTransport } from "../../src/rpc/transport.ts";
import type { Session } from "../../src/wire/session.ts";
import { createContentHash } from "../../src/workloads/content-hash.ts";
import { createWorkloads, type Workloads } from "../../src/workloads/workloads.ts";
import { createFakeClock, type FakeClock } from "../base/fake-clock.ts";
import { agentNamespace, openPolicy } from "../policy/open-policy.ts";
import { openPair, type Pair } from "../wire/pair.ts";
import { type Cluster, createCluster } from "./cluster.ts";

/** What one agent knows of its peers, and its links to them. */
export class FakePeering {
  readonly #peers = new Map<string, Peer>();
  readonly #listeners = new Set<RosterListener>();
  readonly #linkListeners = new Set<(peer: string, status: LinkStatus) => void>();
  readonly #sessions = new Map<string, Session>();
  readonly #since = new Map<string, number>();
  readonly #clock: Clock;
  #epoch = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What peers say of themselves. */
  readonly said = new Map<string, Record<string, string>>();
  readonly facts = {
    get: (peer: string): Record<string, string> | undefined => this.said.get(peer),
    subscribe: (): (() => void) => () => undefined,
  };

  readonly list = (): Peer[] => [...this.#peers.values()];
  readonly get = (name: string): Peer | undefined => this.#peers.get(name);
  readonly byFingerprint = (fingerprint: string): Peer | undefined =>
    [...this.#peers.values()].find((peer) => peer.fingerprint === fingerprint);
  readonly synced = async (): Promise<void> => undefined;

  /** As the book of policies wants peers. */
  readonly forPolicies = {
    list: (): Peer[] => this.list(),
    subscribe: (fn: (fingerprint: string) => void): (() => void) =>
      this.subscribe(({ name }) => fn(fingerprintOf(name))),
  };

  readonly subscribe = (listener: RosterListener): (() => void) => {
    this.#listeners.add(listener);
    for (const after of this.#peers.values()) listener({ name: after.name, after });
    return () => this.#listeners.delete(listener);
  };

  set(name: string, change: Partial<Peer> | undefined): void {
    const before = this.#peers.get(name);
    const after = change && {
      name,
      fingerprint: fingerprintOf(name),
      caPem: "",
      labels: {},
      grants: [],
      ...before,
      ...change,
    };
    if (after) this.#peers.set(name, after);
    else this.#peers.delete(name);
    for (const listener of this.#listeners) listener({ name, ...(before && { before }), ...(after && { after }) });
  }

  readonly #stalled = new Set<string>();

  readonly links = {
    status: (peer: string): LinkStatus => ({
      state: this.#sessions.has(peer) && !this.#stalled.has(peer) ? "connected" : "disconnected",
      since: this.#since.get(peer) ?? this.#clock.now(),
      held: this.#sessions.has(peer),
      epoch: this.#epoch,
    }),
    subscribe: (fn: (peer: string, status: LinkStatus) => void): (() => void) => {
      this.#linkListeners.add(fn);
      return () => this.#linkListeners.delete(fn);
    },
  };

  /** The link has no carrier for now, and goes on with the next: what was said meanwhile comes late. */
  stall(peer: string, isStalled: boolean): void {
    if (isStalled === this.#stalled.has(peer)) return;
    if (isStalled) this.#stalled.add(peer);
    else this.#stalled.delete(peer);
    this.#since.set(peer, this.#clock.now());
    for (const fn of this.#linkListeners) fn(peer, this.links.status(peer));
  }

  link(peer: string, session: Session | undefined): void {
    this.#stalled.delete(peer);
    if (session) this.#sessions.set(peer, session);
    else this.#sessions.delete(peer);
    this.#epoch += 1;
    this.#since.set(peer, this.#clock.now());
    for (const fn of this.#linkListeners) fn(peer, this.links.status(peer));
  }

  readonly transport = (peer: string): Transport => {
    const session = this.#sessions.get(peer);
    if (!session) throw new Error(`no link to ${peer}`);
    return createLinkTransport(session);
  };
}

export function fingerprintOf(name: string): string {
  return Buffer.from(name.padEnd(32, "-")).toString("hex").slice(0, 64);
}

/** Where an agent is that runs outside its cluster. */
export const besideCluster = {
  inCluster: false,
  namespace: agentNamespace,
  server: "https://192.0.2.1:6443",
  nameservers: [],
};

/** One agent on its cluster; it can stop and start again, and knows then only what the cluster knows. */
export class Agent {
  readonly name: string;
  readonly cluster: Cluster;
  readonly peering: FakePeering;
  readonly clock: FakeClock;
  client: KubeClient;
  log: Log = silentLog;
  /** What the agent wrote down, over all its starts. */
  readonly audited: AuditEntry[] = [];
  #running: { workloads: Workloads; rpc: RpcServer; stop(): Promise<void> } | undefined;

  constructor(name: string, clock: FakeClock) {
    this.name = name;
    this.clock = clock;
    this.cluster = createCluster();
    this.client = this.cluster;
    this.peering = new FakePeering(clock);
  }

  get workloads(): Workloads {
    if (!this.#running) throw new Error(`${this.name} does not run`);
    return this.#running.workloads;
  }

  get rpc(): RpcServer | undefined {
    return this.#running?.rpc;
  }

  start(): void {
    const { client, peering, clock, log } = this;
    const events = createEventRecorder({ client, clock, log, instance: this.name });
    const logs = async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.from("the last line\n");
    };
    const { facts, links, transport } = peering;
    const audit = { record: (entry: AuditEntry) => void this.audited.push(entry) };
    const policies = createPolicyBook({ client, namespace: agentNamespace, peers: peering.forPolicies, clock, log });
    const hashContent = createContentHash(createSecretKey(Buffer.from(this.name.padEnd(32, "."))));
    const common = { client, roster: peering, audit, clock, log };
    const workloads = createWorkloads({
      origin: { ...common, facts, transport, links, events, hashContent, namespace: agentNamespace },
      host: { ...common, hashContent, transport, links, logs, policies, place: besideCluster },
    });
    const rpc = createRpcServer({ routes: workloads.routes, judgingThemselves: [IntentService] });
    const stop = async (): Promise<void> => {
      await Promise.all([workloads.close(), rpc.close()]);
      await Promise.all([events.close(), policies.close()]);
    };
    this.#running = { workloads, rpc, stop };
  }

  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    await running?.stop();
  }
}

interface Valve {
  readonly ends: readonly [Duplex, Duplex];
  set(isShut: boolean): void;
}

/** Two ends of a connection that can be made to stand still. */
function openValve(): Valve {
  const [low, lowInside] = duplexPair();
  const [high, highInside] = duplexPair();
  const waiting: (() => void)[] = [];
  let isShut = false;
  const through = (from: Duplex, to: Duplex): void => {
    const pass = (fn: () => void): void => {
      if (isShut) waiting.push(fn);
      else fn();
    };
    from.on("data", (chunk: Buffer) => pass(() => void to.write(chunk)));
    from.on("end", () => pass(() => to.end()));
    from.on("error", () => to.destroy());
    from.on("close", () => to.destroy());
  };
  through(lowInside, highInside);
  through(highInside, lowInside);
  return {
    ends: [low, high],
    set(shut) {
      isShut = shut;
      if (!shut) for (const fn of waiting.splice(0)) fn();
    },
  };
}

export class Town {
  readonly clock = createFakeClock();
  readonly #agents = new Map<string, Agent>();
  readonly #pairs = new Map<string, Pair>();
  readonly #valves = new Map<string, Valve>();

  agent(name: string): Agent {
    let agent = this.#agents.get(name);
    if (!agent) {
      agent = new Agent(name, this.clock);
      this.#agents.set(name, agent);
    }
    return agent;
  }

  /** Both know each other; the host grants apps, and has a policy that lets every peer run them. */
  pair(origin: string, host: string): void {
    this.agent(origin).peering.set(host, {});
    this.agent(host).peering.set(origin, { grants: ["apps"] });
    void openPolicy(this.agent(host).cluster);
  }

  /** Joins two agents by a link; each end answers calls while its agent runs. */
  async connect(a: string, b: string): Promise<void> {
    const [low, high] = [this.agent(a), this.agent(b)];
    const valve = openValve();
    this.#valves.set(`${a} ${b}`, valve);
    const pair = await openPair({
      carriers: valve.ends,
      acceptLow: (incoming) => incoming.kind === "rpc" && low.rpc?.serve(incoming, callerOf(low, b)),
      acceptHigh: (incoming) => incoming.kind === "rpc" && high.rpc?.serve(incoming, callerOf(high, a)),
    });
    this.#pairs.set(`${a} ${b}`, pair);
    low.peering.link(b, pair.low);
    high.peering.link(a, pair.high);
  }

  /** Whether they are joined, be it by a link that stands still. */
  isLinked(a: string, b: string): boolean {
    return this.#pairs.has(`${a} ${b}`);
  }

  /** Nothing comes through the link until it flows again; then everything does. */
  stall(a: string, b: string, isStalled: boolean): void {
    if (!this.isLinked(a, b)) return;
    this.hold(a, b, isStalled);
    this.agent(a).peering.stall(b, isStalled);
    this.agent(b).peering.stall(a, isStalled);
  }

  /** The same, and nobody has noticed yet. */
  hold(a: string, b: string, isHeld: boolean): void {
    this.#valves.get(`${a} ${b}`)?.set(isHeld);
  }

  async cut(a: string, b: string): Promise<void> {
    const pair = this.#pairs.get(`${a} ${b}`);
    this.#valves.get(`${a} ${b}`)?.set(false);
    this.#valves.delete(`${a} ${b}`);
    this.#pairs.delete(`${a} ${b}`);
    this.agent(a).peering.link(b, undefined);
    this.agent(b).peering.link(a, undefined);
    await pair?.close();
  }

  /**
   * Moves the clock until `check` holds; fails when that takes more than `limitMs` of its time: several waits of half a minute in a row,
   * as for an API server that fails time and again, are no failure.
   */
  async until(what: string, check: () => boolean, limitMs = 600_000): Promise<void> {
    const end = this.clock.monotonic() + limitMs;
    // Sessions and streams run in real turns of the event loop, so time stands still for some of them.
    for (let turn = 0; !check(); turn += 1) {
      if (this.clock.monotonic() > end) throw new Error(`This did not come to pass: ${what}`);
      await this.clock.advance(turn % 8 === 7 ? 100 : 0);
    }
  }

  /** Stops an agent, moving the clock for what waits on it. */
  async stop(name: string): Promise<void> {
    await this.#during(this.agent(name).stop());
  }

  async close(): Promise<void> {
    for (const key of [...this.#pairs.keys()]) {
      const [a = "", b = ""] = key.split(" ");
      await this.cut(a, b);
    }
    await this.#during(Promise.all([...this.#agents.values()].map((agent) => agent.stop())));
  }

  async #during(work: Promise<unknown>): Promise<void> {
    let isDone = false;
    const done = work.finally(() => {
      isDone = true;
    });
    done.catch(() => undefined); // Awaited below.
    const limit = performance.now() + 30_000;
    while (!isDone) {
      if (performance.now() > limit) throw new Error("An agent does not stop.");
      await this.clock.advance(100);
    }
    await done;
  }
}

function callerOf(host: Agent, name: string) {
  const peer = host.peering.get(name);
  const fingerprint = fingerprintOf(name);
  return peer
    ? { fingerprint, guest: false, peer: name, grants: peer.grants, caPem: "" }
    : { fingerprint, guest: true, grants: [], caPem: "" };
}
