import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { describe, test } from "node:test";
import { AppService } from "../../src/gen/fairlead/console/v1/app_service_pb.ts";
import { bearer, type ConsoleWorld, startConsole } from "./console-world.ts";

const called = `/${AppService.typeName}/ListApps`;

async function world(): Promise<ConsoleWorld> {
  return startConsole({ routes: (router) => void router.service(AppService, { listApps: () => ({}) }) });
}

/** Sends the beginning of a long message, and tells the status of the answer if there is one before its end. */
async function beginOver1(port: number, headers: string, path = called): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write(`POST ${path} HTTP/1.1\r\nHost: localhost:${port}\r\nContent-Type: application/json\r\n${headers}`);
  socket.write(`Content-Length: 1000000\r\n\r\n${" ".repeat(100_000)}`);
  const [answer] = await once(socket, "data", { signal: AbortSignal.timeout(20_000) });
  socket.destroy();
  return String(answer).split("\r\n")[0] ?? "";
}

describe("of who has not shown good credentials", () => {
  test("no long message is held, over HTTP/1.1", async () => {
    await using at = await world();
    assert.match(await beginOver1(at.port, ""), / 401 /);
    assert.match(await beginOver1(at.port, "Authorization: Bearer flt_wrong\r\n"), / 401 /);
    const known = await at.ask(called, {
      method: "POST",
      headers: { ...bearer, "content-type": "application/json" },
      body: Buffer.from(`{}${" ".repeat(1_000_000)}`),
    });
    assert.equal(known.status, 200);
  });

  test("no long message is held, over HTTP/2", async () => {
    await using at = await world();
    const session = connectHttp2(`http://127.0.0.1:${at.port}`);
    session.on("error", () => undefined);
    const call = session.request({ ":method": "POST", ":path": called, "content-type": "application/json" });
    call.on("error", () => undefined);
    call.write(" ".repeat(60_000));
    const [headers] = await once(call, "response", { signal: AbortSignal.timeout(20_000) });
    assert.equal(headers[":status"], 401);
    session.destroy();
  });

  test("nothing is read of a call whose path is written in another way, over either protocol", async () => {
    await using at = await world();
    for (const path of [
      called.replace("f", "%66"),
      called.replace(".", "%2E"),
      called.replace("fairlead.", "%66airlead%2e"),
    ]) {
      assert.match(await beginOver1(at.port, "", path), / 404 /, path);
      const session = connectHttp2(`http://127.0.0.1:${at.port}`);
      session.on("error", () => undefined);
      const call = session.request({ ":method": "POST", ":path": path, "content-type": "application/json" });
      call.on("error", () => undefined);
      call.write(" ".repeat(60_000));
      const [headers] = await once(call, "response", { signal: AbortSignal.timeout(20_000) });
      assert.equal(headers[":status"], 404, path);
      session.destroy();
    }
  });

  test("a host that no URL can have is refused, over either protocol, and the next is answered", async () => {
    await using at = await world();
    for (const host of ["12790.0.1:80", "1.2.3.4.5", "localhost:99999"]) {
      const socket = connect(at.port, "127.0.0.1");
      socket.write(`POST ${called} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\n\r\n`);
      const [answer] = await once(socket, "data", { signal: AbortSignal.timeout(20_000) });
      socket.destroy();
      assert.match(String(answer), /^HTTP\/1\.1 400 /, host);
      const session = connectHttp2(`http://127.0.0.1:${at.port}`);
      session.on("error", () => undefined);
      const call = session.request({ ":method": "POST", ":path": called, ":authority": host });
      const [headers] = await once(call, "response", { signal: AbortSignal.timeout(20_000) });
      assert.equal(headers[":status"], 400, host);
      session.destroy();
    }
    assert.match(await beginOver1(at.port, ""), / 401 /);
  });

  test("nothing is held over HTTP/2 when the client has gone", async () => {
    await using at = await world();
    const socket = connect(at.port, "127.0.0.1");
    const session = connectHttp2(`http://127.0.0.1:${at.port}`, { createConnection: () => socket });
    session.on("error", () => undefined);
    const call = session.request({ ":method": "POST", ":path": called, "content-type": "application/json" });
    call.on("error", () => undefined);
    call.write(" ".repeat(60_000));
    await once(call, "response", { signal: AbortSignal.timeout(20_000) });
    const closed = once(session, "close", { signal: AbortSignal.timeout(20_000) });
    socket.end();
    await closed;
  });

  test("no time-out beyond all timers prints a warning, over either protocol", async () => {
    await using at = await world();
    const warnings: Error[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning);
    process.on("warning", onWarning);
    const headers = { "content-type": "application/json", "connect-timeout-ms": "9999999999" };
    const answer = await at.ask(called, { method: "POST", headers, body: Buffer.from("{}") });
    assert.equal(answer.status, 401);
    const session = connectHttp2(`http://127.0.0.1:${at.port}`);
    const call = session.request({ ":method": "POST", ":path": called, "grpc-timeout": "99999999H", ...headers });
    call.end("{}");
    const [head] = await once(call, "response", { signal: AbortSignal.timeout(20_000) });
    assert.equal(head[":status"], 401);
    session.destroy();
    process.off("warning", onWarning);
    assert.deepEqual(warnings, []);
  });
});
