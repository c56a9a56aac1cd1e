import assert from "node:assert/strict";
import { once } from "node:events";
import type { Duplex } from "node:stream";
import { suite, test } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { AgentBudget } from "../../src/wire/budget.ts";
import { defaultLimits } from "../../src/wire/limits.ts";
import { Reason, StreamError } from "../../src/wire/reason.ts";
import { eventually, until } from "../patience.ts";
import { openPair, service } from "./pair.ts";

const KiB = 1024;
const { linkBudgetBytes } = defaultLimits;

suite("ten thousand streams", () => {
  test("opened at once fit in the link's budget, half of them stall, the others go on, and all of it comes back", async () => {
    const streams = 10_000;
    const bytes = 24 * KiB;
    const budgets = { low: new AgentBudget(), high: new AgentBudget() };
    const far: Duplex[] = [];
    const pair = await openPair({
      lowBudget: budgets.low,
      highBudget: budgets.high,
      acceptHigh: (incoming) => {
        if (incoming.kind !== "dial") return;
        const stream = incoming.accept();
        far.push(stream);
        // More than any of them has credit for.
        stream.end(Buffer.alloc(bytes, "x"));
      },
    });
    const check = (): void => {
      for (const { promisedBytes, heldBytes } of [pair.low.stats(), pair.high.stats()]) {
        assert.ok(promisedBytes <= linkBudgetBytes, `${promisedBytes} bytes are promised`);
        assert.ok(heldBytes >= 0 && heldBytes <= promisedBytes, `${heldBytes} bytes are held`);
      }
    };
    const near = await Promise.all(Array.from({ length: streams }, () => pair.low.dial(service("pour"))));
    check();
    assert.equal(pair.high.stats().refused, 0);

    let whole = 0;
    for (const [at, stream] of near.entries()) {
      if (at % 2 === 0) continue;
      let read = 0;
      stream.on("data", (chunk: Buffer) => {
        read += chunk.length;
      });
      stream.on("end", () => {
        assert.equal(read, bytes);
        whole += 1;
        stream.end();
      });
    }
    await until("each stream that is read comes to its end", () => {
      check();
      return whole === streams / 2;
    });
    const stalled = pair.low.stats();
    assert.ok(stalled.heldBytes >= (streams / 2) * 4 * KiB, `${stalled.heldBytes} bytes are held for those that stall`);

    for (const stream of near) stream.destroy();
    await until("all streams are over", () => pair.low.stats().open.normal + pair.high.stats().open.normal === 0);
    for (const { promisedBytes, heldBytes } of [pair.low.stats(), pair.high.stats()]) {
      assert.deepEqual([promisedBytes, heldBytes], [0, 0]);
    }
    await pair.close();
    assert.deepEqual([budgets.low.promised, budgets.high.promised], [0, 0]);
  });

  test("are told how little they start with, and how much when they have gone", async () => {
    const far: Duplex[] = [];
    const pair = await openPair({
      acceptHigh: (incoming) => {
        if (incoming.kind === "dial") far.push(incoming.accept());
      },
    });
    const near = await Promise.all(Array.from({ length: 600 }, () => pair.low.dial(service("wait"))));
    const sent = async (): Promise<number> => {
      const stream = pair.low.open({ dial: { target: service("one more") } });
      const before = pair.high.stats().heldBytes;
      stream.write([new Uint8Array(300 * KiB)], () => undefined);
      const stalls = pair.low.stats().creditStalls;
      await until("its credit is used up", () => pair.low.stats().creditStalls > stalls);
      await until("all has come", () => pair.high.stats().bytesIn === pair.low.stats().bytesOut);
      const bytes = pair.high.stats().heldBytes - before;
      stream.reset(Reason.CANCELLED);
      await until("what came is thrown away", () => pair.high.stats().heldBytes === before);
      return bytes;
    };
    assert.equal(await sent(), 4 * KiB);
    for (const stream of near) stream.destroy();
    await until("all streams are over", () => pair.high.stats().open.normal === 0);
    // That they have gone is told on the way, while the next begins.
    await eventually("they start with more again", sent, (bytes) => bytes === 256 * KiB);
    await pair.close();
  });

  test("beyond the budget a stream is refused, not taken up, at either end, and when some have gone it is not", async () => {
    const refused = (error: unknown) => error instanceof StreamError && error.reason === Reason.TOO_MANY_STREAMS;
    const pair = await openPair({
      limits: { linkBudgetBytes: 40 * KiB, leastStreamCredit: 4 * KiB },
      lowLimits: { linkBudgetBytes: linkBudgetBytes },
      acceptHigh: (incoming) => {
        if (incoming.kind === "dial") incoming.accept().resume();
      },
    });
    const dials = await Promise.allSettled(Array.from({ length: 20 }, () => pair.low.dial(service("x"))));
    const taken = dials.filter((dial) => dial.status === "fulfilled").length;
    assert.ok(taken >= 5 && taken < 20, `${taken} of 20 are taken`);
    assert.ok(dials.every((dial) => dial.status === "fulfilled" || refused(dial.reason)));
    assert.ok(pair.high.stats().promisedBytes <= 40 * KiB);
    assert.throws(() => pair.high.open({ dial: { target: service("x") } }), refused);
    for (const dial of dials) if (dial.status === "fulfilled") dial.value.destroy();
    await until("all streams are over", () => pair.high.stats().open.normal === 0);
    (await pair.low.dial(service("x"))).destroy();
    await pair.close();
  });

  test("an agent that is full says that it has too much to do", async () => {
    const highBudget = new AgentBudget(1024 * KiB);
    const pair = await openPair({
      highBudget,
      acceptHigh: (incoming) => {
        if (incoming.kind === "dial") incoming.accept().resume();
      },
    });
    const dials = await Promise.allSettled(Array.from({ length: 400 }, () => pair.low.dial(service("x"))));
    const reasons = dials.flatMap((dial) => (dial.status === "rejected" ? [(dial.reason as StreamError).reason] : []));
    assert.deepEqual([...new Set(reasons)], [Reason.OVERLOADED]);
    assert.ok(highBudget.promised <= highBudget.total);
    await pair.close();
    assert.equal(highBudget.promised, 0);
  });
});

suite("a slow reader", () => {
  test("is counted when it has kept its sender from sending for a second, until it reads", async () => {
    let now = 0;
    const clock = { ...systemClock, monotonic: () => systemClock.monotonic() + now };
    let far: Duplex | undefined;
    const pair = await openPair({
      clock,
      acceptHigh: (incoming) => {
        if (incoming.kind === "dial") far = incoming.accept();
      },
    });
    const near = await pair.low.dial(service("slow"));
    near.write(Buffer.alloc(400 * KiB));
    await until("the credit is used up", () => pair.low.stats().creditStalls > 0);
    await until("all has come", () => pair.high.stats().heldBytes === 256 * KiB);
    now += 1_001;
    assert.equal(pair.high.stats().slowReaders, 1);
    assert.ok(far !== undefined);
    far.resume();
    near.end();
    await once(far, "end");
    assert.equal(pair.high.stats().slowReaders, 0);
    await pair.close();
  });
});
