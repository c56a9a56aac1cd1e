/** Every topic of a real agent: what happens in its rooms is told by one watch of all. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { agentNamespace } from "../../../src/demo/town.ts";
import { Role } from "../../../src/gen/fairlead/console/v1/access_pb.ts";
import { type Change, Topic } from "../../../src/gen/fairlead/console/v1/watch_service_pb.ts";
import { forwards, peerPolicies } from "../../../src/kube/resources.ts";
import { startWorld, type World } from "../../cli/world.ts";
import { until } from "../../patience.ts";

const signal = AbortSignal.timeout(120_000);

suite("one watch of an agent tells", { timeout: 120_000 }, () => {
  const told: Change[] = [];
  const stop = new AbortController();
  let world: World;
  let watching: Promise<void>;
  let isSynced = false;
  before(async () => {
    world = await startWorld();
    const watch = world.lisbon.client.watch.watch({}, { signal: stop.signal });
    watching = (async () => {
      for await (const said of watch) {
        told.push(...said.changes);
        isSynced ||= said.isSynced;
      }
    })().catch(() => undefined);
    await until("the present state is whole", () => isSynced);
  });
  after(async () => {
    stop.abort();
    await watching;
    await world[Symbol.asyncDispose]();
  });

  /** The change of this thing that suits. */
  function hear(topic: Topic, name: string, suits: (change: Change) => boolean): Promise<Change> {
    return until(
      `${topic} ${name}`,
      () => told.find((change) => change.topic === topic && change.name === name && suits(change)),
      { seen: () => told.map((change) => `${change.topic} ${change.name} ${change.gone}`) },
    );
  }

  test("apps as they come and go", async () => {
    const { apps } = world.lisbon.client;
    const ref = { namespace: "default", name: "web" };
    await apps.deployApp({ ref, spec: { peer: "nobody", image: "fairlead.dev/echo:1" } });
    await hear(Topic.APPS, "web", ({ now }) => now.case === "app" && now.value.status?.phase === "Pending");
    await apps.deleteApp({ ref });
    await hear(Topic.APPS, "web", ({ gone }) => gone);
  });

  test("policies as somebody writes them with kubectl, and their status", async () => {
    const { client } = world.lisbon.kube;
    const ref = { namespace: agentNamespace, name: "some" };
    await client.create(peerPolicies, peerPolicies.parse({ metadata: ref, spec: { peers: { names: ["x"] } } }), signal);
    await hear(Topic.POLICIES, "some", ({ now }) => now.case === "policy" && now.value.spec !== undefined);
    await client.delete(peerPolicies, ref, {}, signal);
    await hear(Topic.POLICIES, "some", ({ gone }) => gone);
  });

  test("forwards and what becomes of them", async () => {
    const { client } = world.lisbon.kube;
    const ref = { namespace: "default", name: "db" };
    const spec = { peer: "nobody", target: "service/shop/db", ports: [{ name: "pg", port: 5432 }] };
    await client.create(forwards, forwards.parse({ metadata: ref, spec }), signal);
    const isStated = ({ now }: Change): boolean => now.case === "forward" && now.value.status?.phase !== undefined;
    const { namespace } = await hear(Topic.FORWARDS, "db", isStated);
    assert.equal(namespace, "default");
    await client.delete(forwards, ref, {}, signal);
    await hear(Topic.FORWARDS, "db", ({ gone }) => gone);
  });

  test("invites from when they are made until they are withdrawn or their time is over", async () => {
    const { peers } = world.lisbon.client;
    const make = async (lifetimeSeconds: bigint): Promise<string> => {
      const { invite } = await peers.createInvite({ name: "there", url: "ws://127.0.0.1:9/link", lifetimeSeconds });
      return invite?.id ?? "";
    };
    const withdrawn = await make(0n);
    const short = await make(1n);
    await hear(Topic.INVITES, withdrawn, ({ now }) => now.case === "invite" && now.value.name === "there");
    await peers.revokeInvite({ id: withdrawn });
    await hear(Topic.INVITES, withdrawn, ({ gone }) => gone);
    await hear(Topic.INVITES, short, ({ gone }) => gone);
  });

  test("peers, and links that come and go", async () => {
    const { line } = await world.lisbon.client.peers.createInvite({ name: "berlin" });
    for await (const _step of world.berlin.client.peers.join({ invite: line, name: "lisbon" })) {
      // Until the two are paired.
    }
    await hear(
      Topic.PEERS,
      "berlin",
      ({ now }) => now.case === "peer" && now.value.status?.link?.state === "Connected",
    );
    const isConnected = ({ now }: Change): boolean => now.case === "link" && now.value.state === "Connected";
    await hear(Topic.LINKS, "berlin", isConnected);
    await world.lisbon.client.peers.removePeer({ name: "berlin" });
    await hear(Topic.LINKS, "berlin", ({ gone }) => gone);
    await hear(Topic.PEERS, "berlin", ({ gone }) => gone);
  });

  test("users and tokens, as they are made and end", async () => {
    const { access } = world.lisbon.client;
    const roles = [{ role: Role.VIEWER, allPeers: true }];
    await access.createUser({ name: "ann", roles });
    await hear(Topic.USERS, "ann", ({ now }) => now.case === "user" && now.value.mustChangePassword);
    const { token } = await access.createToken({ name: "ci", roles });
    const id = token?.id ?? "";
    const { now } = await hear(Topic.TOKENS, id, () => true);
    assert.deepEqual(now, { case: "token", value: token });
    await access.revokeToken({ token: id });
    await access.deleteUser({ name: "ann" });
    await hear(Topic.TOKENS, id, ({ gone }) => gone);
    await hear(Topic.USERS, "ann", ({ gone }) => gone);
  });

  test("each part of the agent, and that it is well", async () => {
    const { components } = await world.lisbon.client.agent.getHealth({});
    for (const { name } of components) {
      await hear(Topic.HEALTH, name, ({ now }) => now.case === "component" && now.value.ok);
    }
  });

  test("the audit as it is written, each entry as the list has it", async () => {
    const { entries } = await world.lisbon.client.audit.listAudit({ action: "invite.create" });
    assert.ok(entries.length > 0);
    for (const entry of entries) {
      const { now } = await hear(Topic.AUDIT, String(entry.sequence), () => true);
      assert.deepEqual(now, { case: "auditEntry", value: entry });
    }
  });
});
