import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, createContextValues } from "@connectrpc/connect";
import { StreamBody } from "../../src/rpc/body.ts";
import { callerKey } from "../../src/rpc/caller.ts";
import { maxMessageBytes } from "../../src/rpc/message.ts";
import { createRpcServer } from "../../src/rpc/server.ts";
import { createLinkTransport } from "../../src/rpc/transport.ts";
import { EchoService, SayRequestSchema } from "../gen/fairlead/test/v1/echo_pb.ts";
import { until } from "../patience.ts";
import { openPair } from "../wire/pair.ts";
import { createEchoServer } from "./echo.ts";
import { openRpcPair, serveWith, tester } from "./pair.ts";

const fails = (code: Code, message?: RegExp) => (error: unknown) => {
  assert.ok(error instanceof ConnectError, String(error));
  assert.equal(Code[error.code], Code[code], error.message);
  if (message !== undefined) assert.match(error.rawMessage, message);
  return true;
};

function unexpected(): never {
  throw new Error("The call was answered.");
}

async function* texts(...words: string[]): AsyncGenerator<{ text: string }> {
  for (const text of words) {
    yield { text };
    await turn();
  }
}

async function list<T>(messages: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const message of messages) all.push(message);
  return all;
}

suite("calls over a link", () => {
  test("all four kinds work", async () => {
    const pair = await openRpcPair();
    const { client } = pair;
    assert.equal((await client.say({ text: "hello" })).text, "hello");
    assert.equal((await client.say({})).text, "");
    assert.deepEqual(
      (await list(client.pour({ count: 3, size: 10 }))).map((m) => m.number),
      [0, 1, 2],
    );
    assert.deepEqual(await list(client.pour({})), []);
    const sum = await client.collect(
      (async function* () {
        for (let i = 0; i < 5; i++) yield { data: new Uint8Array(100_000) };
      })(),
    );
    assert.deepEqual([sum.count, sum.bytes], [5, 500_000n]);
    assert.deepEqual(
      (await list(client.talk(texts("a", "b", "c")))).map((m) => m.text),
      ["a", "b", "c"],
    );
    await until("no call runs", () => pair.server.running === 0);
    assert.deepEqual(pair.low.stats().open, { control: 0, interactive: 0, normal: 0, bulk: 0 });
    await pair.close();
  });

  test("a conversation alternates: each answer comes before the next question", async () => {
    const pair = await openRpcPair();
    const heard: string[] = [];
    const questions = (async function* () {
      for (let i = 0; i < 5; i++) {
        yield { text: `q${i}` };
        await until("the answer is here", () => heard.length === i + 1);
      }
    })();
    for await (const { text } of pair.client.talk(questions)) heard.push(text);
    assert.deepEqual(heard, ["q0", "q1", "q2", "q3", "q4"]);
    await pair.close();
  });

  test("both ends call on one link", async () => {
    const server = createEchoServer();
    const pair = await openPair({ acceptLow: serveWith(server), acceptHigh: serveWith(server) });
    const clients = [pair.low, pair.high].map((session) => createClient(EchoService, createLinkTransport(session)));
    const answers = await Promise.all(
      clients.flatMap((c, i) => Array.from({ length: 50 }, (_, n) => c.say({ text: `${i}.${n}` }))),
    );
    assert.equal(new Set(answers.map((a) => a.text)).size, 100);
    await pair.close();
  });

  // Before the heap has grown by ten thousand calls, for a large heap is collected late.
  test("1 GiB flows through a server stream in constant memory", async () => {
    const pair = await openRpcPair();
    const size = 256 * 1024;
    const count = 1024 ** 3 / size;
    const before = process.memoryUsage().rss;
    let highest = 0;
    let bytes = 0;
    for await (const { data, number } of pair.client.pour({ count, size })) {
      bytes += data.length;
      if (number % 256 === 0) highest = Math.max(highest, process.memoryUsage().rss);
    }
    assert.equal(bytes, 1024 ** 3);
    assert.ok(highest - before < 256 * 1024 * 1024, `it took ${(highest - before) >> 20} MiB`);
    await pair.close();
  });

  test("10,000 concurrent calls over one link, without loss", async () => {
    let waiting = 0;
    let release: () => void = () => undefined;
    const all = new Promise<void>((resolve) => {
      release = resolve;
    });
    const pair = await openRpcPair({
      say: async (request) => {
        waiting += 1;
        if (waiting === 10_000) release();
        await all;
        return { text: request.text };
      },
    });
    const calls = Array.from(
      { length: 10_000 },
      async (_, i) => (await pair.client.say({ text: `call ${i}` })).text === `call ${i}`,
    );
    assert.equal((await Promise.all(calls)).filter(Boolean).length, 10_000);
    assert.equal(waiting, 10_000, "all of them ran at once");
    await pair.close();
  });

  test("a reader that stops does not make its server pour on", async () => {
    let poured = 0;
    const pair = await openRpcPair({
      async *pour(request) {
        for (let number = 0; number < request.count; number++) {
          poured += 1;
          yield { number, data: new Uint8Array(request.size) };
        }
      },
    });
    const stopped = pair.client.pour({ count: 10_000, size: 16_384 })[Symbol.asyncIterator]();
    await stopped.next();
    await until("the credit is used up", () => pair.high.stats().creditStalls > 0);
    assert.equal((await pair.client.say({ text: "still here" })).text, "still here");
    assert.ok(poured < 64, `${poured} messages of 16 KiB`);
    await stopped.return?.();
    await pair.close();
  });

  test("a cancelled call stops its handler", async () => {
    let aborted: unknown;
    let left = false;
    const pair = await openRpcPair({
      async *pour(_, context) {
        context.signal.addEventListener("abort", () => {
          aborted = context.signal.reason;
        });
        try {
          for (let number = 0; ; number++) {
            yield { number, data: new Uint8Array(10) };
            await turn();
          }
        } finally {
          left = true;
        }
      },
      say: (_, context) =>
        new Promise((_resolve, reject) => {
          context.signal.addEventListener("abort", () => reject(context.signal.reason));
        }),
    });
    const cancel = new AbortController();
    const pouring = list(pair.client.pour({}, { signal: cancel.signal }));
    const saying = pair.client.say({}, { signal: cancel.signal });
    await until("both run", () => pair.server.running === 2);
    cancel.abort();
    await assert.rejects(pouring, fails(Code.Canceled));
    await assert.rejects(saying, fails(Code.Canceled));
    await until("both handlers have stopped", () => left && pair.server.running === 0);
    assert.ok(aborted instanceof ConnectError && aborted.code === Code.Canceled);
    await pair.close();
  });

  test("a deadline ends the call at both ends", async () => {
    let allowedMs = 25;
    let runs = 0;
    let stopped: unknown;
    const pair = await openRpcPair({
      say: (_, { signal, timeoutMs }) =>
        new Promise((_resolve, reject) => {
          runs += 1;
          assert.ok((timeoutMs() ?? Number.POSITIVE_INFINITY) <= allowedMs);
          const stop = (): void => {
            stopped = signal.reason;
            reject(stopped);
          };
          if (signal.aborted) stop();
          else signal.addEventListener("abort", stop);
        }),
    });
    // On a busy machine a short call may be over before it has arrived.
    while (runs === 0) {
      allowedMs *= 2;
      await assert.rejects(pair.client.say({}, { timeoutMs: allowedMs }), fails(Code.DeadlineExceeded));
    }
    await until("the handler has stopped", () => stopped instanceof ConnectError);
    await pair.close();
  });

  test("errors arrive with code, message, metadata and details", async () => {
    const pair = await openRpcPair({
      say: () => {
        throw new ConnectError(
          "Not for you: 100 % – no.",
          Code.PermissionDenied,
          { rule: "seven", "raw-bin": "AAEC" },
          [{ desc: SayRequestSchema, value: { text: "a detail" } }],
        );
      },
      async *pour() {
        yield { number: 1, data: new Uint8Array(1) };
        throw new ConnectError("Half way.", Code.Aborted);
      },
      talk() {
        throw new Error("a secret of the implementation");
      },
    });
    const error = await pair.client.say({}).then(unexpected, (e: unknown) => ConnectError.from(e));
    assert.ok(fails(Code.PermissionDenied, /^Not for you: 100 % – no\.$/)(error));
    assert.equal(error.metadata.get("rule"), "seven");
    assert.deepEqual(error.findDetails(SayRequestSchema), [create(SayRequestSchema, { text: "a detail" })]);
    const got: number[] = [];
    const pouring = (async () => {
      for await (const { number } of pair.client.pour({})) got.push(number);
    })();
    await assert.rejects(pouring, fails(Code.Aborted, /^Half way\.$/));
    assert.deepEqual(got, [1]);
    await assert.rejects(list(pair.client.talk(texts("x"))), fails(Code.Internal, /^internal error$/));
    await pair.close();
  });

  test("headers and trailers travel both ways", async () => {
    const pair = await openRpcPair({
      say: (_, context) => {
        context.responseHeader.set("x-seen", context.requestHeader.get("x-asked") ?? "");
        context.responseTrailer.set("x-last", "word");
        return { text: "" };
      },
    });
    const seen: (string | null)[] = [];
    await pair.client.say(
      {},
      {
        headers: { "x-asked": "this" },
        onHeader: (headers) => seen.push(headers.get("x-seen")),
        onTrailer: (trailers) => seen.push(trailers.get("x-last")),
      },
    );
    assert.deepEqual(seen, ["this", "word"]);
    await pair.close();
  });

  test("a handler knows who calls, from the link and not from headers", async () => {
    const pair = await openRpcPair({
      say: (_, context) => ({ text: context.values.get(callerKey).peer ?? "nobody" }),
    });
    assert.equal((await pair.client.say({}, { headers: { peer: "mallory" } })).text, tester.peer);
    assert.deepEqual(createContextValues().get(callerKey), { fingerprint: "", guest: true, grants: [], caPem: "" });
    await pair.close();
  });

  test("an answer before the request's end is the answer", async () => {
    const pair = await openRpcPair({
      async collect(requests) {
        for await (const _ of requests) return { count: 1 };
        return {};
      },
    });
    const endless = (async function* () {
      for (;;) yield { data: new Uint8Array(50_000) };
    })();
    assert.equal((await pair.client.collect(endless)).count, 1);
    await until("the stream is over", () => pair.low.stats().open.normal === 0 && pair.high.stats().open.normal === 0);
    await pair.close();
  });

  test("a refusal before the request's end reaches the caller with its own code, and what still comes takes no room", async () => {
    const pair = await openRpcPair();
    for (const method of ["Say", "Collect"]) {
      const headers = new Headers({ "content-type": "application/grpc+proto" });
      const stream = pair.low.open({ rpc: { path: `/${EchoService.typeName}/${method}`, headers } });
      const answer = new StreamBody(stream);
      const tooLong = Buffer.alloc(200_000);
      tooLong.writeUInt32BE(maxMessageBytes + 1, 1); // Of gRPC's prefix: a flag and the message's length.
      stream.write([tooLong], () => undefined);
      await answer.headArrived;
      await list(answer);
      assert.equal(answer.trailers.get("grpc-status"), String(Code.ResourceExhausted), method);
      stream.end();
    }
    await until(
      "the streams are over",
      () => pair.low.stats().open.normal === 0 && pair.high.stats().open.normal === 0,
    );
    await pair.close();
  });

  test("a request that fails in the making fails the call, and stops the handler", async () => {
    const pair = await openRpcPair();
    const broken = (async function* () {
      yield { text: "one" };
      throw new Error("out of words");
    })();
    await assert.rejects(list(pair.client.talk(broken)), /out of words/);
    await until("the handler has stopped", () => pair.server.running === 0);
    await pair.close();
  });

  test("what is not there is Unimplemented, and too much is ResourceExhausted", async () => {
    const server = createRpcServer({ routes: () => undefined });
    const pair = await openPair({ acceptHigh: serveWith(server) });
    const client = createClient(EchoService, createLinkTransport(pair.low));
    await assert.rejects(client.say({}), fails(Code.Unimplemented, /no method \/fairlead\.test\.v1\.EchoService\/Say/));
    await assert.rejects(list(client.talk(texts("x"))), fails(Code.Unimplemented));
    await pair.close();

    const small = createRpcServer({
      maxConcurrent: 1,
      routes: (router) => router.service(EchoService, { say: () => new Promise(() => undefined) }),
    });
    const second = await openPair({ acceptHigh: serveWith(small) });
    const busy = createClient(EchoService, createLinkTransport(second.low));
    busy.say({}).catch(() => undefined);
    await until("one call runs", () => small.running === 1);
    await assert.rejects(busy.say({}), fails(Code.ResourceExhausted));
    await second.close();
  });

  test("a message beyond the limit is refused, and the link works on", async () => {
    const pair = await openRpcPair();
    const long = "x".repeat(4 * 1024 * 1024);
    await assert.rejects(pair.client.say({ text: long }), fails(Code.ResourceExhausted));
    assert.equal((await pair.client.say({ text: "short" })).text, "short");
    await pair.close();
  });

  test("trailers beyond the other end's limit end the call and not the link", async () => {
    const pair = await openRpcPair({
      say: () => {
        throw new ConnectError("y".repeat(200_000), Code.Internal);
      },
      talk: async function* () {
        yield { text: "fine" };
      },
    });
    await assert.rejects(pair.client.say({}), fails(Code.ResourceExhausted));
    assert.equal((await list(pair.client.talk(texts("x")))).length, 1);
    await pair.close();
  });

  test("a lost link makes calls Unavailable, those under way and those after", async () => {
    const pair = await openRpcPair({ say: () => new Promise(() => undefined) });
    const call = pair.client.say({});
    await until("the call runs", () => pair.server.running === 1);
    pair.lowCarrier.destroy();
    await assert.rejects(call, fails(Code.Unavailable));
    const after = await pair.client.say({}).then(unexpected, (e: unknown) => ConnectError.from(e));
    assert.equal(after.code, Code.Unavailable);
    assert.equal(after.metadata.get("fairlead-reason"), "CARRIER_LOST");
  });

  test("a server that closes stops its handlers and refuses what comes later", async () => {
    const pair = await openRpcPair({
      say: (_, context) =>
        new Promise((_resolve, reject) => {
          context.signal.addEventListener("abort", () => reject(context.signal.reason));
        }),
    });
    const call = pair.client.say({});
    await until("the call runs", () => pair.server.running === 1);
    const rejected = assert.rejects(call, fails(Code.Unavailable));
    await pair.server.close();
    await rejected;
    await assert.rejects(pair.client.say({}), fails(Code.Unavailable, /stopping/));
    await pair.close();
  });

  test("a call that is aborted already is never sent", async () => {
    const pair = await openRpcPair();
    await assert.rejects(pair.client.say({}, { signal: AbortSignal.abort() }), fails(Code.Canceled));
    assert.equal(pair.low.stats().opened, 0);
    await pair.close();
  });
});
