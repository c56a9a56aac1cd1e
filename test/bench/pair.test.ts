import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { freePorts } from "../../src/demo/free-port.ts";
import { until } from "../patience.ts";

const script = new URL("../../bench/pair.ts", import.meta.url).pathname;
const loopback = "127.0.0.1";

interface Ready {
  readonly ready: true;
  readonly listen: number;
  readonly near: { readonly pid: number };
  readonly far: { readonly pid: number };
}

interface Running {
  readonly child: ChildProcess;
  readonly about: Ready;
  readonly ports: { readonly listen: number; readonly target: number; readonly accept: number; readonly dial: number };
}

test("two agents pair by themselves and forward a port, half-close included", async (t) => {
  const { about } = await start(t, await echoServer(t));
  const socket = await connected(t, about.listen);
  const sent = randomBytes(3_000_000);
  socket.end(sent);
  const back: Buffer[] = [];
  for await (const chunk of socket) back.push(chunk as Buffer);
  assert.ok(Buffer.concat(back).equals(sent));
});

test("a proxy that cuts may stand in front of the link: what was open goes on whole or breaks visibly, and the next works", async (t) => {
  const middle = await cuttingProxy(t);
  const { about } = await start(t, await echoServer(t), middle);
  const socket = await connected(t, about.listen);
  const sent = randomBytes(4_000_000);
  const back: Buffer[] = [];
  const closed = new Promise((resolve) => socket.once("close", resolve));
  let broken: NodeJS.ErrnoException | undefined;
  socket.on("error", (error) => {
    broken = error;
  });
  socket.on("data", (chunk: Buffer) => back.push(chunk));
  socket.write(sent.subarray(0, 1_000_000));
  await until("the first bytes are back", () => back.length > 0);
  middle.cut();
  socket.end(sent.subarray(1_000_000));
  await closed;
  if (broken) assert.equal(broken.code, "ECONNRESET");
  else assert.ok(Buffer.concat(back).equals(sent));

  const next = await connected(t, about.listen);
  next.write("again");
  const [answer] = (await once(next, "data")) as [Buffer];
  assert.equal(answer.toString(), "again");
});

test("SIGTERM ends everything: no process, no port, exit code 0", async (t) => {
  const { child, about, ports } = await start(t, await echoServer(t));
  const socket = await connected(t, about.listen);
  socket.write("hello");
  await once(socket, "data");
  socket.on("error", () => undefined).resume();
  const gone = once(child, "exit");
  child.kill("SIGTERM");
  assert.deepEqual(await gone, [0, null]);
  for (const { pid } of [about.near, about.far]) assert.ok(!isAlive(pid), `process ${pid} lives on`);
  for (const port of [ports.listen, ports.accept]) await assert.rejects(open(port), { code: "ECONNREFUSED" });
});

test("agents do not outlive whoever started them, however it ended", async (t) => {
  const { child, about } = await start(t, await echoServer(t));
  child.kill("SIGKILL");
  await until("both agents have ended", () => !isAlive(about.near.pid) && !isAlive(about.far.pid));
});

test("an agent that ends by itself ends the pair, with exit code 1", async (t) => {
  const { child, about } = await start(t, await echoServer(t));
  const gone = once(child, "exit");
  process.kill(about.far.pid, "SIGKILL");
  assert.deepEqual(await gone, [1, null]);
  assert.ok(!isAlive(about.near.pid));
});

test("a port that is taken is told, and nothing stays", async (t) => {
  const taken = await echoServer(t);
  const [accept] = await freePorts(0);
  const { code, told } = await fails({ listen: taken, target: taken, accept, dial: accept });
  assert.equal(code, 1);
  assert.match(told, /The near agent: .*EADDRINUSE/);
  await assert.rejects(open(accept), { code: "ECONNREFUSED" });
});

test("a port that is none is refused in words", async () => {
  const { code, told } = await fails({ listen: 1_000_000 });
  assert.equal(code, 1);
  assert.match(told, /--listen must be a port from 1 to 65535/);
});

async function fails(ports: Record<string, number>): Promise<{ code: number; told: string }> {
  const child = spawn(process.execPath, [script, ...flags(ports)], { stdio: ["ignore", "ignore", "pipe"] });
  let told = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    told += text;
  });
  const [code] = (await once(child, "close")) as [number];
  return { code, told };
}

function flags(ports: Record<string, number>): string[] {
  return Object.entries(ports).flatMap(([name, port]) => [`--${name}`, String(port)]);
}

async function start(t: TestContext, target: number, middle?: Middle): Promise<Running> {
  const [listen, accept] = await freePorts(0);
  middle?.leadTo(accept);
  const ports = { listen, target, accept, dial: middle?.port ?? accept };
  const child = spawn(process.execPath, [script, ...flags(ports)], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => {
    child.kill("SIGTERM");
  });
  const [line] = await once(createInterface(child.stdout), "line", { signal: AbortSignal.timeout(60_000) });
  return { child, about: JSON.parse(line) as Ready, ports };
}

interface Middle {
  readonly port: number;
  leadTo(port: number): void;
  /** Breaks what is open; new connections pass. */
  cut(): void;
}

async function cuttingProxy(t: TestContext): Promise<Middle> {
  const open = new Set<Socket>();
  let to = 0;
  const port = await listening(
    t,
    createServer((socket) => {
      const onward = connect({ port: to, host: loopback });
      for (const one of [socket, onward]) open.add(one.on("error", () => undefined));
      socket.pipe(onward).pipe(socket);
    }),
  );
  return {
    port,
    leadTo(other) {
      to = other;
    },
    cut() {
      for (const socket of open) socket.resetAndDestroy();
      open.clear();
    },
  };
}

async function echoServer(t: TestContext): Promise<number> {
  return listening(
    t,
    createServer({ allowHalfOpen: true }, (socket) => void socket.on("error", () => undefined).pipe(socket)),
  );
}

async function listening(t: TestContext, server: Server): Promise<number> {
  server.listen(0, loopback);
  await once(server, "listening");
  t.after(() => void server.close());
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("not a TCP server");
  return address.port;
}

async function connected(t: TestContext, port: number): Promise<Socket> {
  const socket = await open(port);
  t.after(() => void socket.destroy());
  return socket;
}

async function open(port: number): Promise<Socket> {
  const socket = connect({ port, host: loopback });
  await once(socket, "connect");
  return socket;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
