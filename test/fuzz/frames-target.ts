/** The decoder of frames by itself: bytes are frames or a reason, however they are cut. */
import assert from "node:assert/strict";
import { FrameDecoder } from "../../src/wire/decoder.ts";
import { encodeFrame } from "../../src/wire/frame.ts";
import { HeaderError, readHeaders, writeHeaders } from "../../src/wire/headers.ts";
import { SessionError } from "../../src/wire/reason.ts";
import type { Random } from "../faults/simulation/random.ts";
import { loadConversations } from "./conversations.ts";
import { cut, mutate } from "./mutator.ts";
import type { Input, Target } from "./target.ts";

const maxFrameBytes = 131_072;

export async function createFramesTarget(): Promise<Target> {
  const [first, ...rest] = [...(await loadConversations(false)), ...(await loadConversations(true))].flatMap(
    ({ low, high }) => [...low, ...high],
  );
  const said: readonly [Buffer, ...Buffer[]] = [first ?? Buffer.alloc(1), ...rest];
  return {
    name: "frames",
    make: (random: Random) => [cut(mutate(random.pick(said), random, random.pick(said), true), random)],
    async play(input: Input) {
      const pieces = input.flat();
      const whole = read([Buffer.concat(pieces)]);
      assert.deepEqual(read(pieces), whole, "cut otherwise, the same bytes are other frames");
    },
    unharmed: async () => undefined,
    close: async () => undefined,
  };
}

/** What a decoder makes of them, up to the first that is no frame. */
function read(pieces: readonly Buffer[]): string[] {
  const seen: string[] = [];
  const decoder = new FrameDecoder(
    {
      data(stream, parts, bytes) {
        const data = Buffer.concat(parts);
        assert.equal(data.length, bytes);
        seen.push(`${stream} data ${data.toString("hex")}`);
      },
      frame(frame, bytes) {
        assert.ok(bytes <= maxFrameBytes);
        const { kind } = frame;
        seen.push(`${frame.stream} ${kind.case}`);
        if (kind.case === undefined) return;
        assert.ok(encodeFrame(Number(frame.stream), kind).length > 0);
        if (kind.case === "head") again(kind.value.headers);
        if (kind.case === "end") again(kind.value.trailers);
      },
    },
    maxFrameBytes,
  );
  try {
    // A decoder owns what it is given.
    for (const piece of pieces) decoder.push(Buffer.from(piece));
  } catch (error) {
    assert.ok(error instanceof SessionError, String(error));
    seen.push(error.message);
  }
  return seen;
}

/** Headers that can be read can be written, and are then the same. */
function again(list: Parameters<typeof readHeaders>[0]): void {
  try {
    const headers = readHeaders(list);
    assert.deepEqual([...readHeaders(writeHeaders(headers))], [...headers]);
  } catch (error) {
    assert.ok(error instanceof HeaderError, String(error));
  }
}
