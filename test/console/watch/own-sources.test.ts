/** Whom the things of each topic concern, and for which peers they are asked. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { systemClock } from "../../../src/base/clock.ts";
import { silentLog } from "../../../src/base/log.ts";
import type { Told } from "../../../src/console/watch/logged.ts";
import { type OwnSourcesDeps, ownSources } from "../../../src/console/watch/own-sources.ts";
import { Topic } from "../../../src/gen/fairlead/console/v1/watch_service_pb.ts";
import { type PeerPolicy, peerPolicies, type RemoteApp, remoteApps } from "../../../src/kube/resources.ts";
import type { HealthCheck } from "../../../src/telemetry/health.ts";
import { createFakeClock } from "../../base/fake-clock.ts";
import { Source } from "./watch-world.ts";

const nothing = { list: () => [], subscribe: () => () => undefined };

/** An agent in which there is nothing but what a test puts there. */
function createAgent(o: Partial<OwnSourcesDeps> = {}) {
  const apps = new Source<RemoteApp>();
  const policies = new Source<PeerPolicy>();
  const sources = ownSources({
    peers: new Source(),
    apps,
    policies,
    inbox: nothing,
    forwards: { ...nothing, list: async () => [] },
    invites: { ...nothing, list: async () => [] },
    notifications: nothing,
    orphans: nothing,
    orphansAtPeers: nothing,
    health: () => ({ checks: [] }),
    users: { list: () => [], get: () => undefined },
    tokens: { list: () => [], rolesOf: () => [] },
    sessions: nothing,
    kept: nothing,
    links: { peers: () => [], look: () => undefined, subscribe: nothing.subscribe },
    audit: nothing,
    clock: systemClock,
    log: silentLog,
    ...o,
  });
  /** What there is of a topic, by name. */
  async function told(topic: Topic): Promise<Map<string, Told>> {
    const found = new Map<string, Told>();
    const source = sources.find((one) => one.topic === topic);
    assert.ok(source, `nothing feeds ${topic}`);
    const end = source.feed({
      put: ({ name }, thing) => void (thing ? found.set(name, thing) : found.delete(name)),
      forget: ({ name }) => void found.delete(name),
      isWatched: true,
    });
    await source.synced(AbortSignal.timeout(10_000));
    end();
    return found;
  }
  return { apps, policies, sources, told };
}

suite("a thing that is watched", () => {
  test("is, of an app that a selector places, the agent's, and is asked for by the peers where it runs", async () => {
    const { apps, told } = createAgent();
    const set = (name: string, spec: object, peers: readonly string[]): void => {
      const status = { phase: "Ready", peers: peers.map((peer) => ({ peer })) };
      const metadata = { namespace: "shop", name };
      apps.set(`shop/${name}`, remoteApps.parse({ metadata, spec: { image: "fairlead.dev/echo:1", ...spec }, status }));
    };
    set("placed", { placement: { peers: { matchLabels: { tier: "edge" } } } }, ["east", "west"]);
    set("named", { peer: "east" }, ["east"]);
    set("moving", { peer: "east" }, ["west"]);
    const found = await told(Topic.APPS);
    const traits = [...found].map(([name, { peers, about }]) => [name, peers, about]);
    assert.deepEqual(traits, [
      ["placed", [""], ["east", "west"]],
      ["named", ["east"], ["east"]],
      ["moving", ["east", "west"], ["east", "west"]],
    ]);
  });

  test("is, of a policy, the agent's, and is asked for by the peers that it selects", async () => {
    const { policies, told } = createAgent();
    const metadata = { name: "some" };
    policies.set("system/some", peerPolicies.parse({ metadata, spec: {}, status: { peers: ["east"] } }));
    const some = (await told(Topic.POLICIES)).get("some");
    assert.deepEqual([some?.peers, some?.about], [[""], ["east"]]);
  });

  test("is, of the agent's parts, told again within a second when it becomes well or ill, and not as its work ages", async () => {
    const clock = createFakeClock();
    let check: HealthCheck = { name: "audit", ok: true, work: { oldestMs: 0, limitMs: 10 } };
    const { sources } = createAgent({ clock, health: () => ({ checks: [check] }) });
    const source = sources.find(({ topic }) => topic === Topic.HEALTH);
    const told: string[] = [];
    const end = source?.feed({
      put: (_ref, thing) => void told.push(JSON.stringify(thing?.now().value, ["ok", "problem"])),
      forget: () => undefined,
      isWatched: true,
    });
    await source?.synced(AbortSignal.timeout(10_000));
    const set = async (ok: boolean, oldestMs: number, problem = ""): Promise<void> => {
      check = { name: "audit", ok, problem, work: { oldestMs, limitMs: 10 } };
      await clock.advance(1_000);
    };
    await set(true, 5);
    await set(false, 11, "waits for 11 ms");
    await set(false, 12, "waits for 12 ms");
    await set(true, 0);
    end?.();
    assert.deepEqual(told, [
      '{"ok":true,"problem":""}',
      '{"ok":false,"problem":"waits for 11 ms"}',
      '{"ok":true,"problem":""}',
    ]);
    assert.equal(clock.timers, 0);
  });
});
