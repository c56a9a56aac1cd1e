import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { suite, test } from "node:test";
import { freePorts, onFreePorts } from "../../src/demo/free-port.ts";

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

  test("one that is taken after the choice is replaced, with what was started on the others started again", async () => {
    const chosen: number[][] = [];
    const started = await onFreePorts(0, async (ports) => {
      chosen.push([...ports]);
      if (chosen.length > 1) return "started";
      const taken = createServer().listen(ports[1], "127.0.0.1");
      await once(taken, "listening");
      try {
        await once(createServer().listen(ports[1], "127.0.0.1"), "listening");
      } finally {
        taken.close();
      }
      return "not so";
    });
    assert.equal(started, "started");
    assert.equal(chosen.length, 2);
  });

  test("what fails for another reason, or again and again, is not started for ever", async () => {
    let starts = 0;
    const failing = (error: Error) =>
      onFreePorts(0, async () => {
        starts += 1;
        throw error;
      });
    await assert.rejects(failing(new Error("no cluster")), /no cluster/);
    assert.equal(starts, 1);
    await assert.rejects(failing(Object.assign(new Error("in use"), { code: "EADDRINUSE" })), /in use/);
    assert.equal(starts, 6);
  });
});
