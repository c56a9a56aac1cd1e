import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { suite, test } from "node:test";
import { freePorts } from "../../src/demo/free-port.ts";

suite("free ports", () => {
  test("a port that is taken is replaced by another", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    try {
      const address = taken.address();
      assert.ok(address && typeof address === "object");
      const ports = await freePorts(address.port);
      assert.ok(!ports.includes(address.port));
      assert.equal(new Set(ports).size, 3);
    } finally {
      taken.close();
    }
  });

  test("without a wish all three are the system's choice, and differ", async () => {
    const ports = await freePorts(0);
    assert.equal(new Set(ports).size, 3);
    assert.ok(ports.every((port) => port > 0));
  });
});
