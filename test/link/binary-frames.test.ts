import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { connect } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import { BinaryFrames } from "../../src/link/binary-frames.ts";
import { acceptWebSocket } from "../../src/link/websocket.ts";
import { listen } from "./agents.ts";

interface Frame {
  readonly first: number;
  readonly mask: number | undefined;
  readonly payload: Uint8Array;
}

const maxPayload = 70_000;

/** As in RFC 6455 §5.2; `mask` is the same byte four times. */
function frameBytes({ first, mask, payload }: Frame): Buffer {
  const { length } = payload;
  const header = [first, (mask === undefined ? 0 : 0x80) + (length < 126 ? length : length < 65_536 ? 126 : 127)];
  if (length >= 65_536) header.push(0, 0, 0, 0, 0, length >> 16, (length >> 8) & 0xff, length & 0xff);
  else if (length >= 126) header.push(length >> 8, length & 0xff);
  if (mask !== undefined) header.push(mask, mask, mask, mask);
  return Buffer.concat([Buffer.from(header), payload.map((byte) => byte ^ (mask ?? 0))]);
}

const small = fc.uint8Array({ maxLength: 125 });
const sized = fc
  .constantFrom(0, 1, 125, 126, 300, 65_535, 65_536, 70_000)
  .map((length) => new Uint8Array(length).fill(length % 251));
const binary = (mask: number | undefined) =>
  fc.record({ first: fc.constant(0x82), mask: fc.constant(mask), payload: sized });
const control = (mask: number | undefined) =>
  fc.record({ first: fc.constantFrom(0x89, 0x8a), mask: fc.constantFrom(mask, mask && 7), payload: small });
/** What the library has to read, or to refuse, with all that follows. */
const unusual = (mask: number | undefined) =>
  fc.oneof(
    fc.record({
      first: fc.constantFrom(0x02, 0x81, 0xc2, 0x00, 0x88, 0xff, 0x09),
      mask: fc.constant(mask),
      payload: small,
    }),
    fc.record({ first: fc.constant(0x82), mask: fc.constant(mask === undefined ? 0 : undefined), payload: small }),
    fc.record({
      first: fc.constant(0x82),
      mask: fc.constant(mask),
      payload: fc.constant(new Uint8Array(maxPayload + 1)),
    }),
    ...(mask === undefined ? [] : [fc.record({ first: fc.constant(0x82), mask: fc.constant(9), payload: sized })]),
  );

/** How frames, cut into chunks of such sizes, are told apart. */
function split(
  bytes: Buffer,
  sizes: readonly number[],
  masked: boolean,
): { payload: Buffer; other: Buffer; begun: number } {
  const payload: Buffer[] = [];
  const other: Buffer[] = [];
  let begun = 0;
  const outlet = {
    payload: (piece: Buffer) => void payload.push(piece),
    other: (piece: Buffer) => void other.push(piece),
    begun: () => {
      begun += 1;
    },
  };
  const frames = new BinaryFrames(outlet, { masked, maxPayload });
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1;
    frames.take(bytes.subarray(at, at + size));
    at += size;
  }
  return { payload: Buffer.concat(payload), other: Buffer.concat(other), begun };
}

for (const masked of [true, false]) {
  test(`plain messages ${masked ? "of who dialled" : "of who accepted"} are taken out of a WebSocket, cut anywhere, and all else is left to the library`, () => {
    const mask = masked ? 0 : undefined;
    const usual = fc.array(fc.oneof(binary(mask), control(mask)), { maxLength: 6 });
    const sizes = fc.array(fc.integer({ min: 1, max: 5_000 }), { minLength: 1, maxLength: 6 });
    const end = fc.option(unusual(mask), { nil: undefined });
    fc.assert(
      fc.property(usual, end, usual, sizes, (before, odd, after, cuts) => {
        const rest = odd === undefined ? [] : [odd, ...after];
        const got = split(Buffer.concat([...before, ...rest].map(frameBytes)), cuts, masked);
        const plain = before.filter(({ first }) => first === 0x82);
        const others = [...before.filter(({ first }) => first !== 0x82), ...rest];
        assert.ok(got.payload.equals(Buffer.concat(plain.map(({ payload }) => payload))));
        assert.ok(got.other.equals(Buffer.concat(others.map(frameBytes))));
        assert.equal(got.begun, plain.length);
      }),
      { numRuns: 150 },
    );
  });
}

test("what came before a WebSocket broke in mid-message is read, also when its reader was slow", async (t) => {
  const server = createServer();
  const port = await listen(t, server);
  const accepted = new Promise<Awaited<ReturnType<typeof acceptWebSocket>>>((resolve, reject) => {
    server.on("upgrade", (request, socket, head) => acceptWebSocket(request, socket, head).then(resolve, reject));
  });
  const socket = connect(port, "127.0.0.1");
  t.after(() => socket.destroy());
  socket.on("error", () => undefined);
  socket.write(
    "GET /link HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
  );
  const stream = await accepted;
  const whole = new Uint8Array(60_000).fill(1);
  const broken = once(stream, "error");
  for (let message = 0; message < 8; message++) socket.write(frameBytes({ first: 0x82, mask: 0, payload: whole }));
  const last = frameBytes({ first: 0x82, mask: 0, payload: whole });
  socket.end(last.subarray(0, 30_000));
  await once(stream, "readable");
  let came = 0;
  stream.on("data", (piece: Buffer) => {
    assert.ok(
      piece.every((byte) => byte === 1),
      "no byte of a header is taken for one of the stream",
    );
    came += piece.length;
  });
  const [error] = (await broken) as [Error];
  assert.match(error.message, /was cut/);
  assert.ok(came <= 8 * 60_000 + 30_000);
});
