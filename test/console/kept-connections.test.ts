import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, createServer, get, type IncomingMessage, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { createFakeClock } from "../base/fake-clock.ts";
import { until } from "../patience.ts";
import { bearer, startConsole } from "./console-world.ts";

const atOnce = 64;

test("as many requests at once as before use the connections that are there, and all of them go when idle", async () => {
  const clock = createFakeClock();
  await using world = await startConsole({ agents: { clock } });
  let connections = 0;
  let waiting: ServerResponse[] = [];
  const app = createServer((_req, res) => {
    waiting.push(res);
    if (waiting.length < atOnce) return;
    for (const each of waiting) each.end("ok");
    waiting = [];
  });
  app.on("connection", () => {
    connections += 1;
  });
  await world.run("web", app);
  using agent = Object.assign(new Agent({ keepAlive: true }), {
    [Symbol.dispose](this: Agent) {
      this.destroy();
    },
  });
  const ask = async (): Promise<string> => {
    const path = "/apps/shop/web/http/";
    const [answer] = (await once(
      get({ agent, host: "127.0.0.1", port: world.port, path, headers: bearer }),
      "response",
    )) as [IncomingMessage];
    return text(answer);
  };
  for (let round = 0; round < 3; round++) {
    const answers = await Promise.all(Array.from({ length: atOnce }, ask));
    assert.deepEqual(new Set(answers), new Set(["ok"]));
    assert.equal(connections, atOnce, `in round ${round}`);
  }
  assert.equal(world.agents.host.exit.size, atOnce);
  await clock.advance(1_000);
  await until("the idle connections are gone", () => world.agents.host.exit.size === 0);
});

test("the head of an answer is there before its body, however long that takes", async () => {
  await using world = await startConsole();
  let answering: ServerResponse | undefined;
  await world.run("web", (_req, res) => {
    answering = res;
    res.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
  });
  const socket = connect(world.port, "127.0.0.1").setEncoding("latin1");
  socket.write(
    `GET /apps/shop/web/http/ HTTP/1.1\r\nHost: x\r\nAuthorization: ${bearer.authorization}\r\nConnection: close\r\n\r\n`,
  );
  let came = "";
  for await (const piece of socket) {
    came += piece;
    if (!came.includes("\r\n\r\n")) continue;
    if (answering?.writableEnded) continue;
    assert.match(came, /^HTTP\/1\.1 200 OK\r\n/);
    assert.doesNotMatch(came, /data:/);
    answering?.end("data: 1\n\n");
  }
  assert.match(came, /data: 1/);
});
