/** Whom the things of each topic concern, and for which peers they are asked. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { systemClock } from "../../../src/base/clock.ts";
import { silentLog } from "../../../src/base/log.ts";
import type { Told } from "../../../src/console/watch/logged.ts";
import { type OwnSourcesDeps, ownSources } from "../../../src/console/watch/own-sources.ts";
import { Topic } from "../../../src/gen/fairlead/console/v1/watch_service_pb.ts";
import { type PeerPolicy, peerPolicies, type RemoteApp, remoteApps } from "../../../src/kube/resources.ts";
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
  return { apps, policies, told };
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
});
