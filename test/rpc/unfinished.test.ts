/** What a caller may make the other end hold before any of it is a message. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { StreamBody } from "../../src/rpc/body.ts";
import { createRpcServer } from "../../src/rpc/server.ts";
import { Reason } from "../../src/wire/reason.ts";
import type { Stream } from "../../src/wire/stream.ts";
import { EchoService } from "../gen/fairlead/test/v1/echo_pb.ts";
import { until } from "../patience.ts";
import { openPair } from "../wire/pair.ts";
import { tester } from "./pair.ts";

const path = `/${EchoService.typeName}/Say`;

async function startServer(maxUnfinishedBytes: number) {
  const server = createRpcServer({
    routes: (router) => router.service(EchoService, { say: ({ text }) => ({ text: String(text.length) }) }),
    maxUnfinishedBytes,
  });
  const who = { fingerprint: "a" };
  const pair = await openPair({
    acceptHigh(incoming) {
      if (incoming.kind === "rpc") void server.serve(incoming, { ...tester, ...who });
    },
  });
  return { server, pair, who };
}

/** A call that has said how long its message will be, and sent so much of it. */
function begin(
  pair: Awaited<ReturnType<typeof startServer>>["pair"],
  length: number,
  sent = 0,
): { stream: Stream; body: StreamBody } {
  const headers = new Headers({ "content-type": "application/grpc+proto" });
  const stream = pair.low.open({ rpc: { path, headers } });
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(length, 1);
  stream.write([prefix, Buffer.alloc(sent)], () => undefined);
  return { stream, body: new StreamBody(stream) };
}

async function statusOf(body: StreamBody): Promise<string> {
  for await (const _ of body);
  return Code[Number(body.trailers.get("grpc-status"))] ?? "OK";
}

test("one caller's unfinished messages are bounded, leave room for others', and are forgotten with their calls", async () => {
  const { server, pair, who } = await startServer(100);
  const [first, second] = [begin(pair, 40, 10), begin(pair, 10)];
  await until("two calls run", () => server.running === 2);
  assert.equal(await statusOf(begin(pair, 20).body), "ResourceExhausted");
  who.fingerprint = "b";
  const other = begin(pair, 25);
  await until("another's call runs", () => server.running === 3);
  who.fingerprint = "a";
  for (const { stream, body } of [first, second, other]) {
    stream.reset(Reason.CANCELLED);
    await assert.rejects(statusOf(body), ConnectError);
  }
  await until("no call runs", () => server.running === 0);
  const again = begin(pair, 50);
  await until("there is room again", () => server.running === 1);
  again.stream.reset(Reason.CANCELLED);
  await pair.close();
});

test("a call that is cut while its handler waits for something else leaves nothing that counts", async () => {
  const handling = Promise.withResolvers<void>();
  const server = createRpcServer({
    routes: (router) =>
      router.service(EchoService, {
        async *talk(requests, { signal }) {
          for await (const { text } of requests) {
            handling.resolve();
            // Its answer is never read, so it is never asked for the next, nor told that nobody will.
            while (!signal.aborted) yield { text: text.padEnd(100_000) };
          }
        },
      }),
  });
  const pair = await openPair({
    acceptHigh: (incoming) => void (incoming.kind === "rpc" && server.serve(incoming, tester)),
  });
  const headers = new Headers({ "content-type": "application/grpc+proto" });
  const stream = pair.low.open({ rpc: { path: `/${EchoService.typeName}/Talk`, headers } });
  // A whole message, and the beginning of one of 4,000 bytes.
  stream.write([Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 15, 160, 1])], () => undefined);
  await handling.promise;
  await until("it counts", () => server.unfinishedBytes === 4_000);
  stream.reset(Reason.CANCELLED);
  await until("the call is over", () => server.running === 0);
  assert.equal(server.unfinishedBytes, 0);
  await pair.close();
});

test("messages that come whole cost nothing that lasts, however many and however they are cut", async () => {
  const { server, pair } = await startServer(1_000);
  const text = Buffer.concat([Buffer.from([10, 100]), Buffer.alloc(100, 97)]);
  const message = Buffer.concat([Buffer.from([0, 0, 0, 0, text.length]), text]);
  for (let count = 0; count < 50; count += 1) {
    const stream = pair.low.open({ rpc: { path, headers: new Headers({ "content-type": "application/grpc+proto" }) } });
    const cut = count * 2;
    stream.write([message.subarray(0, cut)], () => undefined);
    await new Promise((resolve) => setImmediate(resolve));
    stream.write([message.subarray(cut)], () => undefined);
    stream.end();
    assert.equal(await statusOf(new StreamBody(stream)), "OK", `cut at ${cut}`);
  }
  assert.equal(server.running, 0);
  await pair.close();
});
