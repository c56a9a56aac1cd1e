import assert from "node:assert/strict";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import { createHealth } from "../../src/telemetry/health.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { createTelemetryServer } from "../../src/telemetry/server.ts";

async function startServer(t: TestContext) {
  const health = createHealth();
  const server = createTelemetryServer({ health, metrics: createMetrics() });
  const { port } = await server.listen(0, "127.0.0.1");
  t.after(() => server.close());
  const get = async (path: string, init?: RequestInit) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, init);
    return { status: response.status, body: await response.text(), type: response.headers.get("content-type") };
  };
  return { health, port, get, server };
}

test("ready and alive are told apart, with what is wrong and what is not", async (t) => {
  const { health, get } = await startServer(t);
  let ageMs = 5_000;
  health.addReadiness("roster", () => undefined);
  health.addWork("work", () => ageMs, 60_000);
  assert.deepEqual(await get("/readyz"), {
    status: 200,
    body: "[+] roster ok\n[+] work ok\nok\n",
    type: "text/plain; charset=utf-8",
  });
  ageMs = 90_000;
  const { status, body } = await get("/readyz");
  assert.equal(status, 503);
  assert.match(body, /\[\+\] roster ok\n\[-\] work Work has been waiting for 90 s; at most 60 s is normal\.\nfailed\n/);
  assert.equal((await get("/livez")).status, 200);
});

test("a check that throws fails itself, not the probe", async (t) => {
  const { health, get } = await startServer(t);
  health.addLiveness("loop", () => {
    throw new Error("planted");
  });
  const { status, body } = await get("/livez?verbose");
  assert.equal(status, 503);
  assert.match(body, /planted/);
});

test("metrics are in the format that Prometheus asks for", async (t) => {
  const { get } = await startServer(t);
  const { status, body, type } = await get("/metrics");
  assert.equal(status, 200);
  assert.match(body, /^# HELP fairlead_process_uptime_seconds /m);
  assert.match(type ?? "", /^text\/plain; version=0\.0\.4; charset=utf-8$/);
});

test("nothing else is there, and nothing can be written", async (t) => {
  const { get } = await startServer(t);
  assert.equal((await get("/")).status, 404);
  assert.equal((await get("/livez", { method: "POST", body: "x".repeat(100_000) })).status, 405);
});

test("a caller that never finishes its request does not keep the server from closing", async (t) => {
  const { port, server } = await startServer(t);
  const socket = connect(port, "127.0.0.1");
  const gone = text(socket).catch(() => "");
  socket.write("GET /livez HTTP/1.1\r\nhost:");
  await new Promise((resolve) => socket.once("connect", resolve));
  await server.close();
  assert.equal(await gone, "");
});
