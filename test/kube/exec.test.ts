import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { KubeConfig } from "@kubernetes/client-node";
import { type WebSocket, WebSocketServer } from "ws";
import { systemClock } from "../../src/base/clock.ts";
import { KubeError } from "../../src/kube/errors.ts";
import { type ExecOptions, openExec, type ProgramEvent, type RunningProgram } from "../../src/kube/exec.ts";
import { until } from "../patience.ts";

const never = new AbortController().signal;
const ref = { namespace: "default", name: "web-1" };
const options: ExecOptions = { container: "app", command: ["sh", "-c", "a b"], input: true, tty: false };

/** An API server that runs programs as the test plays them; with `refuse` it answers the upgrade with that status. */
async function set(
  t: TestContext,
  play: (socket: WebSocket) => void,
  o: { refuse?: number; protocol?: "v4.channel.k8s.io" } = {},
) {
  const server = createServer();
  const sockets = new WebSocketServer({
    noServer: true,
    handleProtocols: (asked) => o.protocol ?? (asked.has("v5.channel.k8s.io") ? "v5.channel.k8s.io" : false),
  });
  const paths: string[] = [];
  const connections = new Set<Socket>();
  server.on("connection", (socket) => connections.add(socket));
  server.on("upgrade", (request, socket, head) => {
    paths.push(request.url ?? "");
    if (o.refuse) return void socket.end(`HTTP/1.1 ${o.refuse} No\r\nContent-Length: 0\r\n\r\n`);
    // What is said at once comes in one piece with the acceptance.
    socket.cork();
    sockets.handleUpgrade(request, socket, head, play);
    process.nextTick(() => socket.uncork());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const socket of connections) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo; // It listens on TCP.
  const url = `http://127.0.0.1:${port}`;
  const config = new KubeConfig();
  config.loadFromClusterAndUser({ name: "c", server: url, skipTLSVerify: true }, { name: "u" });
  return {
    paths,
    connections,
    open: (asked = options, signal = never) =>
      openExec({ config, server: url, clock: systemClock }, ref, asked, signal),
  };
}

function channel(number: number, data: string | Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([number]), Buffer.from(data)]);
}

const success = channel(3, JSON.stringify({ metadata: {}, status: "Success" }));

function failure(code: string): Buffer {
  const details = { causes: [{ reason: "ExitCode", message: code }] };
  return channel(3, JSON.stringify({ status: "Failure", reason: "NonZeroExitCode", message: "it says so", details }));
}

async function collect(program: RunningProgram): Promise<string[]> {
  const seen: string[] = [];
  for await (const event of program.events) seen.push(show(event));
  return seen;
}

function show(event: ProgramEvent): string {
  return event.kind === "exit" ? `exit ${event.code} ${event.message}`.trim() : `${event.kind} ${event.data}`;
}

test("what to run is asked for in Kubernetes' words, and never two outputs at a terminal", async (t) => {
  const { open, paths } = await set(t, (ws) => ws.send(success));
  await collect(await open());
  await collect(await open({ ...options, input: false, tty: true }));
  const path = "/api/v1/namespaces/default/pods/web-1/exec?container=app";
  assert.deepEqual(paths, [
    `${path}&stdin=true&stdout=true&tty=false&stderr=true&command=sh&command=-c&command=a+b`,
    `${path}&stdin=false&stdout=true&tty=true&stderr=false&command=sh&command=-c&command=a+b`,
  ]);
});

test("outputs come in their order and apart, then the exit code", async (t) => {
  const { open } = await set(t, (ws) => {
    for (const message of [channel(1, "one"), channel(2, "two"), channel(1, ""), channel(1, "three"), failure("42")])
      ws.send(message);
    ws.close(1000);
  });
  assert.deepEqual(await collect(await open()), ["output one", "error-output two", "output three", "exit 42"]);
});

test("how a program ends that never began is told with the reason", async (t) => {
  const { open } = await set(t, (ws) => {
    ws.send(channel(3, JSON.stringify({ status: "Failure", reason: "InternalError", message: "no such container" })));
  });
  assert.deepEqual(await collect(await open()), ["exit 126 no such container"]);
});

test("the other end's word that an output has ended ends nothing of this process", async (t) => {
  const { open } = await set(t, (ws) => {
    for (const number of [0, 1, 2]) ws.send(Buffer.from([255, number]));
    // Some of it comes together with the acceptance, and the rest later.
    for (const number of [0, 1, 2]) ws.send(Buffer.from([255, number]));
    ws.send(channel(1, "on"));
    ws.on("message", () => {
      for (const number of [0, 1, 2]) ws.send(Buffer.from([255, number]));
      ws.send(Buffer.alloc(0));
      ws.send(success);
    });
  });
  const program = await open();
  await program.write(Buffer.from("go on"));
  assert.deepEqual(await collect(program), ["output on", "exit 0"]);
  assert.equal(process.stdout.writableEnded, false);
});

