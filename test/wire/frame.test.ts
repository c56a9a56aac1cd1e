import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import { type Frame, FrameSchema } from "../../src/gen/fairlead/wire/v1/frame_pb.ts";
import { FrameDecoder } from "../../src/wire/decoder.ts";
import { encodeDataHeader, encodeFrame, kindCounts, kindNumber } from "../../src/wire/frame.ts";
import { Reason, SessionError } from "../../src/wire/reason.ts";
import { type FrameInit, frameBytes } from "./raw-peer.ts";

const streamNumber = fc.oneof(
  fc.integer({ min: 1, max: 300 }),
  fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  fc.constantFrom(127, 128, 2 ** 28, 2 ** 31, 2 ** 32, 2 ** 35, Number.MAX_SAFE_INTEGER),
);
const payload = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 300 }),
  fc.integer({ min: 1, max: 70_000 }).map((n) => new Uint8Array(n).fill(n)),
);

/** Reads chunks and lists what came, data put together. */
function decode(chunks: Iterable<Uint8Array>, maxFrameBytes = 131_072): Frame[] {
  const frames: Frame[] = [];
  const decoder = new FrameDecoder(
    {
      data: (stream, pieces, bytes) => {
        const value = Buffer.concat(pieces);
        assert.equal(value.length, bytes);
        frames.push(create(FrameSchema, { stream: BigInt(stream), kind: { case: "data", value } }));
      },
      frame: (frame) => frames.push(frame),
    },
    maxFrameBytes,
  );
  for (const chunk of chunks) decoder.push(chunk);
  return frames;
}

function* cut(bytes: Uint8Array, sizes: readonly number[]): Generator<Uint8Array> {
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    // A copy, as each chunk of a socket is a buffer of its own.
    yield Uint8Array.from(bytes.subarray(at, at + size));
    at += size;
  }
}

const anyFrame: fc.Arbitrary<FrameInit> = fc.oneof(
  fc.record({ stream: streamNumber.map(BigInt), kind: payload.map((value) => ({ case: "data" as const, value })) }),
  fc.record({
    stream: streamNumber.map(BigInt),
    kind: fc.bigInt(0n, 2n ** 53n).map((bytes) => ({ case: "credit" as const, value: { bytes } })),
  }),
  fc.record({
    stream: streamNumber.map(BigInt),
    kind: fc
      .record({ reason: fc.constantFrom(Reason.CANCELLED, Reason.BROKEN), message: fc.string({ unit: "grapheme" }) })
      .map((value) => ({ case: "reset" as const, value })),
  }),
  fc.record({ kind: fc.bigInt(0n, 2n ** 60n).map((id) => ({ case: "ping" as const, value: { id } })) }),
  fc.record({
    stream: streamNumber.map(BigInt),
    kind: fc
      .array(fc.record({ name: fc.string(), value: fc.string({ unit: "grapheme" }), binary: fc.uint8Array() }))
      .map((trailers) => ({ case: "end" as const, value: { trailers } })),
  }),
);

