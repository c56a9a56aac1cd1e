/**
 * What peering promises of its stores in a cluster, the same for the sandbox and for a real API server. Each run works in
 * namespaces of its own and removes them.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { after, before, type TestContext, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { parse } from "yaml";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { SecretText } from "../../src/base/secret-text.ts";
import { PeerSpecSchema, PeerStatusSchema } from "../../src/gen/fairlead/resources/v1alpha1/peer_pb.ts";
import { loadIdentity } from "../../src/identity/identity.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { connectKube, type KubeConnection } from "../../src/kube/connect.ts";
import { checkDefinitions } from "../../src/kube/definitions.ts";
import type { JsonObject } from "../../src/kube/object.ts";
import { customResourceDefinitions, namespaces, peers, secrets } from "../../src/kube/resources.ts";
import { decodeInvite } from "../../src/peering/invite.ts";
import { createInvites } from "../../src/peering/invites.ts";
import { createKubeIdentityStore } from "../../src/peering/kube-identity-store.ts";
import { createKubeInviteStore } from "../../src/peering/kube-invite-store.ts";
import { createKubePeerStore } from "../../src/peering/kube-peer-store.ts";
import type { Peer, StoredPeer } from "../../src/peering/peer.ts";
import { createRoster } from "../../src/peering/roster.ts";
import { createMemoryStore } from "../identity/memory-store.ts";
import { patience, until } from "../patience.ts";
import { startAgentOn } from "./agents.ts";

const definitions = new URL("../../charts/fairlead/crds/", import.meta.url);

/** Declares the tests. */
export function testKubeStores(open: () => Promise<{ kubeconfig: string; close(): Promise<void> }>): void {
  const run = randomBytes(4).toString("hex");
  const used: string[] = [];
  let place: { close(): Promise<void> };
  let kube: KubeConnection;

  before(async () => {
    const opened = await open();
    place = opened;
    kube = await connectKube({ kubeconfig: opened.kubeconfig, clock: systemClock });
    for (const file of readdirSync(definitions)) {
      const json: JsonObject = parse(readFileSync(new URL(file, definitions), "utf8"));
      const definition = customResourceDefinitions.parse(json);
      await kube.client.apply(customResourceDefinitions, definition, { force: true }, patience());
    }
    const end = Date.now() + 20_000;
    for (;;) {
      const missing = await checkDefinitions(kube.requests, patience()).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (!missing) break;
      if (Date.now() > end) throw missing;
      await systemClock.sleep(50);
    }
  });

  after(async () => {
    for (const name of used) await kube.client.delete(namespaces, { name }, {}, patience());
    kube.close();
    await place.close();
  });

  async function openNamespace(): Promise<string> {
    const name = `peering-${run}-${used.length}`;
    used.push(name);
    await kube.client.create(namespaces, { metadata: { name } }, patience());
    return name;
  }

  async function openPeers(t: TestContext): Promise<{
    namespace: string;
    store: ReturnType<typeof createKubePeerStore>;
    told: Map<string, StoredPeer | undefined>;
  }> {
    const namespace = await openNamespace();
    const store = createKubePeerStore({ client: kube.client, namespace, clock: systemClock, log: silentLog });
    t.after(() => store.close());
    const told = new Map<string, StoredPeer | undefined>();
    store.watch((name, stored) => told.set(name, stored));
    await store.synced(patience());
    return { namespace, store, told };
  }

  async function makePeer(name: string, change: Partial<Peer> = {}): Promise<Peer> {
    const deps = { store: createMemoryStore(), clock: systemClock, log: silentLog };
    const { fingerprint, caPem, close } = await loadIdentity(deps, patience());
    close();
    return { name, fingerprint, caPem, labels: {}, grants: [], ...change };
  }

  test("an identity is made once, read back, and never replaced", async () => {
    const namespace = await openNamespace();
    const store = createKubeIdentityStore({ client: kube.client, namespace });
    assert.equal(await store.read(patience()), undefined);
    const deps = { store, clock: systemClock, log: silentLog };
    const both = await Promise.all([loadIdentity(deps, patience()), loadIdentity(deps, patience())]);
    assert.equal(both[0].fingerprint, both[1].fingerprint, "two starts at once make one");
    const again = await loadIdentity(deps, patience());
    assert.equal(again.fingerprint, both[0].fingerprint);
    const other = { caCertPem: "other", caKeyPem: new SecretText("other") };
    assert.equal(await store.create(other, patience()), "exists");
    assert.equal((await store.read(patience()))?.caCertPem, again.caPem);
    for (const identity of [...both, again]) identity.close();
  });

  test("a Secret of the identity's name that holds none stops the start, and is left alone", async () => {
    const namespace = await openNamespace();
    const metadata = { name: "fairlead-identity", namespace };
    await kube.client.create(secrets, { metadata, data: { "ca.crt": "eA==" } }, patience());
    const store = createKubeIdentityStore({ client: kube.client, namespace });
    await assert.rejects(store.read(patience()), /has no ca\.crt or no ca\.key/);
    const left = await kube.client.get(secrets, metadata, patience());
    assert.deepEqual(left?.data, { "ca.crt": "eA==" });
  });

  test("a namespace or API server that is not there makes no identity", async () => {
    const store = createKubeIdentityStore({ client: kube.client, namespace: `no-such-${run}` });
    const identity = { caCertPem: "x", caKeyPem: new SecretText("x") };
    await assert.rejects(store.create(identity, patience()), { name: "KubeError" });
  });

  test("an end of a grant or of an approval that is no time has passed, and the log says which", async (t) => {
    const namespace = await openNamespace();
    const remarks: unknown[] = [];
    const log = { ...silentLog, warn: (fields: unknown) => remarks.push(fields) };
    const { fingerprint, caPem } = await makePeer("berlin");
    const spec = create(PeerSpecSchema, {
      fingerprint,
      caCertificate: caPem,
      grants: ["apps", "deliveries", "kubectl", "tunnels"],
      grantsUntil: {
        apps: "tomorrow",
        deliveries: "2099",
        kubectl: "",
        tunnels: "2099-01-01T00:00:00Z",
        nonesuch: "x",
      },
    });
    await kube.client.create(peers, { metadata: { name: "berlin", namespace }, spec }, patience());
    const store = createKubePeerStore({ client: kube.client, namespace, clock: systemClock, log });
    t.after(() => store.close());
    const roster = createRoster({ store, clock: systemClock, log: silentLog });
    t.after(() => roster.close());
    await roster.synced(patience());
    const peer = await until("it is known", () => roster.get("berlin"));
    assert.deepEqual(peer.grants, ["tunnels"]);
    assert.deepEqual(peer.grantsUntil, { tunnels: Date.UTC(2099, 0, 1) });
    const said = JSON.stringify(remarks);
    for (const grant of ["apps", "deliveries", "kubectl"]) {
      assert.ok(said.includes(`spec.grantsUntil.${grant} is no time, so that this grant does not count`), said);
    }
    await roster.update("berlin", (known) => ({ ...known, labels: { tier: "edge" } }), patience());
    const stored = await kube.client.get(peers, { namespace, name: "berlin" }, patience());
    assert.deepEqual(stored?.spec.grants, ["tunnels"], "what is over is forgotten with the next change");
  });

  test("a peer is a resource: labels are its own, and what is written is told and read back", async (t) => {
    const { namespace, store, told } = await openPeers(t);
    const peer = await makePeer("berlin", {
      url: "wss://berlin.example.org/link",
      labels: { tier: "edge" },
      grants: ["apps", "tunnels"],
      outerTls: { rootCaPem: "pem", insecure: true },
      grantsUntil: { apps: Date.UTC(2030, 0, 1, 12, 0, 0, 250) },
      tunnelDecisions: [
        {
          target: "app/shop/web",
          verdict: "Approved",
          by: "ada",
          at: Date.UTC(2026, 0, 1),
          until: Date.UTC(2027, 0, 1),
        },
        { target: "kubernetes", verdict: "Denied", at: Date.UTC(2026, 0, 2), message: "Not this one." },
      ],
    });
    const written = await store.put({ peer }, undefined, patience());
    assert.deepEqual(written?.peer, peer);
    await until("it is told", () => told.get("berlin")?.version === written?.version);
    assert.deepEqual((await store.get("berlin", patience()))?.peer, peer);
    const resource = await kube.client.get(peers, { namespace, name: "berlin" }, patience());
    assert.deepEqual(resource?.metadata.labels, { tier: "edge" });
    assert.equal(resource?.spec.fingerprint, peer.fingerprint);
    await kube.client.delete(peers, { namespace, name: "berlin" }, {}, patience());
    await until("its end is told", () => told.has("berlin") && told.get("berlin") === undefined);
    assert.equal(await store.get("berlin", patience()), undefined);
  });

  test("of two that write a peer one is told that the other was first", async (t) => {
    const { store } = await openPeers(t);
    const peer = await makePeer("berlin");
    const first = await store.put({ peer }, undefined, patience());
    assert.equal(await store.put({ peer }, undefined, patience()), undefined, "it exists");
    const grants = { peer: { ...peer, grants: ["apps"] } };
    const second = await store.put(grants, first?.version, patience());
    assert.equal(second?.generation, (first?.generation ?? 0) + 1);
    assert.equal(await store.put({ peer }, first?.version, patience()), undefined, "it changed");
    assert.equal(await store.put({ peer: { ...peer, name: "none" } }, "1", patience()), undefined, "it is gone");
  });

  test("what others have put on a Peer stays, and its status is not its record", async (t) => {
    const { namespace, store, told } = await openPeers(t);
    const peer = await makePeer("berlin");
    await store.put({ peer }, undefined, patience());
    const note = { metadata: { annotations: { note: "mine" }, labels: { by: "kubectl" } } };
    await kube.client.mergePatch(peers, { namespace, name: "berlin" }, note, patience());
    await until("the label is told", () => told.get("berlin")?.peer.labels.by === "kubectl");
    const status = create(PeerStatusSchema, { words: "a-b-c-d", link: { state: "Connected" } });
    store.writeStatus("berlin", status);
    await until("the words are told", () => told.get("berlin")?.words === "a-b-c-d");
    const stored = await store.get("berlin", patience());
    assert.ok(stored);
    const removal = { at: Date.UTC(2026, 10, 21, 1, 2, 3, 456), workloads: "Delete", forced: true } as const;
    const removed = await store.put({ peer: stored.peer, removal }, stored.version, patience());
    assert.deepEqual(removed?.removal, removal);
    const resource = await kube.client.get(peers, { namespace, name: "berlin" }, patience());
    assert.equal(resource?.metadata.annotations?.note, "mine");
    assert.equal(resource?.status?.words, "a-b-c-d");
  });

  test("a Peer whose certificate is another's is not used", async (t) => {
    const { namespace, store, told } = await openPeers(t);
    const [peer, other] = [await makePeer("berlin"), await makePeer("other")];
    await store.put({ peer }, undefined, patience());
    await until("it is told", () => told.get("berlin"));
    const patch = { spec: { caCertificate: other.caPem } };
    await kube.client.mergePatch(peers, { namespace, name: "berlin" }, patch, patience());
    await until("it is used no more", () => told.has("berlin") && told.get("berlin") === undefined);
    await assert.rejects(store.get("berlin", patience()), { code: "precondition", message: /cannot be used/ });
  });

  test("a roster over it never tells of an older record than the one that it wrote", async (t) => {
    const namespace = await openNamespace();
    let gate = Promise.resolve();
    const client: KubeClient = {
      ...kube.client,
      async *watch(kind, options, signal) {
        for await (const event of kube.client.watch(kind, options, signal)) {
          await gate;
          yield event;
        }
      },
    };
    const store = createKubePeerStore({ client, namespace, clock: systemClock, log: silentLog });
    t.after(() => store.close());
    const roster = createRoster({ store, clock: systemClock, log: silentLog });
    t.after(() => roster.close());
    await roster.synced(patience());
    await roster.add(await makePeer("berlin"), {}, patience());
    await until("its status can be written", () => roster.get("berlin"));

    const grants: string[] = [];
    roster.subscribe(({ after: now }) => grants.push(now?.grants.join() ?? "gone"));
    // The news is late: the status is written, then the record, and only then does the watch tell of both.
    const late = Promise.withResolvers<void>();
    gate = late.promise;
    const metadata = { namespace, name: "berlin" };
    const status = create(PeerStatusSchema, { words: "a-b-c-d" });
    await kube.client.applyStatus(peers, { metadata, status }, { force: true }, patience());
    await roster.update("berlin", (peer) => ({ ...peer, grants: ["apps"] }), patience());
    late.resolve();
    const told = new Set<string>();
    store.watch((name) => told.add(name));
    // What comes later is told later: once this is told, so is everything before it.
    await store.put({ peer: await makePeer("last") }, undefined, patience());
    await until("the last one is told", () => told.has("last"));
    assert.deepEqual(grants, ["", "apps", ""]);
    assert.deepEqual(roster.get("berlin")?.grants, ["apps"]);
  });

  test("an invite is a Secret without its token, which one of two redeems", async () => {
    const namespace = await openNamespace();
    const store = createKubeInviteStore({ client: kube.client, namespace });
    const invites = createInvites({
      store,
      clock: systemClock,
      log: silentLog,
      audit: { record: () => undefined },
      fingerprint: "ab".repeat(32),
      name: "aachen",
      url: "ws://aachen/link",
      relay: () => {
        throw new Error("no relay");
      },
      nameState: () => "free",
    });
    const { record, line } = await invites.create({ grants: ["apps"], labels: { tier: "edge" } }, patience());
    assert.deepEqual(
      (await invites.list(patience())).map(({ id }) => id),
      [record.id],
    );
    const { items } = await kube.client.list(
      secrets,
      { namespace, labelSelector: "fairlead.dev/invite=true" },
      patience(),
    );
    assert.equal(items.length, 1);
    const { token } = decodeInvite(line);
    const kept = Buffer.from(items[0]?.data?.["invite.json"] ?? "", "base64").toString();
    assert.ok(kept.includes(record.tokenHash) && !kept.includes(token.reveal()));

    const claim = (fingerprint: string): ReturnType<typeof invites.redeem> => {
      const claimant = { fingerprint, name: "joiner", words: "a-b-c-d", at: systemClock.now() };
      return invites.redeem(token, claimant, { isPeer: false }, patience());
    };
    const outcomes = await Promise.all([claim("f1"), claim("f2"), claim("f3")]);
    assert.equal(outcomes.filter(({ ok }) => ok).length, 1);
    await invites.revoke(record.id, patience());
    assert.deepEqual(await invites.list(patience()), []);
    await store.delete(record.id, patience());
    await store.delete(record.id, patience());
    assert.equal(await store.get(record.id, patience()), undefined);
  });

  test("two agents whose peers, invites and identities are in a cluster pair, and their Peers say so", async (t) => {
    const sides = await Promise.all(
      ["aachen", "berlin"].map(async (name) => {
        const { namespace, store } = await openPeers(t);
        const invites = createKubeInviteStore({ client: kube.client, namespace });
        const identity = createKubeIdentityStore({ client: kube.client, namespace });
        return { namespace, agent: await startAgentOn(t, { name }, { identity, peers: store, invites }) };
      }),
    );
    const [a, b] = sides;
    assert.ok(a && b);
    await b.agent.join(await a.agent.invite({ grants: ["apps"] }));
    for (const [side, other] of [
      [a, "berlin"],
      [b, "aachen"],
    ] as const) {
      await side.agent.connected(other);
      const ref = { namespace: side.namespace, name: other };
      const end = Date.now() + 20_000;
      let status = (await kube.client.get(peers, ref, patience()))?.status;
      while (status?.link?.state !== "Connected" || status.facts.architecture !== "test") {
        if (Date.now() > end) assert.fail(JSON.stringify(status));
        await systemClock.sleep(50);
        status = (await kube.client.get(peers, ref, patience()))?.status;
      }
      assert.match(status.words ?? "", /^\w+-\w+-\w+-\w+$/);
      assert.equal(status.observedGeneration, 1);
    }
  });
}
