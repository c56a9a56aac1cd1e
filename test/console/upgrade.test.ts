import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { connect, type Socket } from "node:net";
import { describe, test } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import { until } from "../patience.ts";
import { bearer, startConsole, token } from "./console-world.ts";

async function readUntil(socket: Socket, end: string): Promise<string> {
  let text = "";
  for await (const part of socket.iterator({ destroyOnReturn: false })) {
    text += part;
    if (text.includes(end)) break;
  }
  return text;
}

describe("an upgrade through a door", () => {
  test("is passed on as bytes once the app agrees, early bytes of both ends included", async () => {
    await using world = await startConsole();
    const app = createServer();
    app.on("upgrade", (req, socket, head) => {
      socket.write(
        `HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: ${req.headers.upgrade}\r\nX-Own: 1\r\n\r\nearly:${head}:`,
      );
      socket.on("data", (part) => socket.write(`<${part}>`));
      socket.on("end", () => socket.end("bye"));
    });
    await world.run("echo", app);
    const socket = connect(world.port, "127.0.0.1");
    socket.write(
      `GET /apps/shop/echo/http/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nConnection: upgrade\r\nUpgrade: custom/1\r\n\r\nhi`,
    );
    const answer = await readUntil(socket, "<hi>");
    assert.match(answer, /^HTTP\/1\.1 101 Switching\r\n/);
    assert.match(answer, /Upgrade: custom\/1\r\n/i);
    assert.match(answer, /X-Own: 1/);
    assert.match(answer, /early::<hi>$/);
    socket.write("more");
    assert.equal(await readUntil(socket, ">"), "<more>");
    socket.end();
    assert.equal(await readUntil(socket, "bye"), "bye", "half-close passes");
    await until("nothing is left", () => world.agents.host.exit.size === 0);
  });

  test("carries a WebSocket with subprotocol and close code at the app's own host, with its session only", async () => {
    await using world = await startConsole();
    const app = createServer();
    const sockets = new WebSocketServer({ server: app, handleProtocols: () => "chat" });
    sockets.on("connection", (socket, req) => {
      socket.on("message", (data) => {
        if (String(data) === "bye") socket.close(4001, "as asked");
        else socket.send(`${req.headers.cookie ?? "no cookie"} ${data}`);
      });
    });
    await world.run("chat", app);
    const host = `chat-shop-http.localhost:${world.port}`;
    const open = (headers: Record<string, string>) =>
      new WebSocket(`ws://127.0.0.1:${world.port}/`, ["chat"], { headers: { host, ...headers } });

    const [refused] = await once(open({}), "error");
    assert.match(String(refused), /401/);
    const cookie = await world.signIn("chat");
    const [foreign] = await once(open({ cookie, origin: "http://evil.localhost" }), "error");
    assert.match(String(foreign), /403/);

    const socket = open({ cookie, origin: `http://${host}` });
    await once(socket, "open");
    assert.equal(socket.protocol, "chat");
    socket.send("x".repeat(200_000));
    const [echo] = await once(socket, "message");
    assert.equal(String(echo), `no cookie ${"x".repeat(200_000)}`);
    socket.send("bye");
    const [code, reason] = await once(socket, "close");
    assert.equal(code, 4001);
    assert.equal(String(reason), "as asked");
  });

  test("is answered with the app's own refusal, or with the door's reason", async () => {
    await using world = await startConsole();
    await world.run("plain", (_req, res) => res.writeHead(403, { "content-type": "text/plain" }).end("not here"));
    const ask = async (name: string) => {
      const socket = connect(world.port, "127.0.0.1");
      socket.write(
        `GET /apps/shop/${name}/http/ HTTP/1.1\r\nHost: x\r\nAuthorization: ${bearer.authorization}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
      );
      return Buffer.concat(await socket.toArray()).toString();
    };
    assert.match(await ask("plain"), /^HTTP\/1\.1 403 [\s\S]*not here/);
    assert.match(await ask("nothing"), /^HTTP\/1\.1 404 [\s\S]*no-such-app/);
    world.agents.permission = { allowed: false, rule: "grants/apps", message: "No grant." };
    assert.match(await ask("plain"), /^HTTP\/1\.1 403 [\s\S]*grants\/apps/);
  });

  test("ends as a break at the app when the client goes without a word", async () => {
    await using world = await startConsole();
    const app = createServer();
    let broken = false;
    app.on("upgrade", (_req, socket) => {
      socket.on("error", () => {
        broken = true;
      });
      socket.write("HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
    });
    await world.run("echo", app);
    const socket = connect(world.port, "127.0.0.1");
    socket.write(
      `GET /apps/shop/echo/http/ HTTP/1.1\r\nHost: x\r\nAuthorization: ${bearer.authorization}\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n`,
    );
    await readUntil(socket, "101");
    socket.resetAndDestroy();
    await until("the app sees the reset", () => broken);
  });
});
