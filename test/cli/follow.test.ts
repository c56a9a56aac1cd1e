/** What a command hears that watches, whatever becomes of its connection and of the agent. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { followTopic, type Watcher } from "../../src/cli/follow.ts";
import { createFairleadClient } from "../../src/client/index.ts";
import {
  type ChangeSchema,
  Topic,
  type WatchResponse,
  WatchResponseSchema,
  WatchService,
} from "../../src/gen/fairlead/console/v1/watch_service_pb.ts";

type Said = MessageInitShape<typeof ChangeSchema>;

const signal = AbortSignal.timeout(60_000);
const peer = (name: string, number: number, uid = ""): Said => {
  return { number: BigInt(number), name, now: { case: "peer", value: { metadata: { name, uid } } } };
};
const gone = (name: string, number: number): Said => ({ number: BigInt(number), name, gone: true });
const says = (resume: string, changes: Said[], o: { isSynced?: boolean; isReset?: boolean } = {}): WatchResponse =>
  create(WatchResponseSchema, {
    ...{ resume, changes, isSynced: o.isSynced ?? false },
    ...(o.isReset && { reset: { message: "The agent was started anew." } }),
  });

/** An agent that says these in one connection after another, each of which then breaks, the last with this error. */
function watcherOf(connections: readonly (readonly WatchResponse[])[], last?: ConnectError) {
  let next = 0;
  const transport = createRouterTransport(({ service }) =>
    service(WatchService, {
      async *watch() {
        const connection = connections[next];
        next += 1;
        yield* connection ?? [];
        throw connection
          ? new ConnectError("it broke", Code.Unavailable)
          : (last ?? new ConnectError("no more", Code.PermissionDenied));
      },
    }),
  );
  const said: string[] = [];
  const watcher: Watcher = { client: createFairleadClient({ transport }), signal, say: (line) => void said.push(line) };
  const heard: string[] = [];
  const following = (async () => {
    for await (const one of followTopic(watcher, { topic: Topic.PEERS })) {
      heard.push(one === "synced" ? one : one.gone ? `${one.name} gone` : `${one.name} ${one.number}`);
    }
  })();
  return { said, heard, following };
}

suite("who watches with a command", () => {
  test("hears on over a connection that broke, and is told once that it did and once that it stands", async () => {
    const { said, heard, following } = watcherOf([
      [says("1", [peer("a", 1)], { isSynced: true })],
      [],
      [says("2", [peer("b", 2)], { isSynced: true })],
    ]);
    await assert.rejects(following, (error) => ConnectError.from(error).code === Code.PermissionDenied);
    assert.deepEqual(heard, ["a 1", "synced", "b 2", "synced"]);
    assert.deepEqual(
      said.map((line) => /^(lost touch|in touch)/.exec(line)?.[0]),
      ["lost touch", "in touch", "lost touch"],
    );
  });

  test("hears, of an agent that was started anew, what is different and not what it knows", async () => {
    const { heard, following } = watcherOf([
      [says("9", [peer("a", 1), peer("b", 2), peer("c", 3)], { isSynced: true }), says("10", [gone("c", 4)])],
      [says("", [], { isReset: true }), says("", [peer("a", 1), peer("d", 2)]), says("3", [], { isSynced: true })],
      [says("", [peer("a", 7, "another")], { isReset: true }), says("4", [], { isSynced: true })],
    ]);
    await assert.rejects(following);
    const whole = ["a 1", "b 2", "c 3", "synced", "c gone"];
    assert.deepEqual(heard, [...whole, "d 2", "b gone", "synced", "a 7", "d gone", "synced"]);
  });

  test("is told at once of an agent that is not there", async () => {
    const { said, heard, following } = watcherOf([], new ConnectError("not there", Code.Unavailable));
    await assert.rejects(following, /not there/);
    assert.deepEqual([said, heard], [[], []]);
  });
});
