import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { KubeConfig } from "@kubernetes/client-node";
import { type WebSocket, WebSocketServer } from "ws";
import { systemClock } from "../../src/base/clock.ts";
import { KubeError } from "../../src/kube/errors.ts";
import { openPortForward } from "../../src/kube/port-forward.ts";

const never = new AbortController().signal;
const ref = { namespace: "default", name: "web-1" };

/** An API server that forwards ports as the test plays it; with `refuse` it answers the upgrade with that status. */
async function set(t: TestContext, play: (socket: WebSocket) => void, refuse?: number) {
  const server = createServer();
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => "v4.channel.k8s.io" });
  const paths: string[] = [];
  const connections = new Set<Socket>();
  server.on("connection", (socket) => connections.add(socket));
  server.on("upgrade", (request, socket, head) => {
    paths.push(request.url ?? "");
    if (refuse === 0) {
      socket.on("end", () => socket.destroy()).resume(); // Never an answer.
      return;
    }
    if (refuse) return void socket.end(`HTTP/1.1 ${refuse} No\r\nContent-Length: 0\r\n\r\n`);
    sockets.handleUpgrade(request, socket, head, (ws) => {
      ws.send(Buffer.from([0, 0x1f, 0x90])); // Each channel begins with the port's number.
      ws.send(Buffer.from([1, 0x1f, 0x90]));
      play(ws);
    });
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
    open: (signal = never) => openPortForward({ config, server: url, clock: systemClock }, ref, 8080, signal),
  };
}

function data(text: string): Buffer {
  return Buffer.concat([Buffer.from([0]), Buffer.from(text)]);
}

test("bytes go both ways, and the pod's end of the connection is an end", async (t) => {
  const { open, paths } = await set(t, (ws) => {
    ws.on("message", (message: Buffer) => {
      assert.equal(message[0], 0);
      ws.send(data(`got ${message.subarray(1).toString()}`));
      ws.close(1000);
    });
  });
  const stream = await open();
  stream.write("hello");
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  assert.equal(Buffer.concat(chunks).toString(), "got hello");
  assert.deepEqual(paths, ["/api/v1/namespaces/default/pods/web-1/portforward?ports=8080"]);
});

test("a connection that breaks is an error, never an end", async (t) => {
  const { open } = await set(t, (ws) => ws.send(data("half"), () => ws.terminate()));
  const stream = await open();
  let ended = false;
  stream.on("end", () => {
    ended = true;
  });
  stream.resume();
  const [error] = await once(stream, "error");
  assert.ok(error instanceof KubeError && error.reason === "Cut");
  assert.equal(ended, false);
});

test("what the kubelet complains of is the stream's error", async (t) => {
  const { open } = await set(t, (ws) => {
    ws.send(Buffer.concat([Buffer.from([1]), Buffer.from("connection refused")]));
    ws.close(1000);
  });
  // It may come with the acceptance, or after it.
  const refused = async (): Promise<void> => {
    const [error] = await once((await open()).resume(), "error");
    throw error;
  };
  await assert.rejects(refused, /port 8080 of Pod default\/web-1: connection refused/);
});

test("a reader that stops holds the sender back, and loses nothing when it goes on", async (t) => {
  const total = 64;
  const chunk = Buffer.alloc(1 << 20, 7);
  let sent = 0;
  const { open } = await set(t, (ws) => {
    const next = (): void => {
      if (sent === total) ws.close(1000);
      else
        ws.send(Buffer.concat([Buffer.from([0]), chunk]), () => {
          sent += 1;
          next();
        });
    };
    next();
  });
  const stream = await open();
  await once(stream, "readable");
  let before = -1;
  while (before !== sent) {
    before = sent; // Until the sender has come to rest.
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  assert.ok(sent < total, "the sender was never held back");
  let received = 0;
  for await (const part of stream) received += part.length;
  assert.equal(received, total * chunk.length);
});

test("destroying the stream closes the connection", async (t) => {
  const closed = Promise.withResolvers<void>();
  const { open } = await set(t, (ws) => ws.on("close", () => closed.resolve()));
  (await open()).destroy();
  await closed.promise;
});

test("a refused upgrade says why, and which right is missing", async (t) => {
  const { open } = await set(t, () => undefined, 403);
  await assert.rejects(
    open(),
    (error) => error instanceof KubeError && /create` pods\/portforward/.test(error.message),
  );
});

test("aborting while nobody answers rejects with the caller's reason and closes the connection", async (t) => {
  const { open, paths, connections } = await set(t, () => undefined, 0);
  const controller = new AbortController();
  const opening = open(controller.signal);
  while (paths.length === 0) await new Promise(setImmediate);
  const reason = new Error("enough");
  controller.abort(reason);
  await assert.rejects(opening, (error) => error === reason);
  for (const socket of connections) if (!socket.closed) await once(socket, "close");
});

test("a name that is none never reaches the path", async () => {
  const config = new KubeConfig();
  for (const name of ["", "../x", "a/b", "a?b"]) {
    const deps = { config, server: "http://x", clock: systemClock };
    await assert.rejects(openPortForward(deps, { namespace: "default", name }, 1, never), TypeError);
  }
});
