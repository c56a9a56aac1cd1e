/** Strangers who flood the peer port of an agent's process: its probes tell the truth all the while, and its links work on. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { silentLog } from "../../src/base/log.ts";
import { variableOf } from "../../src/config.ts";
import { buildTown, type Town } from "../../src/demo/town.ts";
import { pair, run } from "../cli/world.ts";
import { until } from "../patience.ts";

const main = new URL("../../src/main.ts", import.meta.url).pathname;
const version = "0.0.1";

/** What the chart gives a probe, in milliseconds. */
const probeLimitMs = 5_000;
/** Strangers in all, of each kind as many; and how many of them are at the door at a time. */
const strangers = 3_000;
const atOnce = 300;

async function startTown(t: TestContext, directory: string, name: string): Promise<Town> {
  const options = { name, directory, firstPort: 0, version, log: silentLog, processes: false };
  const town = await buildTown(options, AbortSignal.timeout(60_000));
  t.after(() => town.close());
  return town;
}

/** The town's agent as a process of its own, in place of the one in this process, on the same ports. */
async function restartAsProcess(t: TestContext, { agent, kubeconfig, name }: Town): Promise<void> {
  const { console: consolePort, link, telemetry } = agent.ports;
  await agent.close();
  const settings = {
    name,
    "kube.kubeconfig": kubeconfig,
    "kube.namespace": "fairlead-system",
    "console.port": consolePort,
    "link.host": "127.0.0.1",
    "link.port": link,
    "link.url": `ws://127.0.0.1:${link}/link`,
    "telemetry.host": "127.0.0.1",
    "telemetry.port": telemetry,
    "shutdown.grace": "1s",
  };
  const variables = Object.entries(settings).map(([setting, value]) => [variableOf(setting), String(value)]);
  const child = spawn(process.execPath, [main, "agent"], {
    env: { PATH: process.env.PATH, ...Object.fromEntries(variables) },
    stdio: ["ignore", "ignore", "pipe"],
  });
  t.after(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "close");
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    if (said.length < 100_000) said += text;
  });
  const patience = AbortSignal.timeout(60_000);
  while (!said.includes("agent is ready")) {
    assert.equal(child.exitCode, null, said);
    await once(child.stderr, "data", { signal: patience });
  }
}

const upgrade =
  "GET /link HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
/** As browsers do, with a record that says to be a handshake and is none. */
const halfHello = Buffer.from([0x82, 0x8a, 0, 0, 0, 0, 0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03]);
const kinds: readonly (readonly Uint8Array[])[] = [
  [], // Silence.
  [Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n")],
  [Buffer.from("\x16\x03\x01\x02\x00\x01\x00 no HTTP at all \r\n\r\n", "latin1")],
  [Buffer.from("GET /link HTTP/1.1\r\nx: y\r\n")], // A head that never ends.
  [Buffer.from(upgrade)],
  [Buffer.from(upgrade), halfHello], // A handshake that never ends.
];

/** Comes as each kind of stranger in turn, and stays until it is cut or others wait for its place. */
async function flood(port: number): Promise<number> {
  const there = new Set<Socket>();
  let met = 0;
  for (let index = 0; index < strangers; index += 1) {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => undefined);
    socket.on("close", () => there.delete(socket));
    socket.resume();
    there.add(socket);
    for (const bytes of kinds[index % kinds.length] ?? []) socket.write(bytes);
    socket.once("connect", () => {
      met += 1;
    });
    if (there.size >= atOnce) {
      const [oldest] = there;
      oldest?.destroy();
      if (oldest) there.delete(oldest);
    }
    // So fast as connections are taken at all, and no faster.
    if (index % 50 === 0) await new Promise((resolve) => socket.once("connect", resolve).once("close", resolve));
  }
  for (const socket of there) socket.destroy();
  return met;
}

interface Probed {
  status: number;
  ms: number;
  body: string;
}

async function probe(port: number, path: string): Promise<Probed> {
  const startedAt = performance.now();
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(60_000) });
  const body = await response.text();
  return { status: response.status, ms: performance.now() - startedAt, body };
}

