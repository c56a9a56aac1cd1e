import assert from "node:assert/strict";
import type { Duplex } from "node:stream";
import { buffer } from "node:stream/consumers";
import { suite, test } from "node:test";
import fc from "fast-check";
import { Reason } from "../../src/wire/reason.ts";
import type { IncomingStream } from "../../src/wire/session.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { until } from "../patience.ts";
import { breakable, twoEnds } from "./carriers.ts";
import { service } from "./pair.ts";

const content = Buffer.alloc(5_000, "x");

/** The far ends of streams, which take what comes and say nothing yet. */
function collect(): { far: Duplex[]; accept(incoming: IncomingStream): void } {
  const far: Duplex[] = [];
  return {
    far,
    accept(incoming) {
      if (incoming.kind !== "dial") return;
      const stream = incoming.accept();
      far.push(stream.on("error", () => undefined).resume());
    },
  };
}

suite("leaving", () => {
  test("a stream that has ended well at the end that leaves does so at the other, whenever the carrier breaks", async () => {
    const bytes = fc.integer({ min: 1, max: 6_000 });
    await fc.assert(
      fc.asyncProperty(bytes, bytes, async (up, down) => {
        const { far, accept } = collect();
        const ends = twoEnds({ acceptHigh: accept, clock: createFakeClock() });
        const { low, high } = await ends.join();
        const stream = await low.dial(service("x"));
        const got = buffer(stream.end());
        const [near, other] = breakable(up, down);
        const joining = ends.join([near, other]).catch(() => undefined);
        far[0]?.end(content);
        let isOver = false;
        const drained = high.drain("An upgrade.").then(() => {
          isOver = true;
        });
        await until("it breaks, or all is said", () => near.destroyed || isOver);
        near.destroy();
        await joining;
        if (!isOver) await ends.join().catch(() => undefined);
        let length: number | undefined;
        got.then(
          (all) => {
            length = all.length;
          },
          () => {
            length = -1;
          },
        );
        await until("the stream ends", () => length !== undefined);
        assert.equal(length, content.length);
        await drained;
        low.close({ reason: Reason.SHUTDOWN, message: "Done." });
      }),
      { numRuns: 100 },
    );
  });

  test("that all has come may be said by the Resume alone, whatever Ack is lost with the carrier", async () => {
    // Time stands still, so that nothing is said twice.
    for (let up = 60; up <= 200; up += 2) {
      const { far, accept } = collect();
      const ends = twoEnds({ acceptHigh: accept, clock: createFakeClock() });
      const { low, high } = await ends.join();
      const got = buffer((await low.dial(service("x"))).end());
      const [near, other] = breakable(up, Number.POSITIVE_INFINITY);
      const joining = ends.join([near, other]).catch(() => undefined);
      far[0]?.end(content);
      let isOver = false;
      const drained = high.drain("An upgrade.").then(() => {
        isOver = true;
      });
      await until("it breaks, or all is said", () => near.destroyed || isOver);
      // What has come is read to its end.
      for (let turns = 0; turns < 20; turns += 1) await new Promise(setImmediate);
      near.destroy();
      await joining;
      if (!isOver) await ends.join().catch(() => undefined);
      await until(`it leaves, after ${up} bytes`, () => isOver);
      await drained;
      assert.equal((await got).length, content.length);
      low.close({ reason: Reason.SHUTDOWN, message: "Done." });
    }
  });

  test("an end with nothing to say more leaves as soon as the other has heard that", async () => {
    // Time stands still: no Ack comes that waits for its time.
    const ends = twoEnds({ clock: createFakeClock() });
    const { low, high } = await ends.join();
    await high.drain("An upgrade.");
    assert.equal((await low.closed).reason, Reason.SHUTDOWN);
    assert.equal((await low.leaving).message, "An upgrade.");
  });

  test("both may leave at once", async () => {
    const ends = twoEnds({ clock: createFakeClock() });
    const { low, high } = await ends.join();
    await Promise.all([high.drain("An upgrade."), low.drain("An upgrade, too.")]);
  });

  test("who leaves while there is no carrier waits for the next, and no longer than it was told", async () => {
    for (const comes of [true, false]) {
      const { far, accept } = collect();
      const clock = createFakeClock();
      const ends = twoEnds({ acceptHigh: accept, clock });
      const [near, other] = breakable();
      const { low, high } = await ends.join([near, other]);
      const stream = await low.dial(service("x"));
      const got = buffer(stream.end()).catch(() => undefined);
      near.destroy();
      await until("it is lost", () => high.stats().carrierlessSince !== undefined);
      far[0]?.end(content);
      let isOver = false;
      const drained = high.drain("An upgrade.", 5_000).then(() => {
        isOver = true;
      });
      await clock.advance(4_900);
      assert.equal(isOver, false);
      if (comes) {
        await ends.join();
        assert.equal((await got)?.length, content.length);
      } else await clock.advance(200);
      await drained;
      assert.equal((await high.closed).by, "us");
      low.close({ reason: Reason.SHUTDOWN, message: "Done." });
    }
  });
});
