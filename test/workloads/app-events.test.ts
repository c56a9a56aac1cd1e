import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLog as log } from "../../src/base/log.ts";
import type { JsonObject } from "../../src/kube/object.ts";
import { type Event, events, namespaces } from "../../src/kube/resources.ts";
import { appEvents, happeningOf, workloadsIn } from "../../src/workloads/host/app-events.ts";
import { createEventBook } from "../../src/workloads/host/event-book.ts";
import { objectName } from "../../src/workloads/host/names.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { createCluster } from "./cluster.ts";

const web = "web-0123456789";

let made = 0;

function event(o: { about?: string; kind?: string; at?: string; first?: string; count?: number } & JsonObject): Event {
  const { about = `${web}-7d4f9c8b6d-x2x`, kind = "Pod", at = "2026-01-01T12:00:00Z", first = at, count, ...rest } = o;
  made += 1;
  return JSON.parse(
    JSON.stringify({
      metadata: { name: `e-${made}`, namespace: "fairlead-peer-tokyo", creationTimestamp: first },
      type: "Normal",
      reason: "Started",
      note: "Started container app",
      regarding: { kind, name: about, namespace: "fairlead-peer-tokyo" },
      deprecatedFirstTimestamp: first,
      deprecatedLastTimestamp: at,
      ...(count ? { deprecatedCount: count } : {}),
      ...rest,
    }),
  );
}

const told = (...list: Event[]) =>
  appEvents(list.map(happeningOf)).map((each) => JSON.parse(JSON.stringify({ ...each, $typeName: undefined })));

test("an Event is told in a status' words, whoever wrote it", () => {
  const old = event({ type: "Warning", reason: "BackOff", note: "Back-off", count: 7, first: "2026-01-01T11:00:00Z" });
  assert.deepEqual(told(old), [
    {
      type: "Warning",
      reason: "BackOff",
      message: "Back-off",
      object: `Pod ${web}-7d4f9c8b6d-x2x`,
      count: 7,
      firstAt: "2026-01-01T11:00:00Z",
      lastAt: "2026-01-01T12:00:00Z",
    },
  ]);
  const young: Event = JSON.parse(
    JSON.stringify({
      metadata: { name: "n", creationTimestamp: "2026-01-01T11:00:00Z" },
      eventTime: "2026-01-01T11:00:00.123456Z",
      series: { count: 3, lastObservedTime: "2026-01-01T11:30:00.000000Z" },
      reason: "Scheduled",
      regarding: { kind: "Pod", name: `${web}-0` },
    }),
  );
  const [one] = told(young);
  assert.deepEqual(
    [one.type, one.count, one.firstAt, one.lastAt],
    ["Normal", 3, "2026-01-01T11:00:00Z", "2026-01-01T11:30:00Z"],
  );
});

test("what is said alike of several objects is one, about the one that it was said of last", () => {
  const pods = ["a", "b", "c"].map((name, index) =>
    event({ about: `${web}-7d4f9c8b6d-${name}`, at: `2026-01-01T12:0${index}:00Z` }),
  );
  const all = told(...pods, event({ reason: "Pulled", note: "pulled" }));
  assert.deepEqual(
    all.map(({ reason, object, count }) => [reason, object, count]),
    [
      ["Started", `Pod ${web}-7d4f9c8b6d-c`, 3],
      ["Pulled", `Pod ${web}-7d4f9c8b6d-x2x`, 1],
    ],
  );
  assert.deepEqual([all[0].firstAt, all[0].lastAt], ["2026-01-01T12:00:00Z", "2026-01-01T12:02:00Z"]);
});

test("only so many are told, the latest, and each is short and of one line", () => {
  const many = Array.from({ length: 500 }, (_, index) =>
    event({
      note: `${index}\u001b[31m\n${"x".repeat(10_000)}`,
      reason: "y".repeat(5_000),
      at: new Date(Date.UTC(2026, 0, 1) + index * 1_000).toISOString(),
    }),
  );
  const some = told(...many);
  assert.equal(some.length, 20);
  assert.match(some[0].message, /^499 \[31m x+…$/);
  assert.ok(Buffer.byteLength(JSON.stringify(some)) < 20_000);
});

test("whose an Event is, is told by the name of what it is about", () => {
  const name = objectName({ namespace: "shop", name: "web.of-all", uid: "u" });
  for (const about of [
    name,
    `${name}-7f9c8d6b5`,
    `${name}-7f9c8d6b5-x2x`,
    `${name}-0`,
    `${name}-29384756`,
    `data-${name}-0`,
  ])
    assert.ok(workloadsIn(about).includes(name), about);
  assert.deepEqual(workloadsIn("web"), []);
  assert.ok(!workloadsIn(`${name}x-0`).includes(name));
  assert.deepEqual(happeningOf(event({ kind: "Workload", about: name })).workloads, [], "what the agent itself said");
  assert.deepEqual(happeningOf(event({ kind: "Secret", about: name })).workloads, []);
});

test("the Events of a namespace are heard by one watch, kept by Workload, and told of soon, but not each time", async (t) => {
  const clock = createFakeClock();
  const cluster = createCluster();
  const changed: string[] = [];
  const namespace = "fairlead-peer-tokyo";
  const book = createEventBook({
    client: cluster,
    namespace,
    onChange: (name) => changed.push(name),
    clock,
    log,
  });
  t.after(() => book.close());
  await cluster.create(namespaces, { metadata: { name: namespace } }, AbortSignal.timeout(5_000));
  const put = async (o: Parameters<typeof event>[0], name: string): Promise<void> => {
    const { metadata, ...rest } = event(o);
    await cluster.create(events, { ...rest, metadata: { ...metadata, name } }, AbortSignal.timeout(5_000));
    await clock.advance(0);
  };
  await clock.advance(0);
  await put({}, "one");
  await put({ reason: "Pulled", note: "pulled" }, "two");
  await put({ about: "db-aaaaaaaaaa-0", type: "Warning" }, "three");
  assert.equal(changed.length, 0, "several come at once");
  await clock.advance(2_000);
  assert.ok(changed.includes(web) && changed.includes("db-aaaaaaaaaa"));
  assert.equal(changed.filter((name) => name === web).length, 1);
  assert.deepEqual(
    book
      .of([web, "web-ffffffffff"])
      .map(({ reason }) => reason)
      .sort(),
    ["Pulled", "Started"],
  );
  assert.deepEqual(book.of(["other-bbbbbbbbbb"]), []);
  changed.length = 0;
  cluster.edit("events", `${namespace}/one`, (object) => Object.assign(object, { deprecatedCount: 5 }));
  await clock.advance(0);
  await clock.advance(59_000);
  assert.equal(changed.length, 0, "once more is no news for a while");
  assert.equal(
    book.of([web, "web-ffffffffff"]).find(({ reason }) => reason === "Started")?.count,
    5,
    "who looks sees it all the same",
  );
  await clock.advance(1_000);
  assert.ok(changed.includes(web));
});
