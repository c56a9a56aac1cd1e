/** Connections that die without a word: they are found, left, and the session goes on at the next one. */
import assert from "node:assert/strict";
import { Duplex } from "node:stream";
import { buffer } from "node:stream/consumers";
import { suite, test } from "node:test";
import { Reason, reasonName } from "../../src/wire/reason.ts";
import type { Session } from "../../src/wire/session.ts";
import { createFakeClock, type FakeClock } from "../base/fake-clock.ts";
import { until } from "../patience.ts";
import { echo, twoEnds } from "./carriers.ts";
import { service } from "./pair.ts";

/** One end of a connection with a wire that can be cut, without that anybody is told, and that may be slow. */
class WireEnd extends Duplex {
  other: WireEnd | undefined;
  readonly #clock: FakeClock;
  /** What goes from here is lost on the way; it is taken all the same, as by a kernel that waits for acknowledgements. */
  deaf = false;
  /** Nothing is taken any more: the kernel's buffer is full. */
  full = false;
  bytesPerSecond = Number.POSITIVE_INFINITY;
  /** What the kernel takes of a slow connection; when that is full it takes more when a third is free, as Linux does. */
  kernelBytes = 0;
  #waiting = Buffer.alloc(0);
  #taken: (() => void) | undefined;

  constructor(clock: FakeClock) {
    super({ allowHalfOpen: false });
    this.#clock = clock;
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    if (this.full) return;
    if (this.bytesPerSecond === Number.POSITIVE_INFINITY) {
      this.#pass(chunk);
      done();
      return;
    }
    const isMoving = this.#waiting.length > 0;
    this.#waiting = Buffer.concat([this.#waiting, chunk]);
    if (this.#waiting.length <= this.kernelBytes) done();
    else this.#taken = done;
    if (!isMoving) this.#trickle();
  }

  #pass(chunk: Buffer): void {
    if (!this.deaf) this.other?.push(chunk);
  }

  #trickle(): void {
    this.#clock.after(250, () => {
      const bytes = this.bytesPerSecond / 4;
      this.#pass(this.#waiting.subarray(0, bytes));
      this.#waiting = this.#waiting.subarray(bytes);
      const taken = this.#taken;
      if (taken !== undefined && this.#waiting.length <= (this.kernelBytes * 2) / 3) {
        this.#taken = undefined;
        taken();
      }
      if (this.#waiting.length > 0) this.#trickle();
    });
  }

  /** As TLS does: what is written together is taken together. */
  override _writev(chunks: { chunk: Buffer }[], done: () => void): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), "buffer", done);
  }

  override _final(done: () => void): void {
    if (!this.deaf && !this.full) this.other?.push(null);
    done();
  }
}

function wire(clock: FakeClock): [WireEnd, WireEnd] {
  const ends: [WireEnd, WireEnd] = [new WireEnd(clock), new WireEnd(clock)];
  ends[0].other = ends[1];
  ends[1].other = ends[0];
  return ends;
}

/** What each carrier of a session died of, and after how many seconds from now. */
function watchDeaths(clock: FakeClock, session: Session): string[] {
  const deaths: string[] = [];
  const from = clock.monotonic();
  session.onCarrier((change) => {
    if (change.kind === "lost") {
      deaths.push(`${reasonName(change.why.reason)} ${Math.round((clock.monotonic() - from) / 1000)}`);
    }
  });
  return deaths;
}

async function pass(clock: FakeClock, seconds: number): Promise<void> {
  for (let s = 0; s < seconds; s += 1) await clock.advance(1_000);
}

