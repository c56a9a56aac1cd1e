/** Sessions of people's programs whose connection to the console breaks: what runs on them goes on, for whoever may still be here. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { buffer } from "node:stream/consumers";
import { suite, type TestContext, test } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { openFirst } from "../../src/client/going-on.ts";
import { createFairleadClient } from "../../src/client/index.ts";
import { openAgentSession } from "../../src/client/session.ts";
import { type Guest, mostGuests, mostOfOne, SessionGuests } from "../../src/console/session-guests.ts";
import { PodService } from "../../src/gen/fairlead/console/v1/pod_service_pb.ts";
import { LinkError } from "../../src/link/error.ts";
import { Reason, SessionError } from "../../src/wire/reason.ts";
import type { IncomingDial } from "../../src/wire/session.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { cuts, startCuttingProxy } from "../faults/cutting-proxy.ts";
import { Random } from "../faults/simulation/random.ts";
import { until } from "../patience.ts";
import { type ConsoleWorld, startConsole, token } from "./console-world.ts";
import { createOffice, person } from "./people.ts";

const never = new AbortController().signal;
const echo = { kind: "app" as const, namespace: "shop", name: "echo" };

function answerEcho(incoming: IncomingDial): void {
  const stream = incoming.accept();
  stream.pipe(stream);
  stream.on("error", () => undefined);
}

/** A way to a console that can be broken, led elsewhere, or closed. */
function createWay(world: ConsoleWorld) {
  const sockets: Socket[] = [];
  const way = {
    to: world.port as number | undefined,
    dials: 0,
    cut(): void {
      for (const socket of sockets.splice(0)) socket.resetAndDestroy();
    },
    async dial(): Promise<Duplex> {
      way.dials += 1;
      if (way.to === undefined) throw new Error("There is no way.");
      const socket = connect(way.to, "127.0.0.1");
      sockets.push(socket);
      await once(socket, "connect");
      return socket;
    },
  };
  return way;
}

async function start(t: TestContext, o: Parameters<typeof startConsole>[0] = {}): Promise<ConsoleWorld> {
  const world = await startConsole({ dial: answerEcho, ...o });
  t.after(() => world[Symbol.asyncDispose]());
  return world;
}

