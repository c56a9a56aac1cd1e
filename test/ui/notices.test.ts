/** What needs somebody: what is told on the overview, and what in a corner. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Signal } from "signal-polyfill";
import {
  Notification_Kind as Kind,
  NotificationSchema,
  Notification_Severity as Severity,
} from "../../src/gen/fairlead/console/v1/notification_service_pb.ts";
import { type Notice, pressing, toNotice } from "../../ui/src/model/notices.ts";
import { announceNews } from "../../ui/src/state/news.ts";
import { Toasts } from "../../ui/src/state/toasts.ts";
import { createFakeClock } from "../base/fake-clock.ts";

function notice(id: string, more: MessageInitShape<typeof NotificationSchema> = {}): Notice {
  const usual = {
    id,
    severity: Severity.PROBLEM,
    kind: Kind.APP_FAILING,
    summary: `${id} fails`,
    lastAt: "2026-01-01T00:00:00Z",
  };
  return toNotice(create(NotificationSchema, { ...usual, ...more }), "ana");
}

test("what is pressing is there now and wants somebody: the gravest first, then the latest", () => {
  const notices = [
    notice("waits", { kind: Kind.INBOX, severity: Severity.WARNING }),
    notice("old"),
    notice("new", { lastAt: "2026-01-02T00:00:00Z" }),
    notice("refused", { kind: Kind.APP_REFUSED }),
    notice("over", { resolvedAt: "2026-01-01T01:00:00Z" }),
    notice("joined", { kind: Kind.PEER_JOINED, severity: Severity.INFO }),
  ];
  assert.deepEqual(
    pressing(notices).map(({ id }) => id),
    ["refused", "new", "old", "waits"],
  );
});

test("it is unread for who has not acknowledged it, whoever else has", () => {
  assert.equal(notice("a", { acknowledged: [{ name: "ben" }] }).isUnread, true);
  assert.equal(notice("a", { acknowledged: [{ name: "ben" }, { name: "ana" }] }).isUnread, false);
});

test("it leads to its cause where the console has a page for it", () => {
  const app = notice("a", { cause: { case: "app", value: { namespace: "shop", name: "web" } } });
  assert.equal(app.way?.href, "/apps?app=shop%2Fweb");
  assert.equal(notice("a", { cause: { case: "peer", value: "oslo" } }).way?.href, "/apps?peer=oslo");
  assert.equal(notice("a", { cause: { case: "component", value: "audit" } }).way, undefined);
});

test("only what is new since somebody looks is told in the corner, once, and again when it is graver", async () => {
  const notices = new Signal.State<readonly Notice[]>([]);
  const synced = new Signal.State(false);
  const toasts = new Toasts(createFakeClock());
  const live = {
    get isSynced() {
      return synced.get();
    },
  };
  const end = announceNews({ live, notices, toasts, isShown: ({ id }) => id === "open" });
  const told = async () => {
    await turn();
    return toasts.list().map(({ title, tone }) => `${title} ${tone}`);
  };
  notices.set([notice("there")]);
  synced.set(true);
  assert.deepEqual(await told(), []);
  notices.set([notice("there"), notice("new"), notice("open"), notice("seen", { acknowledged: [{ name: "ana" }] })]);
  assert.deepEqual(await told(), ["new fails degraded"]);
  notices.set([notice("there"), notice("new", { message: "more" })]);
  assert.equal((await told()).length, 1);
  notices.set([notice("there"), notice("new", { kind: Kind.APP_REFUSED })]);
  assert.deepEqual((await told()).at(-1), "new fails failed");
  end();
  notices.set([notice("later")]);
  assert.equal((await told()).length, 2);
});

test("news in the corner go by themselves, but not while somebody reads; what failed stays; there are two at most", async () => {
  const clock = createFakeClock();
  const toasts = new Toasts(clock);
  const titles = (): string[] => toasts.list().map(({ title }) => title);
  for (const title of ["a", "b"]) toasts.add({ tone: "ok", title, text: "" });
  toasts.add({ tone: "failed", stays: true, title: "c", text: "" });
  assert.deepEqual(titles(), ["b", "c"]);
  toasts.hold();
  await clock.advance(60_000);
  assert.deepEqual(titles(), ["b", "c"]);
  toasts.release();
  await clock.advance(10_000);
  assert.deepEqual(titles(), ["c"]);
  toasts.dismiss(toasts.list()[0]?.id ?? 0);
  assert.deepEqual(titles(), []);
});
