import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { suite, type TestContext, test } from "node:test";
import { LinkError } from "../../src/link/error.ts";
import { acceptWebSocket, openWebSocket } from "../../src/link/websocket.ts";
import { patience, until } from "../patience.ts";
import { listen } from "./agents.ts";
import { webSocketPair } from "./websocket-pair.ts";

const KiB = 1024;

test("bytes pass both ways at once, whatever pieces they are written in", async (t) => {
  const { dialled, accepted } = await webSocketPair(t);
  const sizes = [1, 125, 126, 16_384, 65_535, 65_536, 65_537, 300_000, 7, 0, 1_000_000];
  const hashes = await Promise.all(
    [
      [dialled, accepted],
      [accepted, dialled],
    ].map(async ([from, to]) => {
      assert.ok(from && to);
      const sent = createHash("sha256");
      const received = createHash("sha256");
      const total = sizes.reduce((sum, size) => sum + size, 0);
      let read = 0;
      to.on("data", (chunk: Buffer) => {
        received.update(chunk);
        read += chunk.length;
      });
      for (const size of sizes) {
        const chunk = randomBytes(size);
        sent.update(chunk);
        from.write(chunk);
      }
      await until("all has come", () => read === total);
      return [sent.digest("hex"), received.digest("hex")];
    }),
  );
  for (const [sent, received] of hashes) assert.equal(received, sent);
});

test("an end is an end at the other side, with everything that was written before it", async (t) => {
  const { dialled, accepted } = await webSocketPair(t);
  dialled.resume();
  dialled.end(Buffer.alloc(200_000, 1));
  let bytes = 0;
  for await (const chunk of accepted) bytes += (chunk as Buffer).length;
  assert.equal(bytes, 200_000);
  await until("both ends are closed", () => dialled.destroyed && accepted.destroyed);
  assert.equal(dialled.errored, null);
});

test("a cut is an error at the other side, and never an end", async (t) => {
  for (const cutter of ["dialled", "accepted"] as const) {
    const pair = await webSocketPair(t);
    const other = cutter === "dialled" ? pair.accepted : pair.dialled;
    let ended = false;
    other.on("end", () => {
      ended = true;
    });
    other.resume();
    pair[cutter].write("some");
    pair[cutter].destroy();
    const [error] = (await once(other, "error", { signal: patience() })) as [Error];
    assert.match(error.message, /cut/);
    assert.equal(ended, false);
  }
});

