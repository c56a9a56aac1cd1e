import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { createClient, createRouterTransport } from "@connectrpc/connect";
import { createNotificationService } from "../../../src/console/api/notification-service.ts";
import type { Principal } from "../../../src/console/auth/principal.ts";
import { createKubeNotificationStore } from "../../../src/console/notifications/kube-notification-store.ts";
import {
  acknowledge,
  type Cause,
  emptyLedger,
  isAcknowledged,
  keepLedger,
} from "../../../src/console/notifications/ledger.ts";
import { Role } from "../../../src/gen/fairlead/console/v1/access_pb.ts";
import {
  Notification_Kind as Kind,
  NotificationService,
  type Notification as Told,
} from "../../../src/gen/fairlead/console/v1/notification_service_pb.ts";
import { Topic, type WatchResponse } from "../../../src/gen/fairlead/console/v1/watch_service_pb.ts";
import { PeerSpecSchema } from "../../../src/gen/fairlead/resources/v1alpha1/peer_pb.ts";
import { configMaps, peers } from "../../../src/kube/resources.ts";
import { newAuthority } from "../../identity/forge-chain.ts";
import { patience, until } from "../../patience.ts";
import { calledBy, person } from "../people.ts";
import { testListing } from "./test-listing.ts";
import { startApi } from "./world.ts";

const common = { severity: "Problem", message: "why", dueAt: 0 } as const;
const causes: Cause[] = [
  { ...common, key: "a", kind: "LinkDown", summary: "no link to west", about: { peer: "west" }, peers: ["west"] },
  {
    ...common,
    key: "b",
    kind: "AppFailing",
    summary: "shop/web",
    about: { app: { namespace: "shop", name: "web" } },
    peers: ["west", "east"],
  },
  { ...common, key: "c", kind: "Audit", summary: "audit", about: { component: "audit" }, peers: [] },
  {
    ...common,
    key: "d",
    kind: "Inbox",
    severity: "Warning",
    summary: "held",
    about: { inboxItem: "east/x" },
    peers: ["east"],
  },
];

/** The calls of each person on the same notifications. */
function openService() {
  let ledger = keepLedger(emptyLedger, causes, 5_000);
  const deps = {
    list: () => ledger.notifications,
    acknowledge(ids: readonly string[], name: string) {
      const before = ledger;
      ledger = acknowledge(ledger, new Set(ids), name, 9_000);
      return ledger.notifications.filter((one, at) => one !== before.notifications[at]).length;
    },
  };
  return (principal: Principal) =>
    createClient(
      NotificationService,
      createRouterTransport(
        (router) => void router.service(NotificationService, createNotificationService(deps, testListing)),
        {
          router: { interceptors: [calledBy(principal)] },
        },
      ),
    );
}

const ada = person("ada", [{ role: Role.VIEWER, peers: "all" }]);
const ben = person("ben", [{ role: Role.VIEWER, peers: ["west"] }]);

suite("the service of notifications", () => {
  test("shows each what is within their peers, with the cause to go to", async () => {
    const as = openService();
    const { notifications: all, totalSize } = await as(ada).listNotifications({ orderBy: "rank desc, id" });
    assert.deepEqual(
      all.map(({ cause }) => cause.case),
      ["peer", "app", "component", "inboxItem"],
    );
    assert.equal(totalSize, 4);
    const { $typeName: _, cause, ...told } = all[0] ?? assert.fail();
    assert.equal(cause.value, "west");
    const at = "1970-01-01T00:00:00.000Z";
    const words = { kind: Kind.LINK_DOWN, severity: 3, summary: "no link to west", message: "why", peers: ["west"] };
    assert.deepEqual(told, { id: "n1", ...words, firstAt: at, lastAt: at, count: 1, resolvedAt: "", acknowledged: [] });
    const { notifications: some } = await as(ben).listNotifications({});
    assert.deepEqual(
      some.map(({ id }) => id),
      ["n1"],
    );
  });

  test("each acknowledges what they see, for themselves", async () => {
    const as = openService();
    assert.equal((await as(ben).acknowledgeNotifications({ until: new Date(5_000).toISOString() })).acknowledged, 1);
    assert.equal((await as(ben).acknowledgeNotifications({ ids: ["n2", "n3"] })).acknowledged, 0);
    assert.equal((await as(ada).listNotifications({ unacknowledged: true })).totalSize, 4);
    assert.equal((await as(ben).listNotifications({ unacknowledged: true })).totalSize, 0);
    assert.equal((await as(ada).acknowledgeNotifications({ ids: ["n1", "n4", "n9"] })).acknowledged, 2);
    const { notifications } = await as(ada).listNotifications({ fieldSelector: "kind=LinkDown" });
    assert.deepEqual(
      notifications[0]?.acknowledged.map(({ name }) => name),
      ["ben", "ada"],
    );
  });
});

