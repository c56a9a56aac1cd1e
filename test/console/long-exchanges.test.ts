/** What takes long, or goes both ways: nothing at the door counts the time, and nothing of it is looked into. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { describe, test } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import { createFakeClock } from "../base/fake-clock.ts";
import { until } from "../patience.ts";
import { bearer, startConsole } from "./console-world.ts";

const hoursMs = 6 * 3_600_000;

describe("at a door", () => {
  test("a poll is answered after hours, and a stream of events goes on after hours of silence", async () => {
    const clock = createFakeClock();
    await using world = await startConsole({ clock, agents: { clock } });
    const waiting = new Map<string, ServerResponse>();
    await world.run("web", (req, res) => {
      waiting.set(req.url ?? "", res);
      if (req.url === "/events") res.writeHead(200, { "content-type": "text/event-stream" }).write("data: first\n\n");
    });
    const base = `http://127.0.0.1:${world.port}/apps/shop/web/http`;
    const poll = fetch(`${base}/poll`, { headers: bearer });
    const events = await fetch(`${base}/events`, { headers: bearer });
    const reader = events.body?.pipeThrough(new TextDecoderStream()).getReader();
    assert.equal((await reader?.read())?.value, "data: first\n\n");
    await until("both wait", () => waiting.size === 2);
    await clock.advance(hoursMs);
    waiting.get("/events")?.end("data: last\n\n");
    assert.equal((await reader?.read())?.value, "data: last\n\n");
    assert.equal((await reader?.read())?.done, true);
    waiting.get("/poll")?.end("news");
    assert.equal(await (await poll).text(), "news");
  });

  test("a WebSocket stays compressed from end to end, with its subprotocol, its pings and its close", async () => {
    await using world = await startConsole();
    const app = createServer();
    let wire = 0;
    const sockets = new WebSocketServer({
      server: app,
      perMessageDeflate: { threshold: 0 },
      handleProtocols: () => "v2",
    });
    const closed = new Promise<unknown[]>((resolve) => {
      sockets.on("connection", (socket, req) => {
        req.socket.on("data", (part: Buffer) => {
          wire += part.length;
        });
        socket.on("message", (data, binary) => socket.send(data, { binary }));
        socket.on("close", (code, reason) => resolve([code, String(reason)]));
      });
    });
    await world.run("chat", app);
    const url = `ws://127.0.0.1:${world.port}/apps/shop/chat/http/`;
    const socket = new WebSocket(url, ["v1", "v2"], { headers: bearer, perMessageDeflate: { threshold: 0 } });
    await once(socket, "open");
    assert.equal(socket.protocol, "v2");
    assert.match(socket.extensions, /permessage-deflate/);
    const text = "the same again, ".repeat(60_000);
    socket.send(text);
    const [echo, binary] = await once(socket, "message");
    assert.deepEqual([String(echo) === text, binary], [true, false]);
    assert.ok(wire < text.length / 20, `${wire} bytes came for ${text.length}`);
    socket.send(Buffer.alloc(70_000, 7));
    const [bytes, isBinary] = await once(socket, "message");
    assert.deepEqual([bytes, isBinary], [Buffer.alloc(70_000, 7), true]);
    socket.ping("are you there");
    const [pong] = await once(socket, "pong");
    assert.equal(String(pong), "are you there");
    socket.close(4321, "enough");
    const [code, reason] = await once(socket, "close");
    assert.deepEqual([code, String(reason)], [4321, "enough"]);
    assert.deepEqual(await closed, [4321, "enough"]);
    await until("nothing is left at the host", () => world.agents.host.exit.size === 0);
  });
});
