/** gRPC through a door: Connect's own client at one end, its server over HTTP/2 in clear at the other. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { describe, test } from "node:test";
import { Code, ConnectError, createClient, type ServiceImpl } from "@connectrpc/connect";
import { connectNodeAdapter, createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { EchoService } from "../gen/fairlead/test/v1/echo_pb.ts";
import { until } from "../patience.ts";
import { echo } from "../rpc/echo.ts";
import { bearer, type ConsoleWorld, startConsole } from "./console-world.ts";
import { connectHttp2 } from "./http2-client.ts";

async function runGrpc(world: ConsoleWorld, changes: Partial<ServiceImpl<typeof EchoService>> = {}) {
  const app = createServer(
    connectNodeAdapter({ routes: (router) => router.service(EchoService, { ...echo, ...changes }) }),
  );
  app.listen(0, "127.0.0.1");
  await once(app, "listening");
  const ports = [{ name: "grpc", number: (app.address() as AddressInfo).port, appProtocol: "h2c" }];
  world.agents.offer("rpc", ports[0]?.number ?? 0, { ports });
  world.show({ namespace: "shop", name: "rpc", uid: "uid-rpc", peer: "there", ports });
  const sessionManager = new Http2SessionManager(`http://127.0.0.1:${world.port}`);
  const transport = createGrpcTransport({
    baseUrl: `http://127.0.0.1:${world.port}/apps/shop/rpc/grpc`,
    sessionManager,
    interceptors: [
      (next) => (request) => {
        request.header.set("authorization", bearer.authorization);
        return next(request);
      },
    ],
  });
  return {
    client: createClient(EchoService, transport),
    [Symbol.dispose]() {
      sessionManager.abort();
      app.close();
    },
  };
}

describe("a gRPC client at a door", () => {
  test("makes all four kinds of call, of which one speaks in turns", async () => {
    await using world = await startConsole();
    using grpc = await runGrpc(world);
    const { client } = grpc;
    assert.equal((await client.say({ text: "hello" })).text, "hello");
    const numbers: number[] = [];
    let bytes = 0;
    for await (const { number, data } of client.pour({ count: 50, size: 40_000 })) {
      numbers.push(number);
      bytes += data.length;
    }
    assert.deepEqual(numbers, [...Array(50).keys()]);
    assert.equal(bytes, 2_000_000);
    async function* pieces() {
      for (let i = 0; i < 50; i += 1) yield { data: new Uint8Array(40_000) };
    }
    const collected = await client.collect(pieces());
    assert.deepEqual([collected.count, collected.bytes], [50, 2_000_000n]);

    // Each word is said only when the one before has come back.
    let say = (_text: string | undefined): void => undefined;
    async function* words() {
      for (;;) {
        const text = await new Promise<string | undefined>((resolve) => {
          say = resolve;
        });
        if (text === undefined) return;
        yield { text };
      }
    }
    const answers = client.talk(words())[Symbol.asyncIterator]();
    for (const text of ["one", "two", "three"]) {
      const answer = answers.next();
      await new Promise((resolve) => setImmediate(resolve));
      say(text);
      assert.equal((await answer).value?.text, text);
    }
    const end = answers.next();
    await new Promise((resolve) => setImmediate(resolve));
    say(undefined);
    assert.equal((await end).done, true);
  });

  test("gets an error of the app with its code, details and trailers, also one that is all in the head", async () => {
    await using world = await startConsole();
    using grpc = await runGrpc(world, {
      say() {
        throw new ConnectError("not this", Code.FailedPrecondition, { "x-why": "because" });
      },
      async *pour() {
        yield { number: 1 };
        throw new ConnectError("no more", Code.DataLoss);
      },
    });
    const { client } = grpc;
    await assert.rejects(client.say({ text: "x" }), (error: unknown) => {
      assert.ok(error instanceof ConnectError);
      assert.deepEqual([error.code, error.rawMessage], [Code.FailedPrecondition, "not this"]);
      assert.equal(error.metadata.get("x-why"), "because");
      return true;
    });
    const seen: number[] = [];
    await assert.rejects(
      async () => {
        for await (const { number } of client.pour({ count: 2, size: 1 })) seen.push(number);
      },
      { code: Code.DataLoss },
    );
    assert.deepEqual(seen, [1]);

    const app = createServer();
    app.on("stream", (stream) =>
      stream.respond({ ":status": 200, "content-type": "application/grpc", "grpc-status": "5" }, { endStream: true }),
    );
    app.listen(0, "127.0.0.1");
    await once(app, "listening");
    const ports = [{ name: "grpc", number: (app.address() as AddressInfo).port, appProtocol: "h2c" }];
    world.agents.offer("head", ports[0]?.number ?? 0, { ports });
    world.show({ namespace: "shop", name: "head", uid: "uid-head", peer: "there", ports });
    await using raw = await connectHttp2(`http://127.0.0.1:${world.port}`, bearer);
    const answer = await raw.ask("/apps/shop/head/grpc/a.B/C", { te: "trailers" }, "body");
    assert.equal(answer.headers["grpc-status"], "5");
    assert.equal(answer.headEnded, true, "a head that ends the stream still does, or clients miss the trailers");
    app.close();
  });

  test("takes the app's work along when it cancels", async () => {
    await using world = await startConsole();
    let running = 0;
    let ended = 0;
    using grpc = await runGrpc(world, {
      async *pour(_request, { signal }) {
        running += 1;
        yield { number: 1 };
        await once(signal, "abort");
        ended += 1;
      },
    });
    const gone = new AbortController();
    await assert.rejects(async () => {
      for await (const _ of grpc.client.pour({ count: 1, size: 1 }, { signal: gone.signal })) gone.abort();
    });
    await until("the app's work has ended", () => running === 1 && ended === 1);
  });
});
