import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createHttpServer, type IncomingMessage, request } from "node:http";
import type { AddressInfo } from "node:net";
import { createServer, type Socket } from "node:net";
import { describe, test } from "node:test";
import { bearer, type ConsoleWorld, startConsole } from "./console-world.ts";

/** An app that answers each request with these bytes, right or wrong, and closes the connection. */
async function runRaw(world: ConsoleWorld, bytes: string): Promise<void> {
  const app = createServer((socket: Socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => socket.end(bytes, "latin1"));
  });
  app.listen(0, "127.0.0.1");
  app.unref();
  await once(app, "listening");
  const ports = [{ name: "http", number: (app.address() as AddressInfo).port }];
  world.agents.offer("raw", ports[0]?.number ?? 0, { ports });
  world.show({ namespace: "shop", name: "raw", uid: "uid-raw", peer: "there", ports });
}

const ask = (world: ConsoleWorld) => world.ask("/apps/shop/raw/http/", { headers: bearer });

describe("an app's answer", () => {
  test("that is no HTTP, or that Node would not write, is a 502 and harms nobody", async () => {
    await using world = await startConsole();
    for (const bytes of [
      "hello\r\n\r\n",
      "",
      "HTTP/1.1 042 Odd\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
      "HTTP/1.1 200 OK\r\nX-A: 1\r\n X-B: 2\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nbytes",
      `HTTP/1.1 200 OK\r\nX-A: ${"a".repeat(100_000)}\r\n\r\n`,
    ]) {
      await runRaw(world, bytes);
      const { status, text } = await ask(world);
      assert.equal(status, 502, bytes.slice(0, 80));
      assert.equal(JSON.parse(text).error.code, "broken");
    }
  });

  test("with both a length and chunks is never passed on with both", async () => {
    await using world = await startConsole();
    await runRaw(
      world,
      "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    );
    const { status, headers, text } = await ask(world);
    if (status === 200) {
      assert.equal(text, "hello");
      assert.equal(headers["content-length"], undefined);
    } else assert.equal(status, 502);
  });

  test("without any length ends where the app ends it", async () => {
    await using world = await startConsole();
    await runRaw(world, "HTTP/1.0 200 OK\r\n\r\nhello");
    assert.equal((await ask(world)).text, "hello");
  });

  test("with a malformed hint before it still arrives, and a well-formed one is passed on", async () => {
    await using world = await startConsole();
    const hint = (link: string) =>
      `HTTP/1.1 103 Early Hints\r\nLink: ${link}\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok`;
    await runRaw(world, hint("nonsense"));
    assert.equal((await ask(world)).text, "ok");
    await runRaw(world, hint("</style.css>; rel=preload; as=style"));
    const req = request({
      port: world.port,
      host: "127.0.0.1",
      path: "/apps/shop/raw/http/",
      headers: bearer,
      agent: false,
    }).end();
    const information = once(req, "information");
    const [res] = (await once(req, "response")) as [IncomingMessage];
    res.resume();
    const [info] = await information;
    assert.equal(info.statusCode, 103);
    assert.match(info.headers.link, /style\.css/);
  });

  test("to HEAD, and one that has no body, leaves the connection in order for the next", async () => {
    await using world = await startConsole();
    await world.run(
      "web",
      createHttpServer((req, res) => {
        if (req.url === "/204") return void res.writeHead(204).end();
        if (req.url === "/304") return void res.writeHead(304, { etag: "x" }).end();
        res.writeHead(200, { "content-length": 5 }).end("hello");
      }),
    );
    const { Agent } = await import("node:http");
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const one = async (method: string, path: string) => {
      const req = request({
        port: world.port,
        host: "127.0.0.1",
        method,
        path: `/apps/shop/web/http${path}`,
        headers: bearer,
        agent,
      });
      req.end();
      const [res] = (await once(req, "response")) as [IncomingMessage];
      const text = Buffer.concat(await res.toArray()).toString();
      return [res.statusCode, res.headers["content-length"], text, req.reusedSocket];
    };
    assert.deepEqual(await one("HEAD", "/"), [200, "5", "", false]);
    assert.deepEqual(await one("GET", "/204"), [204, undefined, "", true]);
    assert.deepEqual(await one("GET", "/304"), [304, undefined, "", true]);
    assert.deepEqual(await one("GET", "/"), [200, "5", "hello", true]);
    assert.deepEqual(await one("DELETE", "/"), [200, "5", "hello", true]);
    agent.destroy();
  });
});
