import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { test } from "node:test";
import { listenWhere } from "../../src/base/cannot-listen.ts";

test("who cannot listen is told where, why, and by which setting it goes elsewhere", async (t) => {
  const first = createServer().listen(0, "127.0.0.1");
  t.after(() => first.close());
  await once(first, "listening");
  const address = first.address();
  assert.ok(typeof address === "object" && address !== null);
  const second = createServer();
  const listening = listenWhere("telemetry.port", async () => {
    second.listen(address.port, "127.0.0.1");
    await once(second, "listening");
  });
  await assert.rejects(listening, {
    code: "EADDRINUSE",
    message: `The agent cannot listen at 127.0.0.1:${address.port}: something else listens there (EADDRINUSE). Give telemetry.port another value.`,
  });
});

test("what goes wrong otherwise is told in its own words", async () => {
  const listening = listenWhere("link.port", () => Promise.reject(new Error("no descriptors are left")));
  await assert.rejects(listening, {
    code: undefined,
    message: "The agent cannot listen at its port: no descriptors are left. Give link.port another value.",
  });
});
