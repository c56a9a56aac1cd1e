/**
 * What connections of one person at a forward owe one another, through everything that is between them and the server: the session with their agent, the
 * link, and the host's bounds. Told by bytes that pass meanwhile, since times say how busy the machine is.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { after, before, suite, test } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { forwardUntil } from "../../src/cli/forwarding.ts";
import { openAgentSession } from "../../src/client/session.ts";
import { createSessionDial } from "../../src/console/session-dial.ts";
import { type ConsoleWorld, startConsole, token } from "../console/console-world.ts";
import { openDoors } from "../console/people.ts";
import { until } from "../patience.ts";

const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;

suite("connections at one forward", () => {
  let world: ConsoleWorld;
  const limits: { bytesPerSecond?: number } = {};
  const stop = new AbortController();
  let ended: Promise<never>;
  let port = 0;
  const sockets = new Set<Socket>();
  /** What has come of all that was uploaded. */
  let uploaded = 0;
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    keep(socket);
    socket.once("data", (first) => {
      const word = first.toString("latin1", 0, 4);
      if (word === "much") return pour(socket);
      if (word === "take")
        return void socket.on("data", (chunk) => {
          uploaded += chunk.length;
        });
      socket.write(first);
      socket.pipe(socket);
    });
  });

  function keep(socket: Socket): Socket {
    sockets.add(socket);
    socket.on("error", () => undefined).once("close", () => sockets.delete(socket));
    return socket;
  }

  before(async () => {
    server.listen({ port: 0, host: "127.0.0.1" });
    await once(server, "listening");
    const address = server.address();
    const remotePort = address && typeof address === "object" ? address.port : 0;
    const dialRemote = async () => {
      const socket = connect({ port: remotePort, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
      await once(socket, "connect");
      return socket;
    };
    const findService = async () => ({ port: 80, dial: dialRemote });
    world = await startConsole({
      agents: { findService, limitsOf: () => limits },
      dial: (incoming, principal) =>
        createSessionDial({
          guard: openDoors,
          find: () => assert.fail("no app is asked for"),
          dial: (destination, signal) => world.agents.origin.dial(destination, signal),
          dialDatagrams: () => assert.fail("no datagrams are sent"),
          hasPeer: () => true,
          clock: systemClock,
        })(incoming, principal),
    });
    const listening = Promise.withResolvers<string>();
    const target = { kind: "service", namespace: "shop", name: "db", port: 80 } as const;
    ended = forwardUntil(
      {
        connection: {
          openSession: (signal) =>
            openAgentSession({ url: `http://127.0.0.1:${world.port}`, token, version: "0.0.1" }, signal),
        },
        forwards: [
          {
            place: { host: "127.0.0.1", port: 0 },
            what: "db",
            dial: (session, signal) => session.dial(target, "there", signal),
          },
        ],
        out: (line) => listening.resolve(line),
        err: () => undefined,
      },
      stop.signal,
    );
    ended.catch(() => undefined);
    port = Number(/:(\d+) is/.exec(await Promise.race([listening.promise, ended]))?.[1]);
  });
  after(async () => {
    for (const socket of sockets) socket.destroy();
    stop.abort(new Error("the test is over"));
    await assert.rejects(ended, /the test is over/);
    server.close();
    await world[Symbol.asyncDispose]();
  });

  async function begin(word: string): Promise<Socket> {
    const socket = keep(connect({ port, host: "127.0.0.1", noDelay: true }));
    await once(socket, "connect");
    socket.write(word);
    return socket;
  }

  /** How many bytes of the others passed during each of so many words there and back. */
  async function beside(small: Socket, turns: number, passed: () => number): Promise<number[]> {
    const found: number[] = [];
    for (let turn = 0; turn < turns; turn += 1) {
      const from = passed();
      const back = once(small, "data");
      small.write("word");
      await back;
      found.push(passed() - from);
    }
    return found.sort((a, b) => a - b);
  }

  const middle = (sorted: readonly number[]): number => sorted[Math.floor(sorted.length / 2)] ?? 0;

  test("some that take all they can get, in both directions, hold up no small one", async () => {
    let downloaded = 0;
    const greedy = await Promise.all(Array.from({ length: 4 }, () => begin("much")));
    for (const socket of greedy) {
      socket.on("data", (chunk) => {
        downloaded += chunk.length;
      });
    }
    const uploading = await begin("take");
    const before = uploaded;
    pour(uploading);
    const small = await begin("hello");
    await once(small, "data");
    await until("they are at full speed", () => downloaded > 2 * mebibyte && uploaded > before);
    const found = await beside(small, 20, () => downloaded + uploaded);
    assert.ok(middle(found) < 8 * mebibyte, found.join(" "));
    for (const socket of [...greedy, uploading, small]) socket.destroy();
  });

  test("where the host bounds what passes, each has its turn: a small one waits for one piece of each other", async () => {
    let downloaded = 0;
    const greedy = await Promise.all(Array.from({ length: 4 }, () => begin("much")));
    for (const socket of greedy) {
      socket.on("data", (chunk) => {
        downloaded += chunk.length;
      });
    }
    const small = await begin("hello");
    await once(small, "data");
    await until("they are at full speed", () => downloaded > 2 * mebibyte);
    limits.bytesPerSecond = mebibyte;
    world.agents.host.exit.review(() => world.agents.caller);
    // What was on its way already comes first.
    await beside(small, 3, () => downloaded);
    const found = await beside(small, 12, () => downloaded);
    // A small part of what would pass if those who have more came first.
    assert.ok((found.at(-1) ?? 0) < 3 * mebibyte, found.join(" "));
    delete limits.bytesPerSecond;
    world.agents.host.exit.review(() => world.agents.caller);
    for (const socket of [...greedy, small]) socket.destroy();
  });
});

/** As much as goes, until it is closed. */
function pour(socket: Socket): void {
  const chunk = Buffer.alloc(64 * kibibyte);
  const more = (): void => {
    while (!socket.destroyed && socket.write(chunk));
  };
  socket.on("drain", more);
  more();
}