suite("frames", () => {
  test("the hand-written codec and the generated one write the same bytes", () => {
    fc.assert(
      fc.property(streamNumber, payload, (stream, value) => {
        const byHand = Buffer.concat([encodeDataHeader(stream, value.length), value]);
        assert.deepEqual(byHand, Buffer.from(frameBytes({ stream: BigInt(stream), kind: { case: "data", value } })));
        assert.deepEqual(byHand, Buffer.from(encodeFrame(stream, { case: "data", value })));
      }),
      { numRuns: 300 },
    );
  });

  test("frames of all kinds are the generated codec's to the byte", () => {
    fc.assert(
      fc.property(anyFrame, (frame) => {
        const { stream, kind } = create(FrameSchema, frame);
        if (kind.case === undefined) return;
        assert.deepEqual(Buffer.from(encodeFrame(Number(stream), kind)), Buffer.from(frameBytes(frame)));
      }),
      { numRuns: 300 },
    );
  });

  test("frames cut anywhere are read as they were written", () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 20_000 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 6 }), sizes, (frames, chunkSizes) => {
        const written = Buffer.concat(frames.map(frameBytes));
        assert.deepEqual(
          decode(cut(written, chunkSizes)).map((frame) => toBinary(FrameSchema, frame)),
          frames.map((frame) => toBinary(FrameSchema, create(FrameSchema, frame))),
        );
      }),
      { numRuns: 200 },
    );
  });

  test("frames that come in single bytes are read", () => {
    const frames: FrameInit[] = [
      { stream: 5n, kind: { case: "data", value: new Uint8Array(3000).fill(1) } },
      { kind: { case: "pong", value: { id: 9n } } },
      { stream: 7n, kind: { case: "data", value: new Uint8Array([1]) } },
    ];
    const read = decode(cut(Buffer.concat(frames.map(frameBytes)), [1]));
    assert.deepEqual(
      read.map((f) => f.kind.case),
      ["data", "pong", "data"],
    );
  });

  test("the payload of a data frame is not copied", () => {
    const chunk = Buffer.from(frameBytes({ stream: 3n, kind: { case: "data", value: new Uint8Array(1000) } }));
    const seen: Uint8Array[] = [];
    const decoder = new FrameDecoder({ data: (_, pieces) => seen.push(...pieces), frame: () => undefined }, 131_072);
    const half = chunk.subarray(500);
    decoder.push(chunk.subarray(0, 500));
    decoder.push(half);
    assert.deepEqual(
      seen.map((piece) => piece.buffer === chunk.buffer),
      [true, true],
    );
  });

  test("a data frame with its fields in another order is read all the same", () => {
    const body = new BinaryWriter()
      .tag(3, WireType.LengthDelimited)
      .bytes(new Uint8Array([1, 2]))
      .tag(1, WireType.Varint)
      .uint64(5n)
      .finish();
    const [frame] = decode([Uint8Array.from([body.length, ...body])]);
    assert.deepEqual([frame?.stream, frame?.kind], [5n, { case: "data", value: Buffer.from([1, 2]) }]);
  });

  test("unknown fields are ignored", () => {
    const body = new BinaryWriter()
      .raw(
        toBinary(FrameSchema, create(FrameSchema, { stream: 5n, kind: { case: "data", value: new Uint8Array([1]) } })),
      )
      .tag(99, WireType.LengthDelimited)
      .string("from a later version")
      .finish();
    const [frame] = decode([Uint8Array.from([body.length, ...body])]);
    assert.deepEqual(frame?.kind, { case: "data", value: Buffer.from([1]) });
  });

  test("a kind of a later version is known by its number, which says whether it counts", () => {
    const frame = fromBinary(
      FrameSchema,
      new BinaryWriter().tag(12, WireType.Varint).uint32(1).tag(70, WireType.Varint).uint32(1).finish(),
    );
    assert.equal(kindNumber(frame), 12);
    assert.deepEqual([3, 15, 16, 31, 32, 47, 48, 63, 64, 0].map(kindCounts), [
      true,
      true,
      false,
      false,
      true,
      true,
      false,
      false,
      false,
      false,
    ]);
  });

  test("an over-long frame is cut before it is read", () => {
    const tooLong = (error: unknown) => error instanceof SessionError && error.reason === Reason.FRAME_TOO_LARGE;
    // 131,073 as a varint; not a byte of the frame itself is there.
    assert.throws(() => decode([Uint8Array.from([0x81, 0x80, 0x08])]), tooLong);
    assert.throws(() => decode([Uint8Array.from([0xff, 0xff, 0xff, 0xff, 0x7f])]), tooLong);
  });

  test("bytes that are no frames are cut", () => {
    const malformed = (error: unknown) => error instanceof SessionError && error.reason === Reason.MALFORMED;
    assert.throws(() => decode([new Uint8Array(6).fill(0xff)]), malformed);
    assert.throws(() => decode([Uint8Array.from([2, 0x1a, 0x7f])]), malformed);
    // A stream number of 2^63.
    const huge = new BinaryWriter()
      .tag(1, WireType.Varint)
      .uint64(2n ** 63n)
      .finish();
    assert.throws(() => decode([Uint8Array.from([huge.length, ...huge])]), malformed);
    // Groups in groups, which a reader that recurses would follow to the end of its stack.
    const groups = new Uint8Array(100_000).fill(0x0b | 0x40);
    assert.throws(() => decode([Uint8Array.from([0xa0, 0x8d, 0x06]), groups]), malformed);
  });

  test("whatever comes, the decoder reads frames or says that there are none", () => {
    const noise = fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 6 });
    fc.assert(
      fc.property(noise, (chunks) => {
        try {
          decode(chunks);
        } catch (error) {
          assert.ok(error instanceof SessionError);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
