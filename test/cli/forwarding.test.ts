/** Places of this machine that are elsewhere, over a real session with a console that answers dials as the test says. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { connect, createServer, type NetConnectOpts, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { after, before, suite, test } from "node:test";
import { join } from "../../src/base/join.ts";
import { type Forward, type ForwardedStreams, forwardUntil } from "../../src/cli/forwarding.ts";
import type { ListenPlace } from "../../src/cli/listen-place.ts";
import { openAgentSession } from "../../src/client/session.ts";
import { Reason } from "../../src/wire/reason.ts";
import { type ConsoleWorld, startConsole, token } from "../console/console-world.ts";
import { until } from "../patience.ts";

suite("a forward", () => {
  let world: ConsoleWorld;
  /** What is dialled over there; replaced by tests. */
  let remote: Server;
  let asked: string[] = [];
  let remotePort = 0;

  before(async () => {
    world = await startConsole({
      dial(incoming) {
        const { kind } = incoming.target;
        asked.push(`${kind.case} ${incoming.metadata.get("fairlead-peer")}`);
        if (kind.case !== "service") return incoming.refuse(Reason.DENIED, "No policy lets you. (rule: tunnels/x)");
        const socket = connect({ port: remotePort, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
        socket.once("error", (error) => incoming.refuse(Reason.UNREACHABLE, error.message));
        socket.once("connect", () => void join(incoming.accept(), socket));
      },
    });
  });
  after(() => world[Symbol.asyncDispose]());

  /** Serves over there until the test ends. */
  async function serve(t: { after(fn: () => void): void }, onSocket: (socket: Socket) => void): Promise<void> {
    asked = [];
    const sockets = new Set<Socket>();
    remote = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.once("close", () => sockets.delete(socket));
      onSocket(socket);
    });
    remote.listen({ port: 0, host: "127.0.0.1", backlog: 4_096 });
    await once(remote, "listening");
    const address = remote.address();
    remotePort = address && typeof address === "object" ? address.port : 0;
    t.after(() => {
      remote.close();
      for (const socket of sockets) socket.destroy();
    });
  }

  /** Forwards the database, and what else is given, from these places. */
  async function forward(
    places: readonly ListenPlace[],
    o: { proxyProtocol?: boolean; verbose?: boolean; kind?: "kubernetes" } = {},
  ) {
    const target = o.kind
      ? { kind: o.kind }
      : ({ kind: "service", namespace: "data", name: "db", port: 5432 } as const);
    const stop = new AbortController();
    const opened: Awaited<ReturnType<typeof openAgentSession>>[] = [];
    const lines: string[] = [];
    const listening = Promise.withResolvers<void>();
    let err = "";
    const forwards = places.map(
      (place): Forward => ({ place, what: "db", dial: (session, signal) => session.dial(target, "there", signal) }),
    );
    const ended = forwardUntil(
      {
        connection: {
          async openSession(signal) {
            const session = await openAgentSession(
              { url: `http://127.0.0.1:${world.port}`, token, version: "0.0.1" },
              signal,
            );
            opened.push(session);
            return session;
          },
        },
        forwards,
        ...o,
        out(line) {
          lines.push(line);
          if (lines.length === places.length) listening.resolve();
        },
        err(line) {
          err += line;
        },
      },
      stop.signal,
    );
    await Promise.race([listening.promise, ended]);
    const ports = lines.map((line) => Number(/:(\d+) is db/.exec(line)?.[1]));
    return {
      ports,
      opened,
      err: () => err,
      async [Symbol.asyncDispose]() {
        stop.abort(new Error("the test is over"));
        await assert.rejects(ended, /the test is over/);
      },
    };
  }

  const local = (at: NetConnectOpts): Socket => {
    const socket = connect({ allowHalfOpen: true, ...at });
    socket.on("error", () => undefined);
    return socket;
  };
  const anywhere = { host: "127.0.0.1", port: 0 };

  test("half-closes: what is sent after the other side's end still arrives", async (t) => {
    await serve(t, (socket) => {
      let count = 0;
      socket.on("data", (chunk) => {
        count += chunk.length;
      });
      socket.on("end", () => socket.end(`${count} bytes`));
    });
    await using forwarded = await forward([anywhere]);
    const socket = local({ port: forwarded.ports[0] ?? 0 });
    socket.end(Buffer.alloc(3_000_000));
    assert.equal(Buffer.concat(await socket.toArray()).toString(), "3000000 bytes");
    assert.deepEqual(asked, ["service there"]);
  });

  test("a reset is a reset on the other side, both ways", async (t) => {
    const codes: unknown[] = [];
    const there: Socket[] = [];
    await serve(t, (socket) => {
      there.push(socket);
      socket.on("error", (error) => codes.push("code" in error && error.code));
      socket.write("hello");
    });
    await using forwarded = await forward([anywhere]);
    const first = local({ port: forwarded.ports[0] ?? 0 });
    await once(first, "data");
    first.resetAndDestroy();
    await until("it is reset there", () => codes.length > 0);
    const second = local({ port: forwarded.ports[0] ?? 0 });
    await once(second, "data");
    const broken = once(second, "error");
    there.at(-1)?.resetAndDestroy();
    const [error] = await broken;
    assert.deepEqual([codes, error.code], [["ECONNRESET"], "ECONNRESET"]);
  });

  test("2,000 connections at a time, each with its own bytes", async (t) => {
    await serve(t, (socket) => void socket.pipe(socket));
    await using forwarded = await forward([anywhere, anywhere]);
    const sockets = await Promise.all(
      Array.from({ length: 2_000 }, async (_, number) => {
        const socket = local({ port: forwarded.ports[number % 2] ?? 0 });
        socket.write(`hello ${number}`);
        const [chunk] = await once(socket, "data");
        assert.equal(chunk.toString(), `hello ${number}`);
        return socket;
      }),
    );
    assert.equal(await new Promise((resolve) => remote.getConnections((_, count) => resolve(count))), 2_000);
    const last = sockets.map(async (socket, number) => {
      socket.end(`bye ${number}`);
      return Buffer.concat(await socket.toArray()).toString() === `bye ${number}`;
    });
    assert.ok((await Promise.all(last)).every(Boolean));
    assert.equal(forwarded.err(), "");
    assert.equal(forwarded.opened.length, 1, "all over one session");
  });

  test("a reader that stands still holds up nobody else", async (t) => {
    await serve(t, (socket) => {
      const chunk = Buffer.alloc(64 * 1_024);
      const more = (): void => {
        while (!socket.destroyed && socket.write(chunk));
      };
      socket.once("data", (word) => {
        if (word.toString() !== "much") return void socket.end(word);
        socket.on("drain", more);
        more();
      });
    });
    await using forwarded = await forward([anywhere]);
    const still = Array.from({ length: 20 }, () => {
      const socket = local({ port: forwarded.ports[0] ?? 0 });
      socket.pause().write("much");
      return socket;
    });
    await until("all have come", () => asked.length === still.length);
    for (let turn = 0; turn < 20; turn += 1) {
      const socket = local({ port: forwarded.ports[0] ?? 0 });
      socket.write("little");
      assert.equal(Buffer.concat(await socket.toArray()).toString(), "little");
    }
    for (const socket of still) socket.destroy();
  });

  test("with a PROXY header the server over there hears who connected here", async (t) => {
    let heard = Buffer.alloc(0);
    await serve(t, (socket) => {
      socket.on("data", (chunk) => {
        heard = Buffer.concat([heard, chunk]);
      });
      socket.on("end", () => socket.end());
    });
    await using forwarded = await forward([anywhere], { proxyProtocol: true });
    const port = forwarded.ports[0] ?? 0;
    const socket = local({ port, host: "127.0.0.1" });
    await once(socket, "connect");
    const from = socket.localPort ?? 0;
    socket.end("query");
    await socket.toArray();
    assert.equal(heard.subarray(28).toString(), "query");
    assert.equal(heard.subarray(12, 16).toString("hex"), "2111000c");
    assert.deepEqual([heard.readUInt16BE(24), heard.readUInt16BE(26)], [from, port]);
  });

  test("a Unix socket is for who made it alone, replaces one that was left, and goes with the forward", async (t) => {
    await serve(t, (socket) => void socket.end("hello"));
    const directory = await mkdtemp(joinPath(tmpdir(), "fairlead-forward-"));
    t.after(() => rm(directory, { recursive: true }));
    const path = joinPath(directory, "db.sock");
    for (let turn = 0; turn < 2; turn += 1) {
      await using _ = await forward([{ path }]);
      assert.equal((await stat(path)).mode & 0o777, 0o600);
      assert.equal(Buffer.concat(await local({ path }).toArray()).toString(), "hello");
      await assert.rejects(forward([{ path }]), /something else listens there/);
    }
    await assert.rejects(stat(path), { code: "ENOENT" });
    // As a program that is killed leaves it.
    const { spawnSync } = await import("node:child_process");
    spawnSync(process.execPath, [
      "-e",
      `require("net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`,
    ]);
    assert.ok((await stat(path)).isSocket());
    await using _ = await forward([{ path }]);
    assert.equal(Buffer.concat(await local({ path }).toArray()).toString(), "hello");
  });

  test("why connections are refused is told once for many, and each is reset", async (t) => {
    await serve(t, () => undefined);
    await using forwarded = await forward([anywhere], { kind: "kubernetes" });
    await Promise.all(
      Array.from({ length: 50 }, async () => {
        const socket = local({ port: forwarded.ports[0] ?? 0 });
        const [error] = await once(socket, "error");
        assert.equal(error.code, "ECONNRESET");
      }),
    );
    await until("the others are counted", () => /\(\d+ more\)\n/.test(forwarded.err()));
    assert.match(forwarded.err(), /^a connection to db was refused: No policy lets you\. \(rule: tunnels\/x\)\n/);
    assert.ok(forwarded.err().split("\n").length < 20, forwarded.err());
  });

  test("each connection is told of when that is asked for, with its bytes", async (t) => {
    await serve(t, (socket) => {
      socket.on("data", () => undefined);
      socket.on("end", () => socket.end("goodbye"));
    });
    await using forwarded = await forward([anywhere], { verbose: true });
    const socket = local({ port: forwarded.ports[0] ?? 0 });
    socket.end("hello");
    await socket.toArray();
    await until("both lines are there", () => forwarded.err().includes("ended"));
    assert.match(
      forwarded.err(),
      /^connection 1 to db from 127\.0\.0\.1 port \d+\nconnection 1 ended \(5 bytes there, 7 back, [\d.]+ s\)\n$/,
    );
  });

  test("a session that has ended is opened again by the next connection", async (t) => {
    await serve(t, (socket) => void socket.end("hello"));
    await using forwarded = await forward([anywhere]);
    const talk = async (): Promise<string> =>
      Buffer.concat(await local({ port: forwarded.ports[0] ?? 0 }).toArray()).toString();
    assert.equal(await talk(), "hello");
    forwarded.opened[0]?.close();
    await until("it is told", () => /the connection to the agent has ended/.test(forwarded.err()));
    assert.equal(await talk(), "hello");
    assert.equal(forwarded.opened.length, 2);
  });

  test("who gives up while the dial is being made takes the dial along", async (t) => {
    await serve(t, () => undefined);
    const never = new AbortController();
    let gaveUp = false;
    const dialling: ForwardedStreams = {
      place: anywhere,
      what: "db",
      dial: (_session, signal) =>
        new Promise((_, reject) => {
          signal.addEventListener("abort", () => {
            gaveUp = true;
            reject(signal.reason);
          });
        }),
    };
    const listening = Promise.withResolvers<string>();
    const told: string[] = [];
    const ended = forwardUntil(
      {
        connection: {
          openSession: (signal) =>
            openAgentSession({ url: `http://127.0.0.1:${world.port}`, token, version: "0.0.1" }, signal),
        },
        forwards: [dialling],
        out: (line) => listening.resolve(line),
        err: (line) => void told.push(line),
      },
      never.signal,
    );
    const socket = local({ port: Number(/:(\d+) is/.exec(await listening.promise)?.[1]) });
    await once(socket, "connect");
    socket.resetAndDestroy();
    await until("the dial is given up", () => gaveUp);
    never.abort(new Error("over"));
    await assert.rejects(ended, /over/);
    assert.deepEqual(told, []);
  });
});
