import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Flight } from "../../src/wire/flight.ts";

const KiB = 1024;

interface Pipe {
  /** Bytes a millisecond that it moves, and what may wait before it. */
  bytesPerMs: number;
  roundTripMs(atMs: number): number;
  /** When an acknowledgement comes that is due at `at`. */
  heldUntil?(at: number): number;
  /** Bytes a millisecond that there are to be sent; as many as one likes unless said. */
  wants?: number;
  forMs: number;
}

/** Sends batches of 64 KiB as fast as the flight lets it, in steps of a tenth of a millisecond; what came out, and how long the queue was, by time. */
function fly(pipe: Pipe): {
  delivered(fromMs: number, toMs: number): number;
  queueMs(fromMs: number, share: number): number;
  flight: Flight;
} {
  const flight = new Flight();
  const step = 0.1;
  const acks: { at: number; frame: number }[] = [];
  const came: { at: number; bytes: number }[] = [];
  const queues: { at: number; ms: number }[] = [];
  let freeAt = 0;
  let frame = 0;
  let lastAck = 0;
  let head = 0;
  let owed = 0;
  for (let now = 0; now < pipe.forMs; now += step) {
    for (let ack = acks[head]; ack !== undefined && ack.at <= now; ack = acks[head]) {
      flight.acknowledged(ack.frame, now);
      head += 1;
    }
    owed = pipe.wants === undefined ? 2 ** 40 : Math.min(1024 * KiB, owed + pipe.wants * step);
    for (;;) {
      if (flight.full) {
        if (owed > 0) flight.hold();
        break;
      }
      const bytes = Math.min(64 * KiB, Math.floor(owed), flight.batchBytes);
      assert.ok(Number.isInteger(bytes));
      if (bytes < 1_000) break;
      owed -= bytes;
      frame += 1;
      flight.sent(frame, bytes, now);
      freeAt = Math.max(freeAt, now) + bytes / pipe.bytesPerMs;
      came.push({ at: freeAt, bytes });
      const due = freeAt + pipe.roundTripMs(now);
      lastAck = Math.max(lastAck, pipe.heldUntil?.(due) ?? due);
      acks.push({ at: lastAck, frame });
    }
    queues.push({ at: now, ms: Math.max(0, freeAt - now) });
  }
  return {
    flight,
    delivered: (from, to) =>
      came.reduce((sum, { at, bytes }) => (at >= from && at < to ? sum + bytes : sum), 0) / (to - from),
    queueMs: (from, share) => {
      const sorted = queues.flatMap(({ at, ms }) => (at >= from ? [ms] : [])).toSorted((a, b) => a - b);
      return sorted[Math.floor(sorted.length * share)] ?? Number.NaN;
    },
  };
}

const steady = (ms: number) => (): number => ms;

suite("what is under way", () => {
  test("fills a pipe of 1 Gbit/s and 50 ms within a second, and waits before it for 10 ms at most", () => {
    const { delivered, queueMs } = fly({ bytesPerMs: 125_000, roundTripMs: steady(50), forMs: 5_000 });
    assert.ok(delivered(1_000, 5_000) > 0.97 * 125_000, `${delivered(1_000, 5_000)} bytes a ms`);
    assert.ok(queueMs(1_500, 0.99) <= 10, `${queueMs(1_500, 0.99)} ms`);
  });

  test("lets a key wait for 30 ms at most beside bulk through 50 Mbit/s, 50 ms and a buffer without end", () => {
    const { delivered, queueMs } = fly({ bytesPerMs: 6_250, roundTripMs: steady(50), forMs: 40_000 });
    assert.ok(delivered(2_000, 40_000) > 0.97 * 6_250, `${delivered(2_000, 40_000)} bytes a ms`);
    assert.ok(queueMs(2_000, 0.99) <= 30, `${queueMs(2_000, 0.99)} ms`);
  });

  test("is what two processes of one machine need, and no more", () => {
    const { flight, delivered } = fly({ bytesPerMs: 400_000, roundTripMs: steady(0.4), forMs: 1_000 });
    assert.ok(delivered(100, 1_000) > 0.97 * 400_000, `${delivered(100, 1_000)} bytes a ms`);
    assert.ok(flight.window <= 800 * KiB, `${flight.window} bytes`);
  });

  test("is little where the pipe is small, whatever is written", () => {
    const { queueMs, delivered } = fly({ bytesPerMs: 625, roundTripMs: steady(30), forMs: 20_000 });
    assert.ok(delivered(3_000, 20_000) > 0.97 * 625);
    assert.ok(queueMs(5_000, 0.99) <= (64 * KiB) / 625 + 30, `${queueMs(5_000, 0.99)} ms`);
  });

  test("does not starve where processes are kept from running, for half of the time", () => {
    let seed = 1;
    const random = (): number => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed / 2_147_483_647;
    };
    const pauses: number[] = [];
    // What is due while the other end does not run comes when it does again: of each 30 ms it sleeps for up to 30.
    const heldUntil = (at: number): number => {
      const nr = Math.floor(at / 30);
      pauses[nr] ??= random() * 30;
      return Math.max(at, nr * 30 + pauses[nr]);
    };
    const { delivered } = fly({ bytesPerMs: 125_000, roundTripMs: steady(50), heldUntil, forMs: 10_000 });
    assert.ok(delivered(2_000, 10_000) > 0.85 * 125_000, `${delivered(2_000, 10_000)} bytes a ms`);
  });

  test("learns that the way has become longer", () => {
    const { delivered } = fly({ bytesPerMs: 20_000, roundTripMs: (at) => (at < 5_000 ? 20 : 120), forMs: 60_000 });
    assert.ok(delivered(40_000, 60_000) > 0.9 * 20_000, `${delivered(40_000, 60_000)} bytes a ms`);
  });

  test("keeps the queue short for as long as it goes on", () => {
    const { queueMs } = fly({ bytesPerMs: 12_500, roundTripMs: steady(40), forMs: 120_000 });
    assert.ok(queueMs(100_000, 0.99) <= 20, `${queueMs(100_000, 0.99)} ms`);
  });

  test("does not grow by a writer that has little to say", () => {
    const { flight } = fly({ bytesPerMs: 125_000, roundTripMs: steady(50), wants: 1_000, forMs: 5_000 });
    assert.equal(flight.window, 256 * KiB);
  });
});
