/** What one caller can make a console hold by requests that do not end, and what those are told who call it in a wrong way. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { describe, test } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { AppService } from "../../src/gen/fairlead/console/v1/app_service_pb.ts";
import { RetryAfterSchema } from "../../src/gen/fairlead/console/v1/error_pb.ts";
import { PodService } from "../../src/gen/fairlead/console/v1/pod_service_pb.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { until } from "../patience.ts";
import { bearer, type ConsoleWorld, startConsole } from "./console-world.ts";
import { createOffice, person } from "./people.ts";

const path = `/${AppService.typeName}/ListApps`;
const MiB = 1024 * 1024;
const json = { "content-type": "application/json" };
const by = (name: string): Record<string, string> => ({ ...json, authorization: `Bearer ${name}` });

function world(clock = createFakeClock()): Promise<ConsoleWorld> {
  return startConsole({
    clock,
    ways: [createOffice({ ann: person("ann"), ben: person("ben") })],
    routes: (router) => {
      router.service(AppService, { listApps: () => ({}) });
      router.service(PodService, {
        async *logs() {
          yield {};
        },
      });
    },
  });
}

interface Slow {
  readonly socket: Socket;
  /** All that was answered so far. */
  answer(): string;
}

/** Says that so much will come, sends all of it but the end, and then nothing. */
function sayMost(port: number, name: string, bytes: number, ends = false): Slow {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  const head = [
    `POST ${path} HTTP/1.1`,
    "Host: localhost",
    "Content-Type: application/json",
    `Authorization: Bearer ${name}`,
    "Transfer-Encoding: chunked",
  ];
  socket.write(`${head.join("\r\n")}\r\n\r\n${bytes.toString(16)}\r\n`);
  socket.write(Buffer.alloc(bytes, " "));
  socket.write(ends ? "\r\n2\r\n{}\r\n0\r\n\r\n" : "\r\n");
  let answer = "";
  socket.setEncoding("utf8").on("data", (piece: string) => {
    answer += piece;
  });
  return { socket, answer: () => answer };
}

describe("requests that do not end", () => {
  test("are held to 32 MiB of one person: what is more is refused, and others are answered", async () => {
    await using at = await world();
    const slow = Array.from({ length: 12 }, () => sayMost(at.port, "ann", 4 * MiB - 10));
    const isRefused = (one: Slow): boolean => one.answer().startsWith("HTTP/1.1 429");
    await until("what is too much is refused", () => slow.filter(isRefused).length >= 4);
    assert.match(
      slow.find(isRefused)?.answer() ?? "",
      /^retry-after: 1\r$.*"resource_exhausted".*send fewer at a time.*RetryAfter/ims,
    );
    const body = `{}${" ".repeat(100_000)}`;
    assert.equal((await at.ask(path, { method: "POST", headers: by("ben"), body })).status, 200);

    for (const { socket } of slow) socket.destroy();
    await until("there is room again when they have left", async () => {
      const large = sayMost(at.port, "ann", 4 * MiB - 10, true);
      await until("it is answered", () => large.answer() !== "");
      large.socket.destroy();
      return large.answer().startsWith("HTTP/1.1 200");
    });
  });

  test("have a minute to come, over either protocol, and are cut soon after they were told so", async () => {
    const clock = createFakeClock();
    await using at = await world(clock);
    const over1 = sayMost(at.port, "ann", 10);
    const session = connectHttp2(`http://127.0.0.1:${at.port}`);
    const over2 = session.request({ ":method": "POST", ":path": path, ...by("ann") });
    over2.on("error", () => undefined).write("{");
    const said = once(over2, "response");
    const ended = Promise.all([once(over1.socket, "close"), once(over2.resume(), "close")]);
    let isOver = false;
    void ended.then(() => {
      isOver = true;
    });
    await until("both have ended", async () => {
      await clock.advance(10_000);
      return isOver;
    });
    assert.match(over1.answer(), /^HTTP\/1.1 504.*did not come within 60 s/s);
    assert.equal((await said)[0][":status"], 504);
    session.destroy();
  });

  test("are told why they are refused, also when their length was not said", async () => {
    await using at = await world();
    const long = sayMost(at.port, "ann", 5 * MiB);
    await until("it is answered", () => long.answer().includes("resource_exhausted"));
    long.socket.destroy();
  });

  test("are not read at all where nothing is", async () => {
    await using at = await world();
    for (const nothing of ["/nothing", `/${AppService.typeName}/Nothing`]) {
      const socket = connect(at.port, "127.0.0.1");
      socket.write(
        `POST ${nothing} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 4000000\r\n\r\n{`,
      );
      assert.match(String((await once(socket, "data"))[0]), /^HTTP\/1.1 404 /);
      socket.destroy();
    }
  });
});