test("probes and links answer in time while strangers flood the peer port", { timeout: 180_000 }, async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "fairlead-test-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const lisbon = await startTown(t, directory, "lisbon");
  const berlin = await startTown(t, directory, "berlin");
  await pair({ lisbon, berlin }, "apps");
  const { link, telemetry } = berlin.agent.ports;
  await restartAsProcess(t, berlin);
  const linkOf = async () => (await lisbon.client.links.getLink({ peer: "berlin" })).link;
  const ask = async (): Promise<{ code: number; ms: number }> => {
    const startedAt = performance.now();
    const { code } = await run(lisbon, ["app", "check", "web", "--peer", "berlin", "--image", "a"]);
    return { code, ms: performance.now() - startedAt };
  };
  // Whether it would be admitted is not asked here, but whether anybody answers: 5 is that nobody does.
  let calm = await ask();
  const patientUntil = Date.now() + 60_000;
  while (calm.code === 5 && Date.now() < patientUntil) calm = await ask();
  assert.notEqual(calm.code, 5);
  const before = await linkOf();

  let flooding = true;
  const probes: (Probed & { path: string })[] = [];
  const calls: { code: number; ms: number }[] = [];
  const watch = async (path: string): Promise<void> => {
    while (flooding) probes.push({ path, ...(await probe(telemetry, path)) });
  };
  const call = async (): Promise<void> => {
    while (flooding) calls.push(await ask());
  };
  const watching = Promise.all([watch("/livez"), watch("/readyz"), watch("/metrics"), call()]);
  const met = await flood(link);
  // On a slow machine one of them takes as long as the whole flood.
  const asked = (path: string): number => probes.filter((one) => one.path === path).length;
  await until(
    "all were asked",
    () => calls.length > 0 && ["/livez", "/readyz", "/metrics"].every((path) => asked(path) >= 3),
  );
  flooding = false;
  await watching;

  const slowest = (of: readonly { ms: number }[]): number => Math.round(Math.max(...of.map(({ ms }) => ms)));
  t.diagnostic(
    `${met} strangers; the slowest of ${probes.length} probes took ${slowest(probes)} ms, of ${calls.length} calls ${slowest(calls)} ms`,
  );
  for (const { path, status, ms, body } of probes) {
    assert.equal(status, 200, `${path}: ${body}`);
    assert.ok(ms < probeLimitMs, `${path} took ${Math.round(ms)} ms`);
  }
  for (const { code, ms } of calls) {
    assert.equal(code, calm.code, "a call is answered as it is in calm");
    assert.ok(ms < 2 * probeLimitMs, `a call took ${Math.round(ms)} ms`);
  }
  const after = await linkOf();
  // One that took over from another, as when both were dialled at once, is no loss.
  assert.deepEqual(after?.totals?.carrierEnds, before?.totals?.carrierEnds, "the link did not lose its connection");
  assert.equal(after?.totals?.links, before?.totals?.links);
  assert.ok(met > strangers / 2, `${met} strangers were let to the door`);
  const refused = (text: string): number =>
    [...text.matchAll(/^fairlead_strangers_refused_total\{reason="[a-z-]+"\} (\d+)$/gm)].reduce(
      (sum, [, count]) => sum + Number(count),
      0,
    );
  assert.ok(refused((await probe(telemetry, "/metrics")).body) > 100, "they are counted");
});

test("an agent whose peers are away is ready all the same", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "fairlead-test-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const lisbon = await startTown(t, directory, "lisbon");
  const berlin = await startTown(t, directory, "berlin");
  await pair({ lisbon, berlin }, "apps");
  await berlin.agent.close();
  const { telemetry } = lisbon.agent.ports;
  const ready = await probe(telemetry, "/readyz");
  assert.equal(ready.status, 200);
  for (const check of ["api-server", "peer-port", "identity", "workloads", "remote-apps", "audit"]) {
    assert.match(ready.body, new RegExp(`^\\[\\+\\] ${check} ok$`, "m"));
  }
  assert.doesNotMatch(ready.body, /berlin/);
});