test("a reader that stops stops its writer within a bound, and nothing is lost when it goes on", async (t) => {
  const { dialled, accepted } = await webSocketPair(t);
  const chunk = Buffer.alloc(64 * KiB);
  const total = 64 * KiB * 1024;
  let written = 0;
  const pump = (): void => {
    while (written < total) {
      written += chunk.length;
      if (!dialled.write(chunk)) {
        dialled.once("drain", pump);
        return;
      }
    }
    dialled.end();
  };
  pump();
  let before = -1;
  while (before !== written) {
    before = written;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  // The kernel's buffers on loopback hold several MiB; this program's are to hold little.
  assert.ok(written < total / 2, `${written} bytes were taken with nobody reading`);
  assert.ok(dialled.writableLength <= 256 * KiB, `${dialled.writableLength} bytes wait at the writer`);
  assert.ok(accepted.readableLength <= 256 * KiB, `${accepted.readableLength} bytes wait at the reader`);
  let read = 0;
  for await (const data of accepted) read += (data as Buffer).length;
  assert.equal(read, total);
});

suite("what a stranger says in a WebSocket:", () => {
  test("a text message is refused with code 1003", async (t) => {
    const { stream, stranger } = await strangerPair(t);
    stranger.write(maskedFrame(0x1, Buffer.from("hello")));
    await brokenBy(stream, /text message/);
    assert.equal(await closeCode(stranger), 1003);
  });

  test("a message longer than 64 KiB is refused with code 1009 before it has come", async (t) => {
    const { stream, stranger } = await strangerPair(t);
    stranger.write(maskedFrame(0x2, Buffer.alloc(65_537)).subarray(0, 20));
    await brokenBy(stream, /payload size/i);
    assert.equal(await closeCode(stranger), 1009);
  });

  test("endless fragments of one message are refused", async (t) => {
    const { stream, stranger } = await strangerPair(t);
    const start = maskedFrame(0x2, Buffer.alloc(1));
    start[0] = 0x02;
    const more = maskedFrame(0x0, Buffer.alloc(1));
    more[0] = 0x00;
    stranger.write(Buffer.concat([start, ...Array<Buffer>(40).fill(more)]));
    await brokenBy(stream, /fragments/);
  });

  test("a frame without a mask, of an unknown kind, or compressed is refused", async (t) => {
    for (const bytes of [
      [0x82, 0x01, 0x00],
      [0x83, 0x80, 0, 0, 0, 0],
      [0xc2, 0x80, 0, 0, 0, 0],
    ]) {
      const { stream, stranger } = await strangerPair(t);
      stranger.write(Buffer.from(bytes));
      await brokenBy(stream, /./);
    }
  });

  test("bytes that break the protocol in the very packet of the upgrade end nothing but that stream", async (t) => {
    const { stream } = await strangerPair(t, Buffer.from([0xff, 0xff, 0xff, 0xff]));
    await until("the stream is destroyed", () => stream.destroyed);
    assert.ok(stream.errored);
  });
});

test("what answers without upgrading is told apart, and nothing stays open", async (t) => {
  const answers: [string, RegExp][] = [
    ["HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", /HTTP 404.*path right.*Upgrade and Connection/],
    ["HTTP/1.1 503 Unavailable\r\ncontent-length: 0\r\n\r\n", /HTTP 503.*is it running/],
    ["HTTP/1.1 302 Found\r\nlocation: https://x/\r\ncontent-length: 0\r\n\r\n", /redirects/],
    [
      "HTTP/1.1 101 Switching\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: x\r\n\r\n",
      /Accept/,
    ],
    [`HTTP/1.1 200 OK\r\nx: ${"y".repeat(99_999)}\r\n\r\n`, /header|overflow/i],
    ["SSH-2.0-OpenSSH_9\r\n", /parse/i],
    ["", /./],
  ];
  const server = createServerOf(t, (socket, index) => void socket.end(answers[index]?.[0] ?? ""));
  const port = await server.port;
  for (const [, message] of answers) {
    const socket = connect(port, "127.0.0.1");
    await assert.rejects(openWebSocket(new URL(`ws://127.0.0.1:${port}/link`), socket, patience()), (error: Error) => {
      assert.ok(error instanceof LinkError);
      assert.equal(error.code, "not-an-agent");
      assert.match(error.message, message);
      return true;
    });
    assert.ok(socket.destroyed);
  }
});

test("an abort while the other end keeps silent rejects at once and closes the socket", async (t) => {
  const { port } = createServerOf(t, () => {});
  const socket = connect(await port, "127.0.0.1");
  const stop = new AbortController();
  const opening = openWebSocket(new URL(`ws://127.0.0.1:${await port}/link`), socket, stop.signal);
  await once(socket, "connect");
  stop.abort(new Error("enough"));
  await assert.rejects(opening, /enough/);
  assert.ok(socket.destroyed);
});

function createServerOf(t: TestContext, answer: (socket: Socket, index: number) => void): { port: Promise<number> } {
  let index = 0;
  const server = createServer();
  server.removeAllListeners("connection");
  server.on("connection", (socket: Socket) => {
    socket.on("error", () => {});
    socket.once("data", () => answer(socket, index++));
  });
  return { port: listen(t, server) };
}

/** A stream that was accepted from a client which is written by hand, byte by byte. */
async function strangerPair(
  t: TestContext,
  withUpgrade = Buffer.alloc(0),
): Promise<{ stream: Duplex; stranger: Socket }> {
  const server = createServer();
  const port = await listen(t, server);
  const accepted = new Promise<Duplex>((resolve, reject) => {
    server.on("upgrade", (request, socket, head) => acceptWebSocket(request, socket, head).then(resolve, reject));
  });
  const stranger = connect(port, "127.0.0.1");
  stranger.on("error", () => {});
  t.after(() => stranger.destroy());
  const head =
    "GET /link HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
  stranger.write(Buffer.concat([Buffer.from(head), withUpgrade]));
  const stream = await accepted;
  if (withUpgrade.length === 0) await once(stranger, "data", { signal: patience() });
  return { stream, stranger };
}

async function brokenBy(stream: Duplex, message: RegExp): Promise<void> {
  stream.resume();
  const [error] = (await once(stream, "error", { signal: patience() })) as [Error];
  assert.match(error.message, message);
}

function maskedFrame(opcode: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(14);
  head[0] = 0x80 | opcode;
  head[1] = 0x80 | 127;
  head.writeBigUInt64BE(BigInt(payload.length), 2);
  return Buffer.concat([head, payload]);
}

async function closeCode(stranger: Socket): Promise<number> {
  const [frame] = (await once(stranger, "data", { signal: patience() })) as [Buffer];
  assert.equal(frame[0], 0x88);
  return frame.readUInt16BE(2);
}
