/** What the one watch tells, and what pages see of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { Topic, WatchResponseSchema, WatchService } from "../../src/gen/fairlead/console/v1/watch_service_pb.ts";
import { Live } from "../../ui/src/state/live.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { until } from "../patience.ts";

type Said = MessageInitShape<typeof WatchResponseSchema> | Error;

const app = (name: string) => ({
  topic: Topic.APPS,
  namespace: "default",
  name,
  now: { case: "app" as const, value: { metadata: { namespace: "default", name } } },
});
const gone = (name: string) => ({ topic: Topic.APPS, namespace: "default", name, gone: true });

/** An agent that says what it is told to, connection by connection. */
function world() {
  const clock = createFakeClock();
  const connections: ((said: Said) => void)[] = [];
  const asked: string[] = [];
  let ends = 0;
  const frames: (() => void)[] = [];
  const transport = createRouterTransport(({ service }) =>
    service(WatchService, {
      async *watch({ resume }, { signal }) {
        asked.push(resume);
        const waiting: Said[] = [];
        let wake = (): void => undefined;
        connections.push((said) => {
          waiting.push(said);
          wake();
        });
        signal.addEventListener("abort", () => wake());
        while (!signal.aborted) {
          for (const said of waiting.splice(0)) {
            if (said instanceof Error) throw said;
            yield create(WatchResponseSchema, said);
          }
          await new Promise<void>((resolve) => {
            wake = resolve;
            if (waiting.length > 0) resolve();
          });
        }
      },
    }),
  );
  const live = new Live({
    clock,
    onFrame: (show) => void frames.push(show),
    onSignedOut: () => {
      ends += 1;
    },
  });
  const watch = createClient(WatchService, transport);
  return {
    ...{ live, clock, asked, frames },
    ends: () => ends,
    start: () => live.start(watch),
    /** The agent's end of the connection with this number, counted from one. */
    connection: (number: number) => until("the console has connected", () => connections[number - 1]),
    /** Paints what is due. */
    paint() {
      for (const frame of frames.splice(0)) frame();
    },
    names: () => live.apps.list().map(({ metadata }) => metadata?.name),
  };
}

test("pages see all that has come together at once, with the next frame", async (context) => {
  const t = world();
  context.after(() => t.live.stop());
  t.start();
  t.paint();
  assert.deepEqual(t.names(), []);
  const say = await t.connection(1);
  say({ changes: [app("a"), app("b")], resume: "1" });
  say({ changes: [app("c")], resume: "2", isSynced: true });
  await until("it is connected", () => t.live.status.kind === "connected");
  assert.deepEqual(t.names(), []);
  assert.equal(t.live.isSynced, false, "an empty list would be no news");
  assert.equal(t.frames.length, 1);
  t.paint();
  assert.deepEqual(t.names(), ["a", "b", "c"]);
  assert.equal(t.live.isSynced, true);
  const before = t.live.apps.list();
  say({ changes: [gone("b")], resume: "3" });
  await until("a frame is due", () => t.frames.length > 0);
  assert.equal(t.live.apps.list(), before);
  t.paint();
  assert.deepEqual(t.names(), ["a", "c"]);
});

test("a cut is said once it has lasted a second, what was known stays, and it goes on where it was", async (context) => {
  const t = world();
  context.after(() => t.live.stop());
  t.start();
  (await t.connection(1))({ changes: [app("a")], resume: "here", isSynced: true });
  await until("it is connected", () => t.live.status.kind === "connected");
  t.paint();
  (await t.connection(1))(new ConnectError("the way is cut", Code.Unavailable));
  await until("it waits", () => t.clock.timers > 1);
  assert.equal(t.live.status.kind, "connected");
  const cutAt = t.clock.now();
  await t.clock.advance(15_000);
  const { status } = t.live;
  assert.deepEqual(status, { kind: "lost", since: cutAt, why: "the way is cut" });
  assert.deepEqual(t.names(), ["a"]);
  (await t.connection(2))({ changes: [app("b")], resume: "there", isSynced: true });
  await until("it is connected", () => t.live.status.kind === "connected");
  t.paint();
  assert.deepEqual(t.names(), ["a", "b"]);
  assert.deepEqual(t.asked, ["", "here"]);
});

test("when the present state is told anew, what is not told again is gone, and nothing is before it is whole", async (context) => {
  const t = world();
  context.after(() => t.live.stop());
  t.start();
  const say = await t.connection(1);
  say({ changes: [app("a"), app("b")], resume: "1", isSynced: true });
  say({ changes: [app("b")], reset: { message: "too old" }, resume: "" });
  await until("a frame is due", () => t.frames.length > 0);
  t.paint();
  await until("both have come", () => {
    t.paint();
    return t.names().length === 2;
  });
  say({ changes: [app("c")], resume: "2", isSynced: true });
  await until("it is whole", () => {
    t.paint();
    return t.names().join() === "b,c";
  });
});

test("of entries of the audit, which never go, the latest 500 are kept", async (context) => {
  const t = world();
  context.after(() => t.live.stop());
  t.start();
  const entry = (sequence: number) => ({
    topic: Topic.AUDIT,
    name: String(sequence),
    now: { case: "auditEntry" as const, value: { sequence: BigInt(sequence) } },
  });
  (await t.connection(1))({ changes: Array.from({ length: 620 }, (_, i) => entry(i)), resume: "1", isSynced: true });
  await until("it is connected", () => t.live.status.kind === "connected");
  t.paint();
  const kept = t.live.audit.list().map(({ sequence }) => Number(sequence));
  assert.deepEqual([kept.length, kept[0], kept.at(-1)], [500, 120, 619]);
});

test("who may watch no more is told, and somebody else sees nothing of what they saw", async (context) => {
  const t = world();
  context.after(() => t.live.stop());
  t.start();
  (await t.connection(1))({ changes: [app("a")], resume: "1", isSynced: true });
  await until("it is connected", () => t.live.status.kind === "connected");
  t.paint();
  (await t.connection(1))(new ConnectError("the session has ended", Code.Unauthenticated));
  await until("it is told", () => t.ends() === 1);
  t.start();
  t.paint();
  assert.deepEqual(t.names(), []);
  assert.equal(t.live.isSynced, false);
});

test("who may watch nothing is told why, and is not asked to sign in", async (context) => {
  const t = world();
  context.after(() => t.live.stop());
  t.start();
  (await t.connection(1))(new ConnectError("You have no role.", Code.PermissionDenied));
  await until("it is refused", () => t.live.refused?.rawMessage === "You have no role.");
  assert.equal(t.ends(), 0);
});
