/** Requests that the CLI does not make: wrong ones, and ones about what is not there. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { createFairleadClient, type FairleadClient } from "../../../src/client/index.ts";
import { remoteApps } from "../../../src/kube/resources.ts";
import { type ApiWorld, startApi } from "./world.ts";

suite("requests to the API", { timeout: 60_000 }, () => {
  let world: ApiWorld;
  let client: FairleadClient;
  before(async () => {
    world = await startApi();
    client = createFairleadClient({ transport: world.transport, token: world.town.token });
  });
  after(() => world[Symbol.asyncDispose]());

  const ref = { namespace: "default", name: "shop" };
  const spec = { peer: "berlin", image: "nginx" };
  const item = { name: "berlin/web", hash: "a".repeat(64) };

  const wrong: [string, string, () => unknown][] = [
    ["no object", "ref", () => client.apps.getApp({})],
    [
      "a namespace that cannot be",
      "ref.namespace",
      () => client.apps.getApp({ ref: { namespace: "../x", name: "a" } }),
    ],
    ["no spec", "spec", () => client.apps.deployApp({ ref })],
    ["no image", "spec.image", () => client.apps.deployApp({ ref, spec: { peer: "berlin" } })],
    ["too many replicas", "spec.replicas", () => client.apps.deployApp({ ref, spec: { ...spec, replicas: 5000 } })],
    [
      "an unknown protocol",
      "app_protocol",
      () => client.apps.deployApp({ ref, spec: { ...spec, ports: [{ containerPort: 1, appProtocol: "sctp" }] } }),
    ],
    ["replicas below none", "replicas", () => client.apps.scaleApp({ ref, replicas: -1 })],
    ["no peer's name", "name", () => client.peers.getPeer({})],
    ["a grant that is none", "grants", () => client.peers.createInvite({ grants: ["everything"] })],
    ["an invite for a year", "lifetime_seconds", () => client.peers.createInvite({ lifetimeSeconds: 31_536_000n })],
    ["an invite that is too long", "invite", () => drain(client.peers.join({ invite: "x".repeat(10_000) }))],
    [
      "a grant for no time",
      "lasts_seconds",
      () => client.peers.updatePeer({ name: "berlin", grants: { values: ["apps"], lastsSeconds: { apps: 0n } } }),
    ],
    [
      "grants for eleven years",
      "grants_last_seconds",
      () => client.peers.createInvite({ grantsLastSeconds: 346_896_000n }),
    ],
    ["a decision without the hash", "hash", () => client.inbox.approveInboxItem({ name: "berlin/web" })],
    ["a reason that is too long", "message", () => client.inbox.denyInboxItem({ ...item, message: "x".repeat(1025) })],
    [
      "an approval for eleven years",
      "lasts_seconds",
      () => client.inbox.approveInboxItem({ ...item, lastsSeconds: 346_896_000n }),
    ],
    ["a verdict that is none", "verdict", () => client.audit.listAudit({ verdict: "maybe" })],
    ["more entries than are kept", "limit", () => client.audit.listAudit({ limit: 10_001 })],
    ["a time that is none", "no time", () => client.audit.listAudit({ since: "yesterday" })],
    ["a check of nothing", "spec", () => client.apps.checkApp({ peers: ["berlin"] })],
    ["lines before the first", "tail_lines", () => drain(client.pods.logs({ app: ref, tailLines: -1 }))],
  ];
  for (const [what, field, call] of wrong) {
    test(`${what} is INVALID_ARGUMENT and names ${field}`, async () => {
      const error = await failureOf(call);
      assert.equal(error.code, Code.InvalidArgument, error.message);
      assert.ok(error.message.includes(field), error.message);
    });
  }

  const missing: [string, () => unknown][] = [
    ["an app", () => client.apps.getApp({ ref })],
    ["an app to scale", () => client.apps.scaleApp({ ref, replicas: 2 })],
    ["an app to delete", () => client.apps.deleteApp({ ref })],
    ["an app to open", () => client.apps.openApp({ ref })],
    ["an app with logs", () => drain(client.pods.logs({ app: ref }))],
    ["a peer", () => client.peers.getPeer({ name: "berlin" })],
    ["a peer to change", () => client.peers.updatePeer({ name: "berlin", labels: { a: "b" } })],
    ["a peer to explain", () => client.policies.explainPolicy({ peer: "berlin" })],
    ["an item to see", () => client.inbox.getInboxItem({ name: "berlin/web" })],
    ["an item to approve", () => client.inbox.approveInboxItem(item)],
    ["an item to deny", () => client.inbox.denyInboxItem(item)],
    ["a peer to dial", () => client.peers.reconnectPeer({ name: "berlin" })],
    ["a peer to remove", () => client.peers.removePeer({ name: "berlin" })],
    ["an invite", () => client.peers.revokeInvite({ id: "none" })],
    ["a join", () => client.peers.decideJoin({ id: "none", accept: true })],
    ["an orphan", () => client.apps.deleteOrphan({ workload: ref })],
  ];
  for (const [what, call] of missing) {
    test(`${what} that is not there is NOT_FOUND`, async () => {
      const error = await failureOf(call);
      assert.equal(error.code, Code.NotFound, error.message);
    });
  }

  test("what the agent notes on an app cannot be set through the API", async () => {
    const annotations = { "fairlead.dev/held-by": "mallory", note: "mine" };
    await client.apps.deployApp({ ref: { ...ref, name: "noted" }, spec, annotations });
    const stored = await world.town.kube.client.get(remoteApps, { ...ref, name: "noted" }, AbortSignal.timeout(30_000));
    assert.equal(stored?.metadata.annotations?.note, "mine");
    assert.notEqual(stored?.metadata.annotations?.["fairlead.dev/held-by"], "mallory");
  });

  test("settings are told without secrets", async () => {
    const { settings } = await client.agent.listSettings({});
    assert.equal(settings.find(({ name }) => name === "name")?.value, "porto");
    assert.ok(!JSON.stringify(settings).includes(world.town.token));
  });
});

async function drain(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream);
}

async function failureOf(call: () => unknown): Promise<ConnectError> {
  try {
    await call();
  } catch (error) {
    return ConnectError.from(error);
  }
  throw new Error("it was accepted");
}
