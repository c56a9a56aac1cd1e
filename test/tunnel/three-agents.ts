/** Two agents that nobody can dial, and one in the middle that both dial: real sockets, everything else in memory. */
import type { TestContext } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import type { EffectivePolicy } from "../../src/policy/effective-policy.ts";
import { createRelay, type Relay } from "../../src/tunnel/relay.ts";
import { type AgentOptions, createDisk, startAgent, type TestAgent } from "../peering/agents.ts";
import { policyOf } from "../policy/given.ts";

const allowing = policyOf({ relay: { allow: true } });

export interface Hub {
  readonly agent: TestAgent;
  readonly relay: Relay;
  /** What counts there for each of its peers. */
  policy: EffectivePolicy;
  /** What passed it, as it saw it, if it was told to look. */
  readonly seen: Buffer[];
  close(): Promise<void>;
}

/** The one in the middle. Started again on the same disk and port it is the same agent. */
export async function startHub(t: TestContext, o: Partial<AgentOptions> & { look?: boolean } = {}): Promise<Hub> {
  const hub = { policy: allowing };
  const seen: Buffer[] = [];
  const agent = await startAgent(t, {
    name: "hub",
    ...o,
    serveDial: (dial, caller) => {
      const { accept } = dial;
      if (!o.look) return relay.open(caller, dial);
      relay.open(caller, {
        ...dial,
        signal: dial.signal,
        accept() {
          const stream = accept.call(dial);
          stream.on("data", (chunk: Buffer) => seen.push(chunk));
          return stream;
        },
      });
    },
  });
  const { roster, switchboard } = agent.peering;
  const relay = createRelay({
    policyOf: (fingerprint) => (roster.byFingerprint(fingerprint) ? hub.policy : undefined),
    roster,
    through: (peer) => switchboard.through(peer),
    dialPeer: (peer, target, options) => switchboard.dial(peer, target, options),
    record: { note: (_by, entry) => agent.audited.push(entry) },
    clock: o.clock ?? systemClock,
    log: silentLog,
  });
  const close = async (): Promise<void> => {
    await relay.close();
    await agent.close();
  };
  return Object.assign(hub, { agent, relay, seen, close });
}

/** Makes an agent that only dials out a peer of the hub's, which may bring carriers there. */
async function enrol(agent: TestAgent, hub: TestAgent): Promise<void> {
  await agent.join(await hub.invite(), { grants: ["relay"] });
  await agent.connected("hub");
  await hub.connected(agent.name);
}

export interface ThreeAgents {
  readonly a: TestAgent;
  readonly b: TestAgent;
  readonly hub: Hub;
}

/** Both are peers of the hub's, and not yet of each other. */
export async function startThreeAgents(
  t: TestContext,
  o: { look?: boolean; a?: Partial<AgentOptions>; b?: Partial<AgentOptions>; hub?: Partial<AgentOptions> } = {},
): Promise<ThreeAgents> {
  const hub = await startHub(t, { disk: createDisk(), look: o.look === true, ...o.hub });
  const a = await startAgent(t, { name: "aachen", reachable: false, ...o.a });
  const b = await startAgent(t, { name: "berlin", reachable: false, ...o.b });
  await enrol(a, hub.agent);
  await enrol(b, hub.agent);
  return { a, b, hub };
}

/** Pairs the two through the hub: `b` invites. */
export async function pairThrough({ a, b }: ThreeAgents, grants: string[] = []): Promise<void> {
  const { line } = await b.peering.invites.create({ relays: ["hub"], grants }, AbortSignal.timeout(20_000));
  await a.join(line, { grants });
  await a.connected("berlin");
  await b.connected("aachen");
}
