import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { isExpired, KubeError } from "../../src/kube/errors.ts";
import { configMaps } from "../../src/kube/resources.ts";
import { collect, configMap, failure, reply, startFakeServer } from "./fake-server.ts";

const never = new AbortController().signal;

function line(type: string, object: object): string {
  return `${JSON.stringify({ type, object })}\n`;
}

test("a watch yields changes and bookmarks, asks for bookmarks, and ends when the server ends it", async (t) => {
  const { client, asked } = await startFakeServer(t, (_, response) => {
    response.write(line("ADDED", configMap("a", "5", { text: "grüße 🌊" })));
    response.write(line("BOOKMARK", { metadata: { resourceVersion: "9" } }));
    response.end(line("DELETED", configMap("a", "10")));
  });
  const events = await collect(client.watch(configMaps, { resourceVersion: "4" }, never));
  assert.deepEqual(
    events.map(({ type, resourceVersion }) => [type, resourceVersion]),
    [
      ["ADDED", "5"],
      ["BOOKMARK", "9"],
      ["DELETED", "10"],
    ],
  );
  assert.ok(events[0]?.type === "ADDED" && events[0].object.data?.text === "grüße 🌊");
  assert.equal(asked[0]?.query.get("allowWatchBookmarks"), "true");
  assert.equal(asked[0]?.query.get("resourceVersion"), "4");
});

test("a watch says when it is open, before anything changes", async (t) => {
  const opened = Promise.withResolvers<void>();
  const { client } = await startFakeServer(t, (_, response) => {
    response.flushHeaders();
    void opened.promise.then(() => response.end());
  });
  await collect(client.watch(configMaps, { onOpen: opened.resolve }, never));
});

test("a version that is too old is told as such, whether the request or an event says so", async (t) => {
  const gone = failure(410, "Expired", "too old resource version");
  const { client } = await startFakeServer(t, ({ query }, response) =>
    query.get("resourceVersion") === "1" ? reply(response, 410, gone) : void response.end(line("ERROR", gone)),
  );
  await assert.rejects(collect(client.watch(configMaps, { resourceVersion: "1" }, never)), isExpired);
  await assert.rejects(collect(client.watch(configMaps, { resourceVersion: "2" }, never)), isExpired);
});

test("a watch that is cut in the middle of a line throws after what was whole", async (t) => {
  const { client } = await startFakeServer(t, (_, response) => {
    response.write(line("ADDED", configMap("a", "5")) + line("ADDED", configMap("b", "6")).slice(0, 20));
    response.end();
  });
  const seen: string[] = [];
  await assert.rejects(
    async () => {
      for await (const event of client.watch(configMaps, {}, never)) seen.push(event.resourceVersion);
    },
    (error) => error instanceof KubeError && error.reason === "Cut" && error.retryable(),
  );
  assert.deepEqual(seen, ["5"]);
});

test("leaving the loop, or aborting, closes the connection", async (t) => {
  const { client, sockets } = await startFakeServer(t, (_, response) => {
    response.write(line("ADDED", configMap("a", "5")));
  });
  for await (const event of client.watch(configMaps, {}, never)) if (event) break;
  for (const socket of sockets) if (!socket.destroyed) await once(socket, "close");

  const controller = new AbortController();
  const reason = new Error("enough");
  await assert.rejects(
    async () => {
      for await (const event of client.watch(configMaps, {}, controller.signal)) if (event) controller.abort(reason);
    },
    (error) => error === reason,
  );
  for (const socket of sockets) if (!socket.destroyed) await once(socket, "close");
});

test("what is no watch event is an error and not a crash", async (t) => {
  let said = "";
  const { client } = await startFakeServer(t, (_, response) => void response.end(said));
  const nameless = { type: "ADDED", object: { metadata: { name: "a" }, data: { password: "s3cret" } } };
  for (said of ['"hello"\n', `${JSON.stringify(nameless)}\n`]) {
    await assert.rejects(collect(client.watch(configMaps, {}, never)), (error) => {
      return /no watch event/.test(String(error)) && !/s3cret/.test(String(error));
    });
  }
});