suite("a connection that dies without a word", () => {
  test("is found by both ends when they have nothing to say, as when a NAT forgot it; the session goes on", async () => {
    const clock = createFakeClock();
    const ends = twoEnds({ clock, acceptHigh: echo });
    const [near, far] = wire(clock);
    const { low, high } = await ends.join([near, far]);
    const stream = await low.dial(service("echo"));
    await pass(clock, 3);
    const deaths = [watchDeaths(clock, low), watchDeaths(clock, high)];
    near.deaf = true;
    far.deaf = true;
    await pass(clock, 40);
    assert.deepEqual(deaths, [[], []]);
    await pass(clock, 12);
    for (const [death = "", ...more] of deaths) {
      assert.match(death, /^SILENT (4\d|5[0-2])$/);
      assert.deepEqual(more, []);
    }
    const got = buffer(stream);
    stream.end("still here");
    await ends.join();
    assert.equal(String(await got), "still here");
    low.close({ reason: Reason.SHUTDOWN, message: "Done." });
  });

  for (const busy of [false, true]) {
    test(`in one direction only is found by the end that hears nothing, ${busy ? "under load" : "idle"}; the session goes on`, async () => {
      const clock = createFakeClock();
      const ends = twoEnds({ clock, acceptHigh: echo });
      const [near, far] = wire(clock);
      const { low, high } = await ends.join([near, far]);
      const stream = await low.dial(service("echo"));
      const [lows, highs] = [watchDeaths(clock, low), watchDeaths(clock, high)];
      near.deaf = true; // The high end hears nothing any more, and is heard.
      const got = buffer(stream);
      const sent = Buffer.alloc(busy ? 3_000_000 : 10, "x");
      if (busy) stream.write(sent);
      await pass(clock, 55);
      assert.match(highs[0] ?? "", /^SILENT (4\d|5[0-2])$/);
      assert.match(lows[0] ?? "", /^(CARRIER_LOST|SILENT)/, "it is told by the one that gave up, or notices soon");
      assert.equal(low.stats().carrierlessSince === undefined, false);
      if (!busy) stream.write(sent);
      stream.end();
      await ends.join();
      assert.equal((await got).length, sent.length);
      low.close({ reason: Reason.SHUTDOWN, message: "Done." });
    });
  }

  test("under full load is found by writes that make no progress, within 13 s; the session goes on", async () => {
    const clock = createFakeClock();
    const ends = twoEnds({ clock, acceptHigh: echo });
    const [near, far] = wire(clock);
    const { low } = await ends.join([near, far]);
    const stream = await low.dial(service("echo"));
    const got = buffer(stream);
    stream.end(Buffer.alloc(2_000_000, "x"));
    await until("it is under way", () => low.stats().bytesOut > 100_000);
    const deaths = watchDeaths(clock, low);
    near.full = true;
    far.full = true;
    await pass(clock, 9);
    assert.deepEqual(deaths, []);
    await pass(clock, 5);
    assert.match(deaths[0] ?? "", /^STALLED 1[0-3]$/);
    await ends.join();
    assert.equal((await got).length, 2_000_000);
    low.close({ reason: Reason.SHUTDOWN, message: "Done." });
  });

  test("while the machine slept is found within 13 s after it woke; the session goes on", async () => {
    const clock = createFakeClock();
    const ends = twoEnds({ clock, acceptHigh: echo });
    const [near, far] = wire(clock);
    const { low } = await ends.join([near, far]);
    const stream = await low.dial(service("echo"));
    await pass(clock, 3);
    near.deaf = true;
    far.deaf = true;
    clock.jump(8 * 3_600_000);
    const deaths = watchDeaths(clock, low);
    await pass(clock, 14);
    assert.match(deaths[0] ?? "", /^SILENT 1[0-3]$/);
    const got = buffer(stream);
    stream.end("good morning");
    await ends.join();
    assert.equal(String(await got), "good morning");
    low.close({ reason: Reason.SHUTDOWN, message: "Done." });
  });

  for (const kernelBytes of [0, 256 * 1024]) {
    test(`is never taken for a busy one: a modem that is full for minutes lives, with ${kernelBytes} bytes in the kernel`, async () => {
      const clock = createFakeClock();
      const ends = twoEnds({ clock, acceptHigh: echo, limits: { streamCredit: 1_000_000 } });
      const [near, far] = wire(clock);
      const { low, high } = await ends.join([near, far]);
      const stream = await low.dial(service("echo"));
      for (const end of [near, far]) Object.assign(end, { bytesPerSecond: 4_096, kernelBytes });
      const deaths = [watchDeaths(clock, low), watchDeaths(clock, high)];
      const got = buffer(stream);
      stream.end(Buffer.alloc(600_000, "x"));
      let length = 0;
      void got.then((all) => {
        length = all.length;
      });
      for (let s = 0; s < 2_400 && length === 0; s += 1) await clock.advance(1_000);
      assert.deepEqual(deaths, [[], []]);
      assert.equal(length, 600_000);
      low.close({ reason: Reason.SHUTDOWN, message: "Done." });
    });
  }
});
