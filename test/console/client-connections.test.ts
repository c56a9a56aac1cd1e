/** Who holds connections to a console and asks nothing keeps nobody out. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { describe, test } from "node:test";
import { connect as connectTls } from "node:tls";
import { PodService } from "../../src/gen/fairlead/console/v1/pod_service_pb.ts";
import { until } from "../patience.ts";
import { bearer, type ConsoleWorld, startConsole } from "./console-world.ts";

const most = 4;
const logs = `/${PodService.typeName}/Logs`;

function world(): Promise<ConsoleWorld> {
  return startConsole({
    mostConnections: most,
    routes: (router) => {
      router.service(PodService, {
        async *logs(_request, { signal }) {
          yield { line: "begins" };
          await once(signal, "abort");
        },
      });
    },
  });
}

/** Connects, and says no more than `first`. */
async function holdOn(port: number, first: string): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined).resume();
  await once(socket, "connect");
  socket.write(first);
  return socket;
}

/** Somebody who is told lines for as long as they like. */
async function follow(session: ClientHttp2Session) {
  session.on("error", () => undefined);
  const call = session.request({
    ":method": "POST",
    ":path": logs,
    "content-type": "application/connect+json",
    ...bearer,
  });
  call.on("error", () => undefined);
  const message = JSON.stringify({ app: { namespace: "shop", name: "web" } });
  call.end(Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), Buffer.from(message)]));
  await once(call, "data");
  return call;
}

describe("where there are as many connections as there may be", () => {
  test("the one gives way on which nothing was asked for longest, whatever it speaks", async () => {
    await using at = await world();
    const session = connectHttp2(`http://127.0.0.1:${at.port}`);
    const call = await follow(session);
    const silent = [
      await holdOn(at.port, ""),
      await holdOn(at.port, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
      await holdOn(at.port, "\u0016\u0003\u0001"),
    ];
    for (const oldest of [...silent]) {
      silent.push(await holdOn(at.port, "GET / HTTP/1.1\r\n"));
      await until("the oldest has gone", () => oldest.closed);
    }
    assert.equal((await at.ask("/openapi.yaml")).status, 200);
    assert.equal(call.closed, false);
    session.destroy();
    for (const one of silent) one.destroy();
  });

  test("one over TLS on which something is asked stays", async () => {
    await using at = await world();
    const socket = connectTls({ port: at.port, host: "127.0.0.1", ALPNProtocols: ["h2"], rejectUnauthorized: false });
    await once(socket, "secureConnect");
    const session = connectHttp2("https://localhost", { createConnection: () => socket });
    const call = await follow(session);
    const silent: Socket[] = [];
    for (let i = 0; i < 2 * most; i += 1) silent.push(await holdOn(at.port, "GET / HTTP/1.1\r\n"));
    assert.equal((await at.ask("/openapi.yaml")).status, 200);
    assert.equal(call.closed, false);
    session.destroy();
    for (const one of silent) one.destroy();
  });

  test("who takes none of their answers has no more than the others' leave of them", async () => {
    await using at = await world();
    const begin = () =>
      connectHttp2(`http://127.0.0.1:${at.port}`, {
        createConnection: () => connect({ host: "127.0.0.1", port: at.port, localAddress: "127.0.0.2" }),
        settings: { initialWindowSize: 0 },
      });
    const greedy = Array.from({ length: most }, begin);
    for (const session of greedy) {
      const stream = session.on("error", () => undefined).request({ ":path": "/" });
      await once(
        stream.on("error", () => undefined),
        "response",
      );
    }
    assert.equal((await at.ask("/openapi.yaml")).status, 200);
    await until("the greedy one has lost a connection", () => greedy.some(({ destroyed }) => destroyed));
    const session = connectHttp2(`http://127.0.0.1:${at.port}`);
    const call = await follow(session);
    const again = Array.from({ length: most }, begin);
    for (const one of again) one.on("error", () => undefined);
    await until("no more of them are taken", () => again.every(({ destroyed }) => destroyed));
    assert.equal(call.closed, false, "one of many is not cut for one of few");
    for (const one of [...greedy, session]) one.destroy();
  });

  test("and on each something is asked, the new one is not taken", async () => {
    await using at = await world();
    const sessions = Array.from({ length: most }, () => connectHttp2(`http://127.0.0.1:${at.port}`));
    const calls = await Promise.all(sessions.map(follow));
    await assert.rejects(at.ask("/openapi.yaml"));
    assert.ok(calls.every((call) => !call.closed));
    calls[0]?.close();
    await until("there is room again", () =>
      at.ask("/openapi.yaml").then(
        ({ status }) => status === 200,
        () => false,
      ),
    );
    for (const session of sessions) session.destroy();
  });
});
