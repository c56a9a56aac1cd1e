/** Ports of apps on this machine, by command line, over two agents. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { text } from "node:stream/consumers";
import { after, before, suite, test } from "node:test";
import { connectToAgent } from "../../src/cli/connection.ts";
import { exitCode } from "../../src/cli/errors.ts";
import { AppService } from "../../src/gen/fairlead/console/v1/app_service_pb.ts";
import { Reason } from "../../src/wire/reason.ts";
import { startConsole, token } from "../console/console-world.ts";
import { run, start, startWorldWithWeb, type World } from "./world.ts";

suite("fairlead app port-forward", () => {
  let world: World;
  before(async () => {
    world = await startWorldWithWeb();
  });
  after(() => world[Symbol.asyncDispose]());

  const forward = async (...ports: string[]) => {
    const running = start(world.lisbon, ["app", "port-forward", "web", ...ports]);
    await running.until((out) => out.split("\n").length > ports.length);
    const urls = [...running.out().matchAll(/^(127\.0\.0\.1:\d+) is web/gm)].map(([, at]) => `http://${at}`);
    return { running, urls };
  };

  test("several ports here are the app's, for many connections at a time, until Ctrl-C", async () => {
    const { running, urls } = await forward(":8080", ":8080");
    assert.equal(new Set(urls).size, 2);
    for (let round = 0; round < 4; round += 1) {
      const answers = await Promise.all(
        Array.from({ length: 25 }, async (_, number) => {
          const answer = await fetch(`${urls[number % 2]}/?${number}`, { headers: { connection: "close" } });
          await answer.text();
          return answer.status;
        }),
      );
      assert.deepEqual(new Set(answers), new Set([200]));
    }
    running.interrupt();
    assert.equal((await running.ended).code, exitCode.interrupted);
    await assert.rejects(fetch(urls[0] ?? ""));
  });

  test("a port that the app does not have is said before anything else", async () => {
    for (const port of [":9999", "80", "web"]) {
      const { code, err } = await run(world.lisbon, ["app", "port-forward", "web", port]);
      assert.equal(code, exitCode.notFound, err);
      assert.match(err, /web declares no port .*; its ports: 8080/);
    }
  });

  test("what cannot be listened on, or is no port, or no app, is said before anything else", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const address = taken.address();
    const port = address && typeof address === "object" ? address.port : 0;
    const busy = await run(world.lisbon, ["app", "port-forward", "web", `${port}:8080`]);
    taken.close();
    assert.match(busy.err, /something else listens there/);
    assert.doesNotMatch(busy.err, /the connection to the agent/);
    for (const text of ["0", "70000:80", "80:", "a:b"]) {
      const { code, err } = await run(world.lisbon, ["app", "port-forward", "web", text]);
      assert.deepEqual([code, /is no port/.test(err)], [exitCode.usage, true], text);
    }
    assert.equal((await run(world.lisbon, ["app", "port-forward", "nobody"])).code, exitCode.notFound);
  });
});

test("2,000 connections are open at a time over the one to the agent, and one that is refused is reset", {
  timeout: 120_000,
}, async () => {
  const world = await startConsole({
    routes(router) {
      router.service(AppService, {
        getApp: () => ({ app: { spec: { ports: [{ containerPort: 7 }, { containerPort: 9 }] } } }),
      });
    },
    dial(incoming) {
      const { kind } = incoming.target;
      const port = kind.case === "workload" ? kind.value.port?.value.value : undefined;
      if (port === 9) return incoming.refuse(Reason.DENIED, "No policy lets you.");
      const stream = incoming.accept();
      stream.pipe(stream);
      stream.on("error", () => undefined);
    },
  });
  const openCluster = () => Promise.reject(new Error("the test names the server"));
  const running = start(
    undefined,
    ["--server", `http://127.0.0.1:${world.port}`, "app", "port-forward", "echo", ":7", ":9"],
    {
      connect: (options, signal) =>
        connectToAgent(
          { version: "0", env: { FAIRLEAD_TOKEN: token }, openCluster, findConsole: async () => undefined },
          options,
          signal,
        ),
    },
  );
  await running.until((out) => out.includes("is echo:9"));
  const port = Number(/127\.0\.0\.1:(\d+)/.exec(running.out())?.[1]);
  const sockets = await Promise.all(
    Array.from({ length: 2_000 }, async (_, number) => {
      const socket = connect(port, "127.0.0.1");
      await once(socket, "connect");
      socket.write(`I am ${number}`);
      assert.equal(String((await once(socket, "data"))[0]), `I am ${number}`);
      return socket;
    }),
  );
  assert.ok(
    sockets.every(({ destroyed }) => !destroyed),
    "all are still open",
  );
  await Promise.all(
    sockets.map(async (socket, number) => {
      socket.end(`and ${number} leaves`);
      assert.equal(await text(socket), `and ${number} leaves`);
    }),
  );
  const refused = connect(Number(/127\.0\.0\.1:(\d+) is echo:9/.exec(running.out())?.[1]), "127.0.0.1");
  assert.equal((await once(refused, "error"))[0].code, "ECONNRESET");
  running.interrupt();
  const { code, err } = await running.ended;
  assert.deepEqual([code, err], [exitCode.interrupted, "a connection to echo:9 was refused: No policy lets you.\n"]);
  await world[Symbol.asyncDispose]();
});
