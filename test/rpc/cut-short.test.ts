import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError, createClient, type ServiceImpl } from "@connectrpc/connect";
import { StreamBody } from "../../src/rpc/body.ts";
import { createLinkTransport } from "../../src/rpc/transport.ts";
import type { Session } from "../../src/wire/session.ts";
import { EchoService } from "../gen/fairlead/test/v1/echo_pb.ts";
import { until } from "../patience.ts";
import { openPair } from "../wire/pair.ts";
import { createEchoServer } from "./echo.ts";
import { openRpcPair, serveWith } from "./pair.ts";

type Pour = ServiceImpl<typeof EchoService>["pour"];

/** Handlers that stop when they are told to, each in its way. */
const ways: Readonly<Record<string, Pour>> = {
  async *"simply returns"(_request, { signal }) {
    yield { number: 1 };
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  },
  async *"throws what its timer threw"(_request, { signal }) {
    yield { number: 1 };
    await sleep(60_000, undefined, { signal });
  },
};

for (const [way, pour] of Object.entries(ways)) {
  test(`an answer that a passed deadline has cut short looks cut, and not complete or broken, when its handler ${way}`, async () => {
    const pair = await openRpcPair({ pour });
    // Not by Connect's client, which would end the call by itself.
    const path = `/${EchoService.typeName}/${EchoService.method.pour.name}`;
    const headers = new Headers({ "content-type": "application/grpc+proto", "grpc-timeout": "20m" });
    const stream = pair.low.open({ rpc: { path, headers } });
    const body = new StreamBody(stream);
    stream.write([new Uint8Array(5)], () => undefined);
    stream.end();
    for await (const _ of body);
    assert.equal(body.trailers.get("grpc-status"), String(Code.DeadlineExceeded));
    await pair.close();
  });
}

/** Begins a call that has a deadline of 20 ms, whose request is `messages` empty ones and no end of it. */
function callWithoutEnd(session: Session, method: "say" | "collect" | "pour", messages: number): StreamBody {
  const path = `/${EchoService.typeName}/${EchoService.method[method].name}`;
  const headers = new Headers({ "content-type": "application/grpc+proto", "grpc-timeout": "20m" });
  const stream = session.open({ rpc: { path, headers } });
  if (messages > 0) stream.write([new Uint8Array(5 * messages)], () => undefined);
  return new StreamBody(stream);
}

for (const [method, messages] of [
  ["say", 0],
  ["say", 1],
  ["pour", 1],
  ["collect", 0],
  ["collect", 3],
] as const) {
  test(`a deadline ends a call of ${method} whose request stops after ${messages} messages`, async () => {
    const pair = await openRpcPair();
    const body = callWithoutEnd(pair.low, method, messages);
    for await (const _ of body);
    assert.equal(body.trailers.get("grpc-status"), String(Code.DeadlineExceeded));
    await until("nothing runs", () => pair.server.running === 0);
    await pair.close();
  });
}

test("a handler that would be told to stop before it begins does not begin", async () => {
  let begun = 0;
  let closed: Promise<void> | undefined;
  const server = createEchoServer({
    // As many do: to wait for what has happened already is to wait for ever.
    async say(_request, { signal }) {
      begun += 1;
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      return {};
    },
  });
  const pair = await openPair({
    acceptHigh(incoming) {
      serveWith(server)(incoming);
      // When the whole request has come, and nobody has read it.
      process.nextTick(() => {
        closed = server.close();
      });
    },
  });
  const client = createClient(EchoService, createLinkTransport(pair.low));
  await assert.rejects(client.say({ text: "now" }), { code: Code.Unavailable });
  await closed;
  assert.equal(begun, 0);
  await pair.close();
});

test("an answer that ends in mid-message is the other end's fault, and no message", async () => {
  // A prefix that says five bytes, one of them; two bytes of a prefix; a whole empty message and a byte more.
  for (const bytes of [
    [0, 0, 0, 0, 5, 1],
    [0, 0],
    [0, 0, 0, 0, 0, 0],
  ]) {
    const pair = await openPair({
      acceptHigh(incoming) {
        if (incoming.kind !== "rpc") return;
        const { stream } = incoming;
        stream.sendHead(200, new Headers({ "content-type": "application/grpc+proto" }));
        for (const byte of bytes) stream.write([Uint8Array.of(byte)], () => undefined);
        stream.end(new Headers({ "grpc-status": "0" }));
      },
    });
    const client = createClient(EchoService, createLinkTransport(pair.low));
    let messages = 0;
    const reading = (async () => {
      for await (const _ of client.pour({})) messages += 1;
    })();
    await assert.rejects(reading, (error) => error instanceof ConnectError && error.code === Code.Internal);
    assert.equal(messages, bytes.length === 6 && bytes[4] === 0 ? 1 : 0);
    await pair.close();
  }
});
