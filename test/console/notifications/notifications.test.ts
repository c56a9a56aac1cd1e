import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { silentLog } from "../../../src/base/log.ts";
import type { NotificationStore } from "../../../src/console/notifications/kube-notification-store.ts";
import { type Cause, emptyLedger, type Ledger } from "../../../src/console/notifications/ledger.ts";
import { createNotifications } from "../../../src/console/notifications/notifications.ts";
import { createFakeClock } from "../../base/fake-clock.ts";

/** A store that can be away, and that somebody else can write. */
function fakeStore() {
  const kept = { ledger: emptyLedger as Ledger, version: 0, isAway: false, writes: 0 };
  const store: NotificationStore = {
    async read() {
      if (kept.isAway) throw new Error("away");
      return { ledger: kept.ledger, version: kept.version === 0 ? undefined : String(kept.version) };
    },
    async write(ledger, version) {
      if (kept.isAway) throw new Error("away");
      if (version !== (kept.version === 0 ? undefined : String(kept.version))) return undefined;
      kept.ledger = ledger;
      kept.version += 1;
      kept.writes += 1;
      return String(kept.version);
    },
  };
  return { kept, store };
}

function open(t: TestContext, { kept, store } = fakeStore()) {
  const clock = createFakeClock();
  const world = { causes: [] as Cause[], change: (): void => assert.fail("nobody listens"), ended: 0 };
  const notifications = createNotifications({
    store,
    ready: async () => undefined,
    causes: () => world.causes,
    sources: [
      (listener) => {
        world.change = listener;
        return () => {
          world.ended += 1;
        };
      },
    ],
    clock,
    log: silentLog,
  });
  t.after(() => notifications.close());
  const outline = (): string[] =>
    notifications.list().map(({ key, resolvedAt }) => `${key}${resolvedAt === undefined ? "" : " over"}`);
  return { clock, kept, world, notifications, outline };
}

function cause(key: string): Cause {
  const what = { kind: "Component", severity: "Problem", message: "", about: { component: key }, peers: [] } as const;
  return { key, summary: key, dueAt: 0, ...what };
}

test("what comes is told within a second and kept, with who has seen it", async (t) => {
  const { clock, kept, world, notifications, outline } = open(t);
  let heard = 0;
  const end = notifications.subscribe(() => {
    heard += 1;
  });
  await clock.advance(0);
  world.causes = [cause("a")];
  world.change();
  await clock.advance(1_000);
  assert.deepEqual(outline(), ["a"]);
  assert.equal(heard, 1);
  assert.equal(notifications.acknowledge(["n1", "n2"], "ada"), 1);
  assert.equal(notifications.acknowledge(["n1"], "ada"), 0);
  end();
  await clock.advance(2_000);
  assert.deepEqual(kept.ledger.notifications[0]?.acknowledged[0]?.name, "ada");
  assert.equal(heard, 2);
  assert.ok(kept.writes <= 2);
  world.causes = [];
  await clock.advance(40_000);
  assert.deepEqual(outline(), ["a over"]);
});

test("what was kept is there after a start, and not taken to be over before all can be known", async (t) => {
  const first = open(t);
  await first.clock.advance(0);
  first.world.causes = [cause("a")];
  await first.clock.advance(10_000);
  await first.notifications.close();
  assert.equal(first.world.ended, 1);
  const { kept } = first;
  const store: NotificationStore = {
    read: async () => ({ ledger: kept.ledger, version: "1" }),
    write: async () => "2",
  };
  const second = open(t, { kept, store });
  await second.clock.advance(29_000);
  assert.deepEqual(second.outline(), ["a"]);
  await second.clock.advance(10_000);
  assert.deepEqual(second.outline(), ["a over"]);
});

test("nothing is written over what could not be read, and it is read when that is possible", async (t) => {
  const stored = fakeStore();
  stored.kept.isAway = true;
  const { clock, kept, world, outline } = open(t, stored);
  world.causes = [cause("b")];
  await clock.advance(60_000);
  assert.deepEqual([outline(), kept.writes], [[], 0]);
  kept.isAway = false;
  await clock.advance(60_000);
  assert.deepEqual(outline(), ["b"]);
  assert.equal(kept.writes, 1);
});

test("what somebody else has written meanwhile is written over once it was seen, and the last is kept at the end", async (t) => {
  const { clock, kept, world, notifications } = open(t);
  await clock.advance(0);
  kept.version = 7;
  world.causes = [cause("a")];
  await clock.advance(60_000);
  assert.deepEqual([kept.version, kept.ledger.notifications.length], [8, 1]);
  notifications.acknowledge(["n1"], "ada");
  await notifications.close();
  assert.equal(kept.ledger.notifications[0]?.acknowledged.length, 1);
});
