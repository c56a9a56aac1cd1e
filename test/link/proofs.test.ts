/** The promises of size, over one real link: a WebSocket, mutual TLS inside it, frames, and calls on top. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type TestContext, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { createClient, type ServiceImpl } from "@connectrpc/connect";
import { TargetSchema } from "../../src/gen/fairlead/wire/v1/target_pb.ts";
import type { Link } from "../../src/link/link.ts";
import { createLinkTransport } from "../../src/rpc/transport.ts";
import type { IncomingStream } from "../../src/wire/session.ts";
import { EchoService } from "../gen/fairlead/test/v1/echo_pb.ts";
import { patience } from "../patience.ts";
import { createEchoServer } from "../rpc/echo.ts";
import { serveWith } from "../rpc/pair.ts";
import { newAgent } from "./agents.ts";
import { dialFrom, openHarbour } from "./linked.ts";

const gibibyte = 1024 ** 3;
/** Bytes: far below what is carried, above what a garbage collector leaves lying about. */
const mostGrowth = 256 * 1024 ** 2;

test("1 GiB flows through a server stream of a real link in constant memory", async (t) => {
  const client = await callsOver(t, {});
  const size = 256 * 1024;
  const memory = watchMemory();
  let bytes = 0;
  for await (const { data } of client.pour({ count: gibibyte / size, size }, { signal: patience(280_000) })) {
    bytes += data.length;
    memory.look(bytes);
  }
  assert.equal(bytes, gibibyte);
  assert.ok(memory.growth() < mostGrowth, `it took ${memory.growth() >> 20} MiB`);
});

test("1 GiB flows through a dialled stream of a real link in constant memory", async (t) => {
  const piece = Buffer.alloc(64 * 1024, "x");
  function* pieces(): Generator<Buffer> {
    for (let sent = 0; sent < gibibyte; sent += piece.length) yield piece;
  }
  const link = await linkTo(t, (stream) => {
    if (stream.kind === "dial") void pipeline(Readable.from(pieces()), stream.accept()).catch(() => undefined);
  });
  const target = create(TargetSchema, { kind: { case: "service", value: { namespace: "test", name: "gigabyte" } } });
  const stream = await link.session.dial(target, { signal: patience(280_000) });
  const memory = watchMemory();
  let bytes = 0;
  stream.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    memory.look(bytes);
  });
  await once(stream, "end");
  stream.end();
  assert.equal(bytes, gibibyte);
  assert.ok(memory.growth() < mostGrowth, `it took ${memory.growth() >> 20} MiB`);
});

// Behind those that look at memory: what 10,000 calls leave to the garbage collector would count as theirs.
test("10,000 concurrent calls over one real link, without loss", async (t) => {
  let waiting = 0;
  const all = Promise.withResolvers<void>();
  const client = await callsOver(t, {
    async say({ text }) {
      waiting += 1;
      if (waiting === 10_000) all.resolve();
      await all.promise;
      return { text };
    },
  });
  const texts = Array.from({ length: 10_000 }, (_, number) => `call ${number}`);
  const signal = patience(280_000);
  const answers = await Promise.all(texts.map(async (text) => (await client.say({ text }, { signal })).text));
  assert.deepEqual(answers, texts);
  assert.equal(waiting, 10_000, "all of them ran at once");
});

async function callsOver(t: TestContext, calls: Partial<ServiceImpl<typeof EchoService>>) {
  const link = await linkTo(t, serveWith(createEchoServer(calls)));
  return createClient(EchoService, createLinkTransport(link.session));
}

/** A link to an agent that does this with each stream. */
async function linkTo(t: TestContext, accept: (stream: IncomingStream) => void): Promise<Link> {
  const [near, far] = [await newAgent(t), await newAgent(t)];
  const harbour = await openHarbour(t, far, { accept: (_link, stream) => accept(stream) });
  return dialFrom(t, near, { url: `ws://127.0.0.1:${harbour.port}/link`, pin: far.identity.fingerprint });
}

/** Looks at this process, in which both ends are, once in 64 MiB. */
function watchMemory() {
  const before = process.memoryUsage().rss;
  let highest = before;
  let next = 0;
  return {
    look(bytes: number) {
      if (bytes < next) return;
      next += 64 * 1024 ** 2;
      highest = Math.max(highest, process.memoryUsage().rss);
    },
    growth: () => highest - before,
  };
}