test("an error says no more than clients take in a header, whatever was asked", async () => {
  const failure = (): ConnectError => {
    const error = new ConnectError(`There is no "${"x".repeat(3_000_000)}".`, Code.NotFound);
    error.details = [{ desc: RetryAfterSchema, value: { seconds: 7 } }];
    return error;
  };
  await using at = await startConsole({
    routes: (router) => {
      router.service(AppService, {
        getApp() {
          throw failure();
        },
      });
      router.service(PodService, {
        async *logs() {
          yield {};
          throw failure();
        },
      });
    },
  });
  const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${at.port}` });
  const ref = { namespace: "shop", name: "web" };
  const isShort = (error: unknown): boolean =>
    error instanceof ConnectError &&
    error.code === Code.NotFound &&
    error.rawMessage.startsWith('There is no "xxx') &&
    error.rawMessage.length < 2_100 &&
    error.findDetails(RetryAfterSchema)[0]?.seconds === 7;
  await assert.rejects(createClient(AppService, transport).getApp({ ref }, { headers: bearer }), isShort);
  await assert.rejects(async () => {
    for await (const _ of createClient(PodService, transport).logs({ app: ref }, { headers: bearer }));
  }, isShort);
});

describe("who calls in a wrong way is told the right one", () => {
  async function told(at: ConsoleWorld, o: Parameters<ConsoleWorld["ask"]>[1], asked = path) {
    const { status, text, headers } = await at.ask(asked, o);
    assert.equal(headers["content-type"], "text/plain; charset=utf-8", "a client of Connect's goes by the status");
    return `${status} ${text}`;
  }

  test("without a Content-Type, as curl sends it, and with another", async () => {
    await using at = await world();
    const authorization = "Bearer ann";
    const form = { authorization, "content-type": "application/x-www-form-urlencoded" };
    const hint = /^415 .*has to be application\/json.*; it is "application\/x-www-form-urlencoded"\.\n$/;
    assert.match(await told(at, { method: "POST", headers: form, body: "{}" }), hint);
    assert.match(
      await told(at, { method: "POST", headers: { authorization }, body: "{}" }),
      /^415 .*; there is none\.\n$/,
    );
  });

  test("by GET", async () => {
    await using at = await world();
    assert.match(await told(at, { headers: by("ann") }), /^405 ListApps is called by POST/);
  });

  test("by plain JSON for what streams", async () => {
    await using at = await world();
    const logs = `/${PodService.typeName}/Logs`;
    const said = await told(at, { method: "POST", headers: by("ann"), body: "{}" }, logs);
    assert.match(said, /^415 Logs streams, .*GET \/events/);
  });

  test("for what there is not", async () => {
    await using at = await world();
    const asked = { method: "POST", headers: by("ann"), body: "{}" };
    const { status, text } = await at.ask(`/${AppService.typeName}/listapps`, asked);
    const { code, message } = JSON.parse(text);
    assert.deepEqual([status, code], [404, "unimplemented"]);
    assert.match(message, /^There is no call ".*listapps" here\. .*openapi/);
  });
});
