import assert from "node:assert/strict";
import { createServer, type ServerResponse } from "node:http";
import { type Duplex, duplexPair } from "node:stream";
import { test } from "node:test";
import { serveOnStreams } from "../../src/base/http-on-streams.ts";
import { until } from "../patience.ts";
import { createFakeClock } from "./fake-clock.ts";

const get = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";

/** One that answers nobody by itself, and keeps a connection for a minute. */
function start(prepare: (server: ReturnType<typeof createServer>) => void = () => undefined) {
  const clock = createFakeClock();
  const asked: ServerResponse[] = [];
  const server = createServer((_request, response) => void asked.push(response));
  prepare(server);
  const streams = serveOnStreams(server, { clock, idleMs: 60_000 });
  const dial = (signal?: AbortSignal) => {
    const [here, there] = duplexPair();
    const heard = { text: "" };
    here
      .on("error", () => undefined)
      .on("data", (chunk: Buffer) => {
        heard.text += chunk;
      });
    const served = streams.serve(there, signal);
    return { here, there, heard, served };
  };
  const ask = async (stream: Duplex): Promise<ServerResponse> => {
    stream.write(get);
    return until("it is asked", () => asked.shift());
  };
  return { clock, dial, ask };
}

test("who dials and asks nothing, or only half of something, is let go when its time is up", async () => {
  for (const said of ["", "GET / HTTP/1.1\r\nhos"]) {
    const { clock, dial } = start();
    const { here, there, served } = dial();
    if (said !== "") here.write(said);
    await clock.advance(60_999);
    assert.equal(there.destroyed, false);
    await clock.advance(1);
    await served;
    assert.equal(there.destroyed, true);
    assert.equal(clock.timers, 0);
  }
});

test("an answer may take its time, and after it the connection is kept for a while, anew after each", async () => {
  const { clock, dial, ask } = start();
  const { here, there, served, heard } = dial();
  await clock.advance(50_000);
  const first = await ask(here);
  await clock.advance(3_600_000);
  first.end("one");
  await until("it is answered", () => heard.text.endsWith("one\r\n0\r\n\r\n") || heard.text.endsWith("one"));
  assert.match(heard.text, /keep-alive: timeout=60\r\n/i);
  await clock.advance(50_000);
  (await ask(here)).end("two");
  await until("it is answered again", () => heard.text.includes("two"));
  await clock.advance(50_000);
  assert.equal(there.destroyed, false);
  await clock.advance(11_000);
  await served;
});

test("all are waited for when requests stand in a line", async () => {
  const { clock, dial, ask } = start();
  const { here, there, served, heard } = dial();
  const first = await ask(here);
  const second = await ask(here);
  first.end("one");
  await until("the first is answered", () => heard.text.includes("one"));
  await clock.advance(3_600_000);
  assert.equal(there.destroyed, false);
  second.end("two");
  await until("both are answered", () => heard.text.includes("two"));
  await clock.advance(61_000);
  await served;
});

test("a connection that was upgraded has no end here, and a request that waits for its body to be liked has none", async () => {
  const { clock, dial } = start((server) => {
    server.on("upgrade", (_request, socket: Duplex) => socket.write("HTTP/1.1 101 Switching Protocols\r\n\r\n"));
    server.on("checkContinue", (_request, response: ServerResponse) => response.writeContinue());
  });
  for (const [head, answer] of [
    ["connection: upgrade\r\nupgrade: x", " 101 "],
    ["content-length: 1\r\nexpect: 100-continue", " 100 "],
  ]) {
    const { here, there, heard, served } = dial();
    here.write(`POST / HTTP/1.1\r\nhost: x\r\n${head}\r\n\r\n`);
    await until("it is answered", () => heard.text.includes(answer ?? ""));
    await clock.advance(3_600_000);
    assert.equal(there.destroyed, false, head);
    here.destroy();
    there.destroy();
    await served;
  }
  assert.equal(clock.timers, 0);
});

test("ends with its signal, also when that has aborted before", async () => {
  const { clock, dial } = start();
  const stop = new AbortController();
  const one = dial(stop.signal);
  stop.abort(new Error("No longer."));
  await one.served;
  const other = dial(stop.signal);
  await other.served;
  assert.deepEqual([one.there.destroyed, other.there.destroyed, clock.timers], [true, true, 0]);
});
