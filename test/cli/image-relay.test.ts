import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { buffer } from "node:stream/consumers";
import { test } from "node:test";
import { startImageRelay } from "../../src/cli/image-relay.ts";
import { run } from "./world.ts";

test("a relay on a node passes on what comes, both ways, and ends with either end", async () => {
  const bytes = randomBytes(2_000_000);
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    // Answers when all has come.
    void buffer(socket).then((got) => socket.end(got));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert.ok(address && typeof address === "object");
  const relay = await startImageRelay({ host: "127.0.0.1", port: 0 }, { host: "127.0.0.1", port: address.port });
  const socket = connect({ host: "127.0.0.1", port: relay.port, allowHalfOpen: true });
  socket.end(bytes);
  assert.ok((await buffer(socket)).equals(bytes));

  const closed = once(server, "close");
  const idle = connect({ host: "127.0.0.1", port: relay.port });
  await once(idle, "connect");
  const gone = new Promise((resolve) => idle.once("close", resolve));
  idle.on("error", () => undefined);
  idle.resume();
  await relay.close();
  await gone;
  server.close();
  await closed;
});

test("a relay that is told no port says what it wants", async () => {
  const { code, err } = await run(undefined, ["images", "relay", "--listen", "here", "--to", "there:1"]);
  assert.equal(code, 2);
  assert.match(err, /--listen: expected a host and a port/);
});
