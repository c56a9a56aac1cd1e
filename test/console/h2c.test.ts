import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { createServer, type Http2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream/promises";
import { describe, test } from "node:test";
import { until } from "../patience.ts";
import { bearer, type ConsoleWorld, startConsole } from "./console-world.ts";

async function runH2c(
  world: ConsoleWorld,
  onStream: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void,
): Promise<Http2Server> {
  const app = createServer();
  app.on("stream", (stream, headers) => {
    stream.on("error", () => undefined);
    onStream(stream, headers);
  });
  app.listen(0, "127.0.0.1");
  await once(app, "listening");
  const { port: number } = app.address() as AddressInfo;
  const ports = [{ name: "grpc", number, appProtocol: "h2c" }];
  world.agents.offer("h2", number, { ports });
  world.show({ namespace: "shop", name: "h2", uid: "uid-h2", peer: "there", ports });
  return app;
}

async function open(world: ConsoleWorld, path: string, o: { method?: string; headers?: object } = {}) {
  const { port } = world;
  const headers = { ...bearer, ...o.headers };
  const req = request({
    port,
    host: "127.0.0.1",
    path: `/apps/shop/h2/grpc${path}`,
    method: o.method ?? "GET",
    headers,
    agent: false,
  });
  req.on("error", () => undefined);
  return { req, answered: once(req, "response") as Promise<[IncomingMessage]> };
}

describe("an app that speaks HTTP/2 in clear", () => {
  test("gets and gives headers, bodies of any size and trailers", async () => {
    await using world = await startConsole();
    const bytes = randomBytes(6 * 1024 * 1024);
    const app = await runH2c(world, async (stream, headers) => {
      const body = Buffer.concat(await stream.toArray());
      stream.respond(
        {
          ":status": 201,
          "x-seen": `${headers[":authority"]} ${headers["x-forwarded-for"]} ${headers.cookie}`,
          "set-cookie": ["a=1", "b=2; Domain=x"],
        },
        { waitForTrailers: true },
      );
      stream.on("wantTrailers", () =>
        stream.sendTrailers({ "x-sum": createHash("sha256").update(body).digest("hex") }),
      );
      stream.end(body);
    });
    const { req, answered } = await open(world, "/up", {
      method: "POST",
      headers: { cookie: ["a=1", "fairlead-app=2"] },
    });
    await pipeline([bytes], req);
    const [res] = await answered;
    const body = Buffer.concat(await res.toArray());
    assert.equal(res.statusCode, 201);
    assert.deepEqual(body, bytes);
    assert.equal(res.headers["x-seen"], `127.0.0.1:${world.port} 127.0.0.1 a=1`);
    assert.deepEqual(res.headers["set-cookie"], ["a=1"]);
    assert.equal(res.trailers["x-sum"], createHash("sha256").update(bytes).digest("hex"));
    app.close();
  });

  test("streams at once, learns that the client has gone, and its broken answer looks broken", async (t) => {
    await using world = await startConsole();
    let gone = false;
    let breakOff = (): void => undefined;
    const app = await runH2c(world, (stream, headers) => {
      stream.respond({ ":status": 200 });
      stream.write("first");
      stream.on("close", () => {
        gone = true;
      });
      if (headers[":path"] === "/break") breakOff = () => stream.destroy(new Error("broken"));
      if (headers[":path"] === "/die") breakOff = () => stream.session?.destroy();
    });
    t.after(() => app.close());
    const first = await open(world, "/stream");
    first.req.end();
    const [res] = await first.answered;
    const [chunk] = await once(res, "data");
    assert.equal(String(chunk), "first");
    res.destroy();
    await until("the app notices", () => gone);
    for (const path of ["/break", "/die"]) {
      const broken = await open(world, path);
      broken.req.end();
      const [answer] = await broken.answered;
      // Not before its beginning is here, or it would be no answer at all.
      await once(answer, "data");
      breakOff();
      await assert.rejects(once(answer, "end"), { code: "ECONNRESET" }, path);
    }
  });

  test("shares one connection among requests, which goes when idle; without an app there is a reason", async () => {
    await using world = await startConsole();
    const sessions = new Set<unknown>();
    const app = await runH2c(world, (stream) => {
      sessions.add(stream.session);
      stream.respond({ ":status": 200 });
      stream.end("ok");
    });
    const all = await Promise.all(
      Array.from({ length: 20 }, () => world.ask("/apps/shop/h2/grpc/", { headers: bearer })),
    );
    assert.ok(all.every(({ text }) => text === "ok"));
    assert.equal(sessions.size, 1);
    await until("the idle connection is gone", () => world.agents.host.exit.size === 0);
    app.close();
    await once(app, "close");
    const refused = await world.ask("/apps/shop/h2/grpc/", { headers: bearer });
    assert.equal(refused.status, 502);
  });
});