test("input goes in pieces of 32 KiB, and its end is told while the output goes on", async (t) => {
  const got: Buffer[] = [];
  const { open } = await set(t, (ws) => {
    ws.on("message", (message: Buffer) => {
      got.push(message);
      if (message[0] !== 255) return;
      ws.send(channel(1, "after the end"));
      ws.send(success);
    });
  });
  const program = await open();
  const text = Buffer.alloc(70_000, "x");
  await program.write(text);
  await program.endInput();
  assert.deepEqual(await collect(program), ["output after the end", "exit 0"]);
  const pieces = got.filter((message) => message[0] === 0).map((message) => message.subarray(1));
  assert.deepEqual(
    pieces.map(({ length }) => length),
    [32_768, 32_768, 4_464],
  );
  assert.ok(Buffer.concat(pieces).equals(text));
  assert.deepEqual(got.at(-1), Buffer.from([255, 0]));
});

test("an API server that knows only v4 runs programs, and says why an input cannot end", async (t) => {
  const { open } = await set(t, (ws) => ws.on("message", () => ws.send(success)), { protocol: "v4.channel.k8s.io" });
  const program = await open();
  await assert.rejects(program.endInput(), (error) => error instanceof KubeError && /older than/.test(error.message));
  await program.write(Buffer.from("x"));
  assert.deepEqual(await collect(program), ["exit 0"]);
});

test("the size of the terminal is told in Kubernetes' words", async (t) => {
  const { open } = await set(t, (ws) => {
    ws.on("message", (message: Buffer) => {
      ws.send(channel(1, message));
      ws.send(success);
    });
  });
  const program = await open({ ...options, tty: true });
  await program.resize(120, 40);
  assert.deepEqual(await collect(program), ['output \u0004{"Width":120,"Height":40}', "exit 0"]);
});

test("a connection that breaks, or is closed without a word on the program, is an error and never an end", async (t) => {
  for (const end of [(ws: WebSocket) => ws.terminate(), (ws: WebSocket) => ws.close(1000)]) {
    const { open } = await set(t, (ws) => ws.send(channel(1, "half"), () => end(ws)));
    const seen: string[] = [];
    const program = await open();
    const reading = (async () => {
      for await (const event of program.events) seen.push(show(event));
    })();
    await assert.rejects(reading, (error) => error instanceof KubeError && error.reason === "Cut");
    assert.deepEqual(seen, ["output half"]);
  }
});

test("a program whose output nobody reads is held up, and goes on when somebody does", async (t) => {
  const piece = channel(1, Buffer.alloc(64 * 1024));
  const total = 512;
  let sent = 0;
  const { open } = await set(t, (ws) => {
    const next = (): void => {
      if (sent < total) ws.send(piece, () => setImmediate(next));
      else ws.send(success);
      sent += 1;
    };
    next();
  });
  const program = await open();
  // The kernel's own buffers take some megabytes; all of it is 32 MiB.
  let before = -1;
  await until("the program is held up", () => {
    const stands = sent === before && sent > 8;
    before = sent;
    return stands;
  });
  await new Promise((resolve) => setTimeout(resolve, 100));
  const held = sent;
  assert.ok(held < total, `${held} of ${total} pieces were taken`);
  let bytes = 0;
  for await (const event of program.events) if (event.kind === "output") bytes += event.data.length;
  assert.equal(bytes, total * 64 * 1024);
});

test("close ends the connection", async (t) => {
  let closed = false;
  const { open } = await set(t, (ws) => {
    ws.once("close", () => {
      closed = true;
    });
  });
  (await open()).close();
  await until("the API server has heard of it", () => closed);
});

test("a refusal says which right is missing, and a name that is none makes no request", async (t) => {
  const { open, paths } = await set(t, () => undefined, { refuse: 403 });
  await assert.rejects(
    open(),
    (error) => error instanceof KubeError && error.status === 403 && /pods\/exec/.test(error.message),
  );
  assert.equal(paths.length, 1);
  const { open: gone } = await set(t, () => undefined, { refuse: 404 });
  await assert.rejects(gone(), (error) => error instanceof KubeError && error.status === 404);
});

test("a signal ends the opening, with its reason", async (t) => {
  const { open, connections } = await set(t, () => undefined);
  const stop = new AbortController();
  const opening = open(options, stop.signal);
  stop.abort(new Error("enough"));
  await assert.rejects(opening, /enough/);
  for (const socket of connections) if (!socket.destroyed) await once(socket, "close");
});
