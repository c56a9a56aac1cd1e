/** A watch that goes on: what it asks for after each loss, and when it gives up. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { type Followed, followChanges } from "../../src/client/follow.ts";
import {
  ChangeSchema,
  ResetSchema,
  Topic,
  type WatchRequest,
  type WatchResponse,
  WatchResponseSchema,
  WatchService,
} from "../../src/gen/fairlead/console/v1/watch_service_pb.ts";
import { createFakeClock, type FakeClock } from "../base/fake-clock.ts";
import { until } from "../patience.ts";

/** What an agent says in one connection, and how that ends: in good order, by an error, or not at all. */
interface Connection {
  readonly says: readonly WatchResponse[];
  readonly end: "ends" | "hangs" | ConnectError;
}

function said(resume: string, o: { name?: string; isSynced?: boolean; reset?: boolean } = {}): WatchResponse {
  const { name, isSynced = false, reset } = o;
  return create(WatchResponseSchema, {
    resume,
    isSynced,
    ...(name !== undefined && { changes: [create(ChangeSchema, { topic: Topic.APPS, name })] }),
    ...(reset && { reset: create(ResetSchema, { message: "anew" }) }),
  });
}

function follow(connections: readonly Connection[], clock: FakeClock) {
  const asked: WatchRequest[] = [];
  const transport = createRouterTransport(({ service }) =>
    service(WatchService, {
      async *watch(request, { signal }) {
        const connection = connections[asked.length];
        asked.push(request);
        yield* connection?.says ?? [];
        if (connection?.end instanceof ConnectError) throw connection.end;
        if (connection?.end === "ends") return;
        await new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      },
    }),
  );
  const stop = new AbortController();
  const told: string[] = [];
  const inWords = (one: Followed): string => {
    if (one.kind === "lost") return `lost: ${one.error.rawMessage}`;
    const names = one.changes.map(({ name }) => name);
    return [one.beginsAnew ? "anew" : "", ...names, one.isSynced ? "synced" : ""].filter(Boolean).join(" ");
  };
  const following = (async () => {
    const client = createClient(WatchService, transport);
    const options = { signal: stop.signal, clock, waits: { minMs: 100, maxMs: 100 } };
    for await (const one of followChanges(client, [{ topic: Topic.APPS }], options)) told.push(inWords(one));
  })();
  return { asked, told, following, stop: () => stop.abort() };
}

const gone = new ConnectError("gone", Code.Unavailable);

suite("who follows changes", { timeout: 30_000 }, () => {
  test("goes on where it was after each loss, and says what it does not know meanwhile", async () => {
    const clock = createFakeClock();
    const followed = follow(
      [
        { says: [said("", { name: "a" }), said("1", { isSynced: true }), said("2", { name: "b" })], end: gone },
        { says: [said("3", { name: "c", isSynced: true })], end: "ends" },
        { says: [said("3")], end: "hangs" },
      ],
      clock,
    );
    await until("it is lost", () => followed.told.length === 4);
    await clock.advance(100);
    await until("it is lost again", () => followed.told.length === 6);
    await clock.advance(100);
    await until("it is there again", () => followed.asked.length === 3);
    assert.deepEqual(
      followed.asked.map(({ resume }) => resume),
      ["", "2", "3"],
    );
    assert.deepEqual(followed.told, [
      "anew a",
      "synced",
      "b",
      "lost: gone",
      "c synced",
      "lost: The agent ended the watch.",
    ]);
    followed.stop();
    await followed.following;
    assert.equal(clock.timers, 0);
  });

  test("begins anew when the present state was cut off, and when the agent says so", async () => {
    const clock = createFakeClock();
    const followed = follow(
      [
        { says: [said("", { name: "a" })], end: gone },
        { says: [said("1", { name: "a", isSynced: true })], end: gone },
        { says: [said("", { reset: true }), said("9", { name: "b", isSynced: true })], end: "hangs" },
      ],
      clock,
    );
    await until("it is lost", () => followed.told.includes("lost: gone"));
    await clock.advance(100);
    await until("it is lost again", () => followed.told.filter((one) => one === "lost: gone").length === 2);
    await clock.advance(100);
    await until("it is there again", () => followed.told.includes("b synced"));
    assert.deepEqual(followed.told, ["anew a", "lost: gone", "anew a synced", "lost: gone", "anew", "b synced"]);
    followed.stop();
    await followed.following;
  });

  test("takes silence for a loss", async () => {
    const clock = createFakeClock();
    const followed = follow([{ says: [said("1", { isSynced: true })], end: "hangs" }], clock);
    await until("it is there", () => followed.told.length === 1);
    await clock.advance(45_000);
    await until("it is lost", () => followed.told.length === 2);
    assert.deepEqual(followed.told, ["anew synced", "lost: Nothing was heard for 45 s."]);
    await clock.advance(100);
    await until("it asks again", () => followed.asked.length === 2);
    followed.stop();
    await followed.following;
  });

  test("gives up when asking again would not help", async () => {
    for (const code of [Code.Unauthenticated, Code.PermissionDenied, Code.InvalidArgument, Code.Unimplemented]) {
      const followed = follow([{ says: [], end: new ConnectError("no", code) }], createFakeClock());
      await assert.rejects(followed.following, (error) => error instanceof ConnectError && error.code === code);
    }
  });
});
