/** Who reads nothing of an answer holds it for a while, over each protocol of the port; who only has nothing to read holds it for ever. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { connect as connectHttp2, createServer as createHttp2Server } from "node:http2";
import { connect } from "node:net";
import { suite, type TestContext, test } from "node:test";
import { connect as connectTls } from "node:tls";
import { endUntaken } from "../../src/console/untaken-answers.ts";
import type { ClientRequest, ClientResponse } from "../../src/tunnel/client-side.ts";
import { until } from "../patience.ts";
import { token } from "./console-world.ts";
import { startWatchConsole } from "./watch/watch-console.ts";

/** A client's way to a path: resolves when the answer has begun, of which nothing more is read. */
type Stall = (t: TestContext, port: number, o: { path: string; token: string; body?: string }) => Promise<void>;

function textOf({ path, token: bearer, body }: { path: string; token: string; body?: string }): string {
  const method = body === undefined ? "GET" : "POST";
  const more = body === undefined ? "" : `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n`;
  return `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${bearer}\r\n${more}\r\n${body ?? ""}`;
}

function overSocket(open: (port: number) => ReturnType<typeof connect>): Stall {
  return async (t, port, o) => {
    const socket = open(port);
    t.after(() => socket.destroy());
    socket.on("error", () => undefined);
    socket.write(textOf(o));
    await once(socket, "readable");
  };
}

const ways: Readonly<Record<string, Stall>> = {
  "HTTP/1.1": overSocket((port) => connect(port, "127.0.0.1")),
  "HTTP/1.1 over TLS": overSocket((port) =>
    connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] }),
  ),
  async "HTTP/2"(t, port, { path, token: bearer, body }) {
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    t.after(() => session.destroy());
    session.on("error", () => undefined);
    const headers = {
      ":path": path,
      ":method": body === undefined ? "GET" : "POST",
      authorization: `Bearer ${bearer}`,
    };
    const stream = session.request({ ...headers, ...(body !== undefined && { "content-type": "application/json" }) });
    stream.on("error", () => undefined);
    stream.end(body);
    await once(stream, "response");
  },
};

for (const [protocol, stall] of Object.entries(ways)) {
  suite(`an answer over ${protocol}`, { timeout: 30_000 }, () => {
    test("that streams ends when nobody takes what waits, and not when there is nothing to take", async (t) => {
      await using at = await startWatchConsole({ padding: "x".repeat(20_000), untakenMs: 300 });
      await stall(t, at.port, { path: "/events?topics=peers", token: "grace" });
      await stall(t, at.port, { path: "/events?topics=apps", token: "grace" });
      assert.equal(at.world.hub.size, 2);
      let replicas = 0;
      await until("who takes nothing is gone", () => {
        for (let i = 0; i < 50; i += 1) at.world.apps.set(`shop/${i}`, { peer: "east", replicas });
        replicas += 1;
        return at.world.hub.size < 2;
      });
      assert.equal(at.world.hub.size, 1, "who has nothing to take is there still");
    });
  });
}

suite("a large answer that is written as one", { timeout: 60_000 }, () => {
  const large = Buffer.alloc(64 * 1024 * 1024);

  for (const [protocol, stall] of Object.entries(ways)) {
    if (protocol.endsWith("TLS")) continue;
    test(`ends over ${protocol} when nobody takes it`, async (t) => {
      const ended: boolean[] = [];
      const answer = (req: ClientRequest, res: ClientResponse): void => {
        endUntaken(res, 300);
        res.once("close", () => void ended.push(res.writableFinished));
        res.end(large);
        req.resume();
      };
      const server = protocol === "HTTP/2" ? createHttp2Server(answer) : createServer(answer);
      await once(server.listen(0, "127.0.0.1"), "listening");
      const address = server.address();
      assert.ok(address !== null && typeof address === "object");
      await stall(t, address.port, { path: "/", token });
      await until("who takes nothing is gone", () => ended.length === 1);
      assert.deepEqual(ended, [false]);
      server.close();
    });
  }
});