suite("a session whose connection breaks", { timeout: 60_000 }, () => {
  test("carries on a connection to an app and a program, with no byte lost or doubled, however it breaks", async (t) => {
    const random = new Random(7);
    const world = await start(t, {
      routes(router) {
        router.service(PodService, {
          async *exec(requests) {
            for await (const { event } of requests) {
              if (event.case === "input") yield { event: { case: "output", value: event.value } };
            }
            yield { event: { case: "exit", value: { code: 7 } } };
          },
        });
      },
    });
    const proxy = await startCuttingProxy(world.port, random);
    const url = `http://127.0.0.1:${proxy.port}`;
    const session = await openAgentSession({ url, token, version: "0.0.1" }, never);
    let stands = true;
    let losses = 0;
    session.onConnection((news) => {
      stands = news.stands;
      if (!stands) losses += 1;
    });

    const sent = randomBytes(12_000_000);
    const stream = await session.dial(echo, undefined);
    const echoed = buffer(stream);
    const keys = Array.from({ length: 40 }, (_, number) => `key ${number};`);
    let typedAll = false;
    async function* type() {
      for (const key of keys) {
        yield { event: { case: "input" as const, value: Buffer.from(key) } };
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      typedAll = true;
    }
    const program = (async () => {
      const shown: string[] = [];
      for await (const { event } of createFairleadClient({ transport: session.transport }).pods.exec(type())) {
        if (event.case === "output") shown.push(Buffer.from(event.value).toString());
        if (event.case === "exit") shown.push(`exit ${event.value.code}`);
      }
      return shown.join("");
    })();
    const half = sent.length / 2;
    stream.write(sent.subarray(0, half));
    for (const how of cuts) {
      await until("there is a connection to break", () => stands);
      const before = losses;
      await proxy.cut(how);
      await until("it is noticed", () => losses > before);
    }
    stream.end(sent.subarray(half));
    assert.ok(sent.equals(await echoed), "what comes back is what was sent");
    assert.equal(await program, `${keys.join("")}exit 7`);
    assert.ok(typedAll);
    assert.ok(proxy.taken > cuts.length);
    session.close();
    assert.match(await session.closed, /The program is done/);
    proxy.close();
  });

  test("is opened though its first connection breaks before it stands", async (t) => {
    const world = await start(t);
    const way = createWay(world);
    const dial = async (): Promise<Duplex> => {
      const socket = await way.dial();
      if (way.dials === 1) way.cut();
      return socket;
    };
    const session = await openAgentSession(
      { url: `http://127.0.0.1:${world.port}`, token, version: "0.0.1", dial },
      never,
    );
    assert.equal(way.dials, 2);
    session.close();
  });

  test("tries to open six connections that break, and none after one that is refused", async () => {
    const clock = createFakeClock();
    const attempts = async (error: Error): Promise<number> => {
      let count = 0;
      const opening = openFirst(
        async () => {
          count += 1;
          throw error;
        },
        clock,
        never,
      );
      const failing = assert.rejects(opening, error);
      for (let waits = 0; waits < 10; waits += 1) await clock.advance(3_000);
      await failing;
      return count;
    };
    const broken = Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" });
    assert.equal(await attempts(new LinkError("not-an-agent", "It did not open a WebSocket.", broken)), 6);
    assert.equal(await attempts(new SessionError(Reason.CARRIER_LOST, "It was lost.")), 6);
    assert.equal(await attempts(Object.assign(new Error("connect"), { code: "ECONNREFUSED" })), 1);
    assert.equal(await attempts(new LinkError("not-an-agent", "It answered.", undefined, 401)), 1);
  });

  test("waits for its agent no longer than its limit, and what ran on it is told", async (t) => {
    const world = await start(t);
    const way = createWay(world);
    const clock = createFakeClock(Date.now());
    const url = `http://127.0.0.1:${world.port}`;
    const session = await openAgentSession({ url, token, version: "0.0.1", dial: way.dial, clock }, never);
    const stream = await session.dial(echo, undefined);
    const broken = once(stream, "error");
    way.to = undefined;
    way.cut();
    let over = "";
    void session.closed.then((why) => {
      over = why;
    });
    const lost = until("the next connection was tried", () => way.dials > 1);
    await lost;
    await clock.advance(59_000);
    assert.equal(over, "");
    assert.ok(way.dials > 10, `${way.dials} attempts`);
    await clock.advance(1_500);
    assert.match(await session.closed, /No other connection came within 60 s/);
    await broken;
    const { dials } = way;
    await clock.advance(20_000);
    assert.equal(way.dials, dials, "nobody dials for a session that is over");
  });

  test("ends when the agent that answers knows nothing of it, and begins nothing there", async (t) => {
    const [before, after] = [await start(t), await start(t)];
    const way = createWay(before);
    const url = `http://127.0.0.1:${before.port}`;
    const session = await openAgentSession({ url, token, version: "0.0.1", dial: way.dial }, never);
    const stream = await session.dial(echo, undefined);
    const broken = once(stream, "error");
    way.to = after.port;
    way.cut();
    assert.match(await session.closed, /does not know the session/);
    await broken;
  });
});

suite("a token that is withdrawn", { timeout: 60_000 }, () => {
  test("ends what runs under it within a second, though nothing is asked", async (t) => {
    const office = createOffice({ [token]: person("ana") });
    const clock = createFakeClock(Date.now());
    const world = await start(t, { ways: [office], clock });
    const session = await openAgentSession({ url: `http://127.0.0.1:${world.port}`, token, version: "0.0.1" }, never);
    const stream = await session.dial(echo, undefined);
    const broken = once(stream, "error");
    await clock.advance(5_000);
    stream.write("still here");
    assert.equal(String((await once(stream, "data"))[0]), "still here");
    office.people.clear();
    await clock.advance(1_000);
    assert.match(await session.closed, /token is not valid any more/);
    await broken;
  });

  test("lets no session go on at another connection", async (t) => {
    const office = createOffice({ [token]: person("ana") });
    const world = await start(t, { ways: [office] });
    const way = createWay(world);
    const url = `http://127.0.0.1:${world.port}`;
    const session = await openAgentSession({ url, token, version: "0.0.1", dial: way.dial }, never);
    await session.dial(echo, undefined).then((stream) => stream.on("error", () => undefined));
    office.people.clear();
    way.cut();
    assert.match(await session.closed, /token is not valid any more/);
  });
});

suite("the programs at the door", () => {
  const known = { authenticate: async () => person("ana"), present: () => person("ana") };

  test("are told apart by their token as well as by how they name themselves", () => {
    const guests = new SessionGuests(known, systemClock);
    const [one, again, other] = ["a", "a", "b"].map((given) => program(guests, person(given), "x".repeat(22)));
    assert.ok(one?.sessions);
    assert.equal(again, one);
    assert.notEqual(other?.sessions, one.sessions);
    assert.equal(program(guests, person("a"), undefined).sessions, undefined);
    guests.close();
  });

  test("are so many at the most, and those that are here come back in", () => {
    const guests = new SessionGuests(known, systemClock);
    const all = Array.from({ length: mostGuests }, (_, number) =>
      program(guests, person(`${number % 8}`), name(number)),
    );
    assert.match(String(guests.welcome(person("a"), name(mostGuests))), /^512 programs/);
    assert.match(String(guests.welcome(person("a"), undefined)), /^512 programs/);
    assert.equal(guests.welcome(person("3"), name(3)), all[3]);
    // Who opened nothing leaves no trace.
    all[5]?.opened();
    assert.ok(program(guests, person("a"), undefined));
    guests.close();
  });

  test("of one person leave places for others, whichever of their tokens they go by", () => {
    const guests = new SessionGuests(known, systemClock);
    const ana = { ...person("ana"), kind: "user" } as const;
    const robot = (number: number) => ({ ...person(`robot-${number}`), owner: "ana" });
    const first = program(guests, ana, name(0));
    for (let number = 1; number < mostOfOne; number += 1) program(guests, robot(number), name(number));
    assert.match(String(guests.welcome(ana, name(mostOfOne))), /^64 of your programs/);
    assert.match(String(guests.welcome(robot(100), undefined)), /^64 of your programs/);
    assert.ok(program(guests, person("ben"), name(0)));
    first.opened();
    assert.ok(program(guests, robot(100), undefined));
    guests.close();
  });
});

function name(number: number): string {
  return String(number).padStart(22, "0");
}

function program(guests: SessionGuests, ...asked: Parameters<SessionGuests["welcome"]>): Guest {
  const guest = guests.welcome(...asked);
  if (typeof guest === "string") throw new Error(guest);
  return guest;
}
