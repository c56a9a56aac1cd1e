import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { suite, test } from "node:test";
import { DialError, Reason, StreamError } from "../../src/wire/reason.ts";
import { Priority } from "../../src/wire/scheduler.ts";
import type { IncomingDial, IncomingStream } from "../../src/wire/session.ts";
import { until } from "../patience.ts";
import { openPair, service, serviceName } from "./pair.ts";
import { dataFrame, openFrame, openRaw } from "./raw-peer.ts";

/** Accepts every dial and hands it over. */
function acceptor(): { accept(incoming: IncomingStream): void; next(): Promise<Duplex> } {
  const accepted: Duplex[] = [];
  return {
    accept(incoming) {
      if (incoming.kind === "dial") accepted.push(incoming.accept());
    },
    async next() {
      await until("a dial is accepted", () => accepted.length > 0);
      return accepted.shift() as Duplex; // There is one, by the line above.
    },
  };
}

async function dialled(limits = {}) {
  const far = acceptor();
  const pair = await openPair({ acceptHigh: far.accept, limits });
  const near = await pair.low.dial(service("echo"));
  return { pair, near, far: await far.next(), next: far.next };
}

const reset = (reason: Reason) => (error: unknown) => {
  assert.ok(error instanceof StreamError, String(error));
  assert.equal(error.code, "ERR_STREAM_RESET");
  assert.equal(error.reason, reason);
  return true;
};

