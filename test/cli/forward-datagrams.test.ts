/** Datagrams from this machine over a real session with a console, by a resolver that nobody here wrote (c-ares, which is Node's). */
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { Resolver } from "node:dns/promises";
import { once } from "node:events";
import { after, before, suite, test } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { joinDatagrams } from "../../src/base/datagram-pipe.ts";
import { connectUdp } from "../../src/base/udp-socket.ts";
import { exitCode } from "../../src/cli/errors.ts";
import { forwardUntil } from "../../src/cli/forwarding.ts";
import { datagramPlace } from "../../src/cli/listen-place.ts";
import { openAgentSession } from "../../src/client/session.ts";
import { Reason } from "../../src/wire/reason.ts";
import { type ConsoleWorld, startConsole, token } from "../console/console-world.ts";
import { until } from "../patience.ts";
import { run } from "./world.ts";

const target = { kind: "service", namespace: "data", name: "dns", port: 53, network: "udp" } as const;

suite("a forward of datagrams", () => {
  let world: ConsoleWorld;
  let port = 0;
  let refuses = false;
  let dials = 0;
  const server = createSocket("udp4");

  before(async () => {
    // Answers each question of DNS for an A record with 192.0.2.7, its header and question as they came.
    server.on("message", (query: Buffer, from) => {
      const question = query.subarray(12, query.indexOf(0, 12) + 5);
      const header = Buffer.concat([query.subarray(0, 2), Buffer.from("81800001000100000000", "hex")]);
      const answer = Buffer.from("c00c000100010000003c0004c0000207", "hex");
      server.send(Buffer.concat([header, question, answer]), from.port, from.address);
    });
    server.bind(0, "127.0.0.1");
    await once(server, "listening");
    port = server.address().port;
    world = await startConsole({
      dial(incoming) {
        dials += 1;
        if (refuses) return incoming.refuse(Reason.DENIED, "No policy lets you. (rule: tunnels/x)");
        void connectUdp("127.0.0.1", port, incoming.signal).then((socket) =>
          joinDatagrams(incoming.acceptDatagrams(), socket, { clock: systemClock }),
        );
      },
    });
  });
  after(async () => {
    server.close();
    await world[Symbol.asyncDispose]();
  });

  async function forward() {
    const stop = new AbortController();
    const listening = Promise.withResolvers<string>();
    let err = "";
    const ended = forwardUntil(
      {
        connection: {
          openSession: (signal) =>
            openAgentSession({ url: `http://127.0.0.1:${world.port}`, token, version: "0.0.1" }, signal),
        },
        forwards: [
          {
            what: "dns",
            datagramsAt: { address: "127.0.0.1", port: 0 },
            dial: (session, signal) => session.dialDatagrams(target, "there", signal),
          },
        ],
        out: (line) => listening.resolve(line),
        err(line) {
          err += line;
        },
      },
      stop.signal,
    );
    const line = await Promise.race([listening.promise, ended]);
    return {
      port: Number(/^127\.0\.0\.1:(\d+)\/udp is dns\n$/.exec(line)?.[1]),
      err: () => err,
      async [Symbol.asyncDispose]() {
        stop.abort(new Error("the test is over"));
        await assert.rejects(ended, /the test is over/);
      },
    };
  }

  test("a resolver here asks a name server there", async () => {
    await using forwarded = await forward();
    const resolver = new Resolver({ timeout: 30_000, tries: 4 });
    resolver.setServers([`127.0.0.1:${forwarded.port}`]);
    for (const name of ["one.example.org", "two.example.org"])
      assert.deepEqual(await resolver.resolve4(name), ["192.0.2.7"]);
    assert.ok(dials >= 1);
  });

  test("a refusal is told, and not for each datagram", async (t) => {
    await using forwarded = await forward();
    refuses = true;
    t.after(() => {
      refuses = false;
    });
    dials = 0;
    const client = createSocket("udp4");
    t.after(() => client.close());
    client.send("a", forwarded.port, "127.0.0.1");
    await until("it is told", () => forwarded.err() !== "");
    assert.match(forwarded.err(), /^a connection to dns was refused: No policy lets you\. \(rule: tunnels\/x\)\n$/);
  });

  test("what only streams have is told before anything listens", () => {
    const usage = { code: exitCode.usage };
    assert.throws(() => datagramPlace({ path: "./dns.sock" }, false), usage);
    assert.throws(() => datagramPlace({ host: "127.0.0.1", port: 53 }, true), usage);
  });
});

test("a time after which flows end is one for which the peer keeps them", async () => {
  const asked = (time: string) => run(undefined, ["forward", "berlin", "service/a/b:53/udp", "--udp-idle", time]);
  for (const time of ["0s", "5m1s", "1h"]) {
    const { code, err } = await asked(time);
    assert.equal(code, exitCode.usage, time);
    assert.match(err, /It must be from 1s to 5m/);
  }
  assert.match((await asked("soon")).err, /a span of time/);
});
