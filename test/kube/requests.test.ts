import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { KubeError } from "../../src/kube/errors.ts";
import { createRequests } from "../../src/kube/requests.ts";
import { failure, reply, startFakeServer } from "./fake-server.ts";

const never = new AbortController().signal;
const get = { method: "GET", path: "/thing" };

async function failureOf(promise: Promise<unknown>): Promise<KubeError> {
  const error = await promise.then(
    () => assert.fail("it did not fail"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof KubeError, String(error));
  return error;
}

test("a refusal says what was tried, what the server said, and who can help", async (t) => {
  const message = 'pods is forbidden: User "eve" cannot list resource "pods"';
  const { requests } = await startFakeServer(t, (_, response) =>
    reply(response, 403, failure(403, "Forbidden", message)),
  );
  const error = await failureOf(requests.json({ ...get, what: "list pods" }, never));
  assert.equal(error.status, 403);
  assert.equal(error.reason, "Forbidden");
  assert.equal(error.retryable(), false);
  assert.match(error.message, /^Could not list pods: pods is forbidden.*edit Roles/);
});

test("an invalid object's wrong fields are told with their paths", async (t) => {
  const causes = [{ reason: "FieldValueInvalid", field: "spec.replicas", message: "must not be negative" }];
  const { requests } = await startFakeServer(t, (_, response) =>
    reply(response, 422, failure(422, "Invalid", "it is invalid", { causes })),
  );
  const error = await failureOf(requests.json(get, never));
  assert.deepEqual(error.fields, [{ field: "spec.replicas", message: "must not be negative" }]);
});

test("an overloaded server's wish to be left alone is handed on in milliseconds", async (t) => {
  const { requests } = await startFakeServer(t, (_, response) =>
    reply(response, 429, "slow down", { "retry-after": "7" }),
  );
  const error = await failureOf(requests.json(get, never));
  assert.equal(error.reason, "TooManyRequests");
  assert.equal(error.retryAfterMs, 7_000);
  assert.equal(error.retryable(), true);
});

test("a gateway's page of HTML is an error by its status, and a success that is no JSON is one too", async (t) => {
  const { requests } = await startFakeServer(t, ({ path }, response) =>
    reply(response, path === "/thing" ? 502 : 200, "<html>nginx</html>"),
  );
  assert.equal((await failureOf(requests.json(get, never))).status, 502);
  assert.equal((await failureOf(requests.json({ ...get, path: "/other" }, never))).reason, "Garbled");
});

test("a server that does not answer in time is given up, and the connection with it", async (t) => {
  const { requests, sockets } = await startFakeServer(t, () => new Promise(() => undefined), 50);
  const error = await failureOf(requests.json(get, never));
  assert.equal(error.reason, "TimedOut");
  for (const socket of sockets) if (!socket.destroyed) await once(socket, "close");
});

test("an answer that stops half-way is given up in time too", async (t) => {
  const { requests } = await startFakeServer(t, (_, response) => void response.write('{"a":'), 50);
  assert.equal((await failureOf(requests.json(get, never))).reason, "TimedOut");
});

test("an answer that is cut is an error, never a short success", async (t) => {
  const { requests } = await startFakeServer(t, (_, response) => {
    response.writeHead(200, { "content-length": "100" });
    response.write("{}", () => response.destroy());
  });
  const error = await failureOf(requests.json(get, never));
  assert.equal(error.reason, "Unreachable");
  assert.equal(error.retryable(), true);
});

test("aborting ends the request at the server and rejects with the caller's reason", async (t) => {
  const arrived = Promise.withResolvers<void>();
  const gone = Promise.withResolvers<void>();
  const { requests } = await startFakeServer(t, (_, response) => {
    response.on("close", gone.resolve);
    arrived.resolve();
  });
  const controller = new AbortController();
  const waiting = requests.json(get, controller.signal);
  await arrived.promise;
  const reason = new Error("enough");
  controller.abort(reason);
  await assert.rejects(waiting, (error) => error === reason);
  await gone.promise;
});

test("aborting ends a body that is being streamed", async (t) => {
  const gone = Promise.withResolvers<void>();
  const { requests } = await startFakeServer(t, (_, response) => {
    response.on("close", gone.resolve);
    response.write("first");
  });
  const controller = new AbortController();
  const { body } = await requests.open(get, controller.signal);
  await once(body, "readable");
  const failed = once(body, "error");
  const reason = new Error("enough");
  controller.abort(reason);
  assert.deepEqual(await failed, [reason]);
  await gone.promise;
});

test("a read that meets a connection which the server just closed is sent again; a write is not", async (t) => {
  const { requests, asked } = await startFakeServer(t, ({ path }, response) => {
    // The first answer leaves a connection in the pool; on it, the next request is cut without a word.
    const isSecondOnSocket = response.req.socket.bytesRead > 0 && path === "/cut" && !cut.has(response.req.socket);
    if (isSecondOnSocket && cut.size === 0) {
      cut.add(response.req.socket);
      response.req.socket.destroy();
    } else reply(response, 200, {});
  });
  const cut = new Set<object>();
  await requests.json(get, never);
  await requests.json({ ...get, path: "/cut" }, never);
  assert.equal(asked.filter(({ path }) => path === "/cut").length, 2);

  cut.clear();
  asked.length = 0;
  const error = await failureOf(requests.json({ method: "POST", path: "/cut", body: {} }, never));
  assert.equal(error.reason, "Unreachable");
  assert.equal(asked.length, 1);
});

test("a server that is not there is named, and may be there later", async () => {
  const endpoint = { server: new URL("http://127.0.0.1:1"), options: async () => ({}) };
  const error = await failureOf(createRequests({ endpoint, clock: systemClock }).json(get, never));
  assert.match(error.message, /http:\/\/127\.0\.0\.1:1 does not answer/);
  assert.equal(error.retryable(), true);
});

test("credentials are read anew for each request, so that they may rotate", async (t) => {
  const { url, asked } = await startFakeServer(t, (_, response) => reply(response, 200, {}));
  let count = 0;
  const options = async () => ({ headers: { authorization: `Bearer ${++count}` } });
  const requests = createRequests({ endpoint: { server: new URL(`${url}/prefix/`), options }, clock: systemClock });
  t.after(() => requests.close());
  await requests.json(get, never);
  await requests.json(get, never);
  assert.deepEqual(
    asked.map(({ path, headers }) => [path, headers.authorization]),
    [
      ["/prefix/thing", "Bearer 1"],
      ["/prefix/thing", "Bearer 2"],
    ],
  );
});