suite("dialled streams", () => {
  test("carry bytes both ways, from either end of the link", async () => {
    const far = acceptor();
    const pair = await openPair({ acceptLow: far.accept, acceptHigh: far.accept });
    for (const session of [pair.low, pair.high]) {
      const near = await session.dial(service("echo"));
      const other = await far.next();
      other.pipe(other);
      near.end("to and fro");
      assert.equal(await text(near), "to and fro");
    }
    await pair.close();
  });

  test("half-close: an end in one direction leaves the other open", async () => {
    const { pair, near, far } = await dialled();
    near.end("question");
    assert.equal(await text(far), "question");
    far.write("ans");
    await new Promise(setImmediate);
    assert.equal(near.destroyed, false);
    far.end("wer");
    assert.equal(await text(near), "answer");
    await until("the stream is over", () => pair.low.stats().open.normal === 0 && pair.high.stats().open.normal === 0);
    await pair.close();
  });

  test("a cut transfer looks cut, at both ends of a stream that is destroyed", async () => {
    const { pair, near, far } = await dialled();
    far.write(Buffer.alloc(100_000));
    await once(near, "readable");
    const cut = assert.rejects(buffer(near), reset(Reason.BROKEN));
    far.destroy(new Error("connect ECONNRESET 10.0.0.7:5432"));
    await cut;
    // What broke at the other end, and at which address, is not told.
    assert.doesNotMatch(near.errored?.message ?? "", /10\.0\.0\.7/);
    await pair.close();
  });

  test("a destroyed reader tells the writer that nobody listens", async () => {
    const { pair, near, far } = await dialled();
    const cut = once(far, "error");
    near.destroy();
    assert.ok(reset(Reason.CANCELLED)((await cut)[0]));
    await pair.close();
  });

  test("a right that is withdrawn ends the stream with that reason", async () => {
    const { pair, near, far } = await dialled();
    const cut = once(near, "error");
    far.destroy(new StreamError(Reason.REVOKED, "The grant was removed."));
    const [error] = await cut;
    assert.ok(reset(Reason.REVOKED)(error));
    assert.match(String(error), /The grant was removed/);
    await pair.close();
  });

  test("a lost link cuts its streams, and an ended session says why", async () => {
    const first = await dialled();
    const lost = once(first.near, "error");
    first.pair.highCarrier.destroy();
    assert.ok(reset(Reason.CARRIER_LOST)((await lost)[0]));
    assert.deepEqual((await first.pair.low.closed).by, "network");

    const second = await dialled();
    const ended = Promise.all([once(second.near, "error"), once(second.far, "error")]);
    second.pair.low.close({ reason: Reason.REMOVED, message: "You are no peer any more." });
    for (const [error] of await ended) {
      assert.ok(reset(Reason.REMOVED)(error));
      assert.match(String(error), /no peer any more/);
    }
    assert.deepEqual((await second.pair.high.closed).by, "them");
  });

  test("a refused dial says why; so does one that nobody waits for any more", async () => {
    let asked: IncomingDial | undefined;
    const pair = await openPair({
      acceptHigh: (incoming) => {
        if (incoming.kind !== "dial") return;
        if (serviceName(incoming.target) === "slow") asked = incoming;
        else incoming.refuse(Reason.DENIED, "Rule 7 says no.");
      },
    });
    const denied = (error: unknown) =>
      error instanceof DialError &&
      error.reason === Reason.DENIED &&
      error.remote &&
      error.message === "Rule 7 says no.";
    await assert.rejects(pair.low.dial(service("x")), denied);

    const giveUp = new AbortController();
    const slow = pair.low.dial(service("slow"), { signal: giveUp.signal });
    await until("the dial is heard of", () => asked !== undefined);
    giveUp.abort(new Error("enough"));
    await assert.rejects(slow, (error: unknown) => error instanceof DialError && error.reason === Reason.CANCELLED);
    await until("the other end hears that it was given up", () => asked?.signal.aborted === true);
    // To answer it now does no harm.
    asked?.accept().end("too late");
    await pair.close();
    await assert.rejects(pair.low.dial(service("x")), (error: unknown) => error instanceof DialError);
  });

  test("data that comes before the dial is accepted waits, and is not lost", async () => {
    let asked: IncomingDial | undefined;
    const pair = await openPair({
      acceptHigh: (incoming) => {
        if (incoming.kind === "dial") asked = incoming;
      },
    });
    const stream = pair.low.open({ dial: { target: service("late") } });
    stream.write([Buffer.from("early "), Buffer.from("bird")], () => undefined);
    stream.end();
    await until("all has come", () => pair.high.stats().bytesIn >= pair.low.stats().bytesOut && asked !== undefined);
    const far = asked?.accept();
    assert.ok(far);
    assert.equal(await text(far), "early bird");
    await pair.close();
  });

  test("a reader that stops does not stop others, and costs its credit at most", async () => {
    const { pair, near: stopped, far: pouring, next } = await dialled();
    let poured = 0;
    const pour = (): void => {
      while (!pouring.destroyed && pouring.write(Buffer.alloc(65_536))) poured += 65_536;
    };
    pouring.on("drain", pour);
    pour();
    await once(stopped, "readable");
    await until("the stopped stream has used up its credit", () => pair.high.stats().creditStalls > 0);

    const near = await pair.low.dial(service("echo"));
    const far = await next();
    far.pipe(far);
    const bytes = 8 * 1024 * 1024;
    near.end(Buffer.alloc(bytes));
    assert.equal((await buffer(near)).length, bytes);
    // 256 KiB of credit at this end; Node's own buffers and a write under way at the other.
    const held = poured - stopped.readableLength;
    assert.ok(poured <= 256 * 1024 + 3 * 128 * 1024, `${poured} bytes were taken, ${held} of them at the sender`);

    // It goes on where it stopped, once it reads.
    let read = 0;
    stopped.on("data", (chunk: Buffer) => {
      read += chunk.length;
    });
    await until("the stream flows again", () => read > 4 * 1024 * 1024);
    stopped.destroy();
    await pair.close();
  });

  test("readers of every kind give credit back: events, iteration, explicit reads, pauses", async () => {
    const bytes = 3 * 1024 * 1024;
    const sent = Buffer.alloc(bytes, "fairlead");
    const digest = createHash("sha256").update(sent).digest("hex");
    const ways: ((near: Duplex) => Promise<Buffer>)[] = [
      buffer,
      async (near) => {
        const parts: Buffer[] = [];
        for await (const part of near) {
          if (parts.length % 7 === 0) await new Promise(setImmediate);
          parts.push(part as Buffer);
        }
        return Buffer.concat(parts);
      },
      async (near) => {
        const parts: Buffer[] = [];
        near.on("readable", () => {
          // Odd sizes, so that something always stays behind; null when there is less than that.
          for (let part = near.read(777) ?? near.read(); part !== null; part = near.read(777) ?? near.read())
            parts.push(part);
        });
        await once(near, "end");
        return Buffer.concat(parts);
      },
      async (near) => {
        const parts: Buffer[] = [];
        near.on("data", (part: Buffer) => {
          parts.push(part);
          if (parts.length % 5 !== 0) return;
          near.pause();
          setImmediate(() => near.resume());
        });
        await once(near, "end");
        return Buffer.concat(parts);
      },
    ];
    for (const read of ways) {
      const { pair, near, far } = await dialled();
      far.end(sent);
      const got = await read(near);
      assert.equal(createHash("sha256").update(got).digest("hex"), digest);
      near.end();
      await pair.close();
    }
  });

  test("credit is given back when bytes are consumed, not when they arrive", async () => {
    let far: Duplex | undefined;
    const { peer } = await openRaw({
      accept: (incoming) => {
        if (incoming.kind === "dial") far = incoming.accept();
      },
    });
    peer.send(openFrame(1), dataFrame(1, new Uint8Array(65_536)), dataFrame(1, new Uint8Array(65_536)));
    await peer.hear("head");
    await until("the first frame is there to be read", () => far?.readableLength === 65_536);
    // Whatever is sent before the answer to a ping that follows has come before it.
    peer.send({ kind: { case: "ping", value: { id: 9n } } });
    await peer.hear("pong");
    assert.equal(
      peer.heard.some((frame) => frame.kind.case === "credit"),
      false,
    );
    far?.resume();
    let given = 0n;
    while (given < 131_072n) given += (await peer.hear("credit")).kind.value.bytes;
    assert.equal(given, 131_072n);
  });

  test("bytes that came while earlier ones waited are there as soon as those are read", async () => {
    const { pair, near, far } = await dialled();
    const arrived = (bytes: number) => until("it has arrived", () => pair.low.stats().bytesIn >= bytes);
    // In the mode where Node reads nothing by itself.
    near.on("readable", () => undefined);
    for (const letter of ["a", "b", "c"]) {
      const before = pair.low.stats().bytesIn;
      far.write(letter);
      await arrived(before + 1);
      for (let i = 0; i < 5; i++) await new Promise(setImmediate);
    }
    let got = "";
    for (let part = near.read(); part !== null; part = near.read()) got += String(part);
    assert.equal(got, "abc");
    await pair.close();
  });

  test("1 GiB flows through a dialled stream over a socket in constant memory", async () => {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const lowCarrier = connect(typeof address === "object" && address !== null ? address.port : 0, "127.0.0.1");
    const [highCarrier] = (await once(server, "connection")) as [Socket];
    const far = acceptor();
    const pair = await openPair({ carriers: [lowCarrier, highCarrier], acceptHigh: far.accept });
    const near = await pair.low.dial(service("gigabyte"), { priority: Priority.BULK });
    const source = await far.next();

    const total = 1024 ** 3;
    const piece = Buffer.alloc(64 * 1024, "x");
    let written = 0;
    const pour = (): void => {
      while (written < total) {
        written += piece.length;
        if (!source.write(piece)) return;
      }
      source.end();
    };
    source.on("drain", pour);
    const before = process.memoryUsage().rss;
    let highest = 0;
    let read = 0;
    near.on("data", (chunk: Buffer) => {
      const step = Math.floor(read / (64 * 1024 * 1024));
      read += chunk.length;
      if (Math.floor(read / (64 * 1024 * 1024)) > step) highest = Math.max(highest, process.memoryUsage().rss);
    });
    pour();
    await once(near, "end");
    assert.equal(read, total);
    assert.ok(highest - before < 200 * 1024 * 1024, `it took ${(highest - before) >> 20} MiB`);
    near.end();
    await pair.close();
    server.close();
  });

  test("something urgent goes ahead of bulk that waits", async () => {
    const { pair, near: bulk, far, next } = await dialled();
    far.resume();
    const urgent = await pair.low.dial(service("shell"), { priority: Priority.INTERACTIVE });
    const shell = await next();
    bulk.write(Buffer.alloc(4 * 1024 * 1024));
    urgent.write("key");
    await once(shell, "readable");
    assert.equal(String(shell.read()), "key");
    assert.ok(pair.high.stats().bytesIn < 1024 * 1024, "the key came before most of the bulk");
    await pair.close();
  });
});