test("whoever acknowledges all that they have been shown does so for nothing that came after it", async () => {
  let now = 5_000;
  let ledger = keepLedger(emptyLedger, causes.slice(0, 2), now);
  const service = createNotificationService(
    {
      list: () => ledger.notifications,
      acknowledge(ids, name) {
        const known = ledger.notifications.filter((one) => ids.includes(one.id) && !isAcknowledged(one, name));
        ledger = acknowledge(ledger, new Set(ids), name, now);
        return known.length;
      },
    },
    testListing,
  );
  const transport = createRouterTransport((router) => void router.service(NotificationService, service), {
    router: { interceptors: [calledBy(ada)] },
  });
  const client = createClient(NotificationService, transport);
  const { notifications: shown } = await client.listNotifications({});
  const until = shown[0]?.lastAt ?? "";
  now = 6_000;
  const later = causes.slice(2).map((cause) => ({ ...cause, dueAt: now }));
  ledger = keepLedger(ledger, [...causes.slice(0, 2), ...later], now);
  assert.equal((await client.acknowledgeNotifications({ until })).acknowledged, 2);
  assert.equal((await client.acknowledgeNotifications({ until })).acknowledged, 0, "once more changes nothing");
  assert.equal((await client.listNotifications({ unacknowledged: true })).totalSize, 2);
  await assert.rejects(client.acknowledgeNotifications({ until: "yesterday" }), /"yesterday" is no time/);
});

test("notifications are kept in one ConfigMap, of which nothing foreign is believed", async (t) => {
  const world = await startApi();
  t.after(() => world[Symbol.asyncDispose]());
  const { client } = world.town.kube;
  const namespace = "default";
  const store = createKubeNotificationStore({ client, namespace });
  assert.deepEqual(await store.read(patience()), { ledger: emptyLedger, version: undefined });
  const ledger = keepLedger(emptyLedger, causes, 5_000);
  const version = await store.write(ledger, undefined, patience());
  assert.deepEqual(await store.read(patience()), { ledger, version });
  assert.equal(await store.write(ledger, undefined, patience()), undefined, "it is there already");
  const next = await store.write(emptyLedger, version, patience());
  assert.equal(await store.write(ledger, version, patience()), undefined, "it is of another version by now");
  const ref = { namespace, name: "fairlead-notifications" };
  for (const text of [
    "no json",
    "{}",
    '{"form":2,"next":1,"notifications":[]}',
    '{"form":1,"next":"x","notifications":[]}',
  ]) {
    await client.mergePatch(configMaps, ref, { data: { "notifications.json": text } }, patience());
    assert.deepEqual((await store.read(patience())).ledger, emptyLedger);
  }
  await client.delete(configMaps, ref, {}, patience());
  assert.equal(await store.write(ledger, next, patience()), undefined, "it is gone");
});

test("who watches hears of a peer that has come, and it is listed and kept", async (t) => {
  const world = await startApi();
  t.after(() => world[Symbol.asyncDispose]());
  const { kube, client } = world.town;
  const namespace = (await client.agent.getInfo({})).namespace;
  const signal = patience();
  const changes = client.watch.watch({ topics: [{ topic: Topic.NOTIFICATIONS }] }, { signal });
  const { fingerprint, certPem: caCertificate } = newAuthority(Date.now());
  const spec = create(PeerSpecSchema, { fingerprint, caCertificate });
  await kube.client.create(peers, { metadata: { namespace, name: "west" }, spec }, signal);
  const heard = await firstNotification(changes);
  assert.deepEqual([heard.summary, heard.cause], ["west has joined", { case: "peer", value: "west" }]);
  const { notifications } = await client.notifications.listNotifications({ fieldSelector: "peer=west" });
  assert.equal(notifications[0]?.id, heard.id);
  const ref = { namespace, name: "fairlead-notifications" };
  await until("it is kept", () => kube.client.get(configMaps, ref, signal));
});

async function firstNotification(answers: AsyncIterable<WatchResponse>): Promise<Told> {
  for await (const { changes } of answers) {
    for (const { now } of changes) if (now.case === "notification") return now.value;
  }
  return assert.fail("the watch ended");
}
