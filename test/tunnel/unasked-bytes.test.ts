/** What an app sends beyond its answer belongs to nobody's request. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { type Duplex, duplexPair } from "node:stream";
import { text } from "node:stream/consumers";
import { describe, test } from "node:test";
import { createHttpForwarder } from "../../src/tunnel/http.ts";
import { PeerRates } from "../../src/tunnel/peer-rates.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { patience, until } from "../patience.ts";

/** A door whose app is what is written to `apps`, by connection, and whose client is on a pair of streams. */
function startDoor() {
  const clock = createFakeClock();
  const apps: Duplex[] = [];
  const dialled: Duplex[] = [];
  const forwarder = createHttpForwarder({
    dial: async () => {
      const [near, far] = duplexPair();
      apps.push(far);
      dialled.push(near);
      return near;
    },
    clock,
    rates: new PeerRates(clock, {}),
  });
  const server = createServer((req, res) => {
    const arrival = { scheme: "http", host: "x", clientAddress: "127.0.0.1" } as const;
    const destination = { peer: "there", target: { kind: "app" as const, namespace: "shop", name: "web" } };
    const passage = { destination, path: "/", arrival, consoleCookies: [], stripAuthorization: false };
    forwarder.forward(req, res, { ...passage, scheme: "http" }).catch((error: unknown) => res.end(String(error)));
  });
  return {
    apps,
    /** The door's ends of the connections to the app. */
    dialled,
    clock,
    /** The client's end of a new connection to the door. */
    connect(): Duplex {
      const [client, door] = duplexPair({ highWaterMark: 16 });
      server.emit("connection", Object.assign(door, { setTimeout: () => door, remoteAddress: "127.0.0.1" }));
      return client;
    },
    [Symbol.dispose]() {
      forwarder.close();
      server.close();
    },
  };
}

const fake = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfake";

async function asked(app: Duplex | undefined): Promise<Duplex> {
  assert.ok(app);
  await once(app, "data", { signal: patience() });
  return app;
}

function write(stream: Duplex, bytes: string): Promise<void> {
  return new Promise((resolve) => stream.write(bytes, () => resolve()));
}

/** And has the answer of the new connection, whatever is still to be read on the old one. */
async function nextIsDialledAnew(door: ReturnType<typeof startDoor>): Promise<void> {
  const next = door.connect();
  next.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const answer = text(next);
  await until("it is dialled anew", () => door.apps.length === 2);
  await write(await asked(door.apps[1]), "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntrue");
  assert.match(await answer, /true$/);
}

describe("a kept connection is used no more once its app has sent what is part of no answer", () => {
  test("while it is idle", async () => {
    using door = startDoor();
    const head = door.connect();
    head.write("HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    const answer = text(head);
    await until("it is dialled", () => door.apps.length === 1);
    const app = await asked(door.apps[0]);
    await write(app, "HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n");
    assert.match(await answer, /^HTTP\/1\.1 200 OK/);
    app.write(fake);
    await nextIsDialledAnew(door);
  });

  test("while its answer, which has come whole, is still being read by the client", async () => {
    using door = startDoor();
    const slow = door.connect();
    slow.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    await until("it is dialled", () => door.apps.length === 1);
    const app = await asked(door.apps[0]);
    await write(app, `HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n${"a".repeat(30_000)}`);
    await write(app, "b".repeat(30_000));
    app.write("surplus");
    assert.match(await text(slow), /a{30000}b{30000}$/);
    await nextIsDialledAnew(door);
  });
});

describe("an app that does not do its part after its answer keeps its connection for five seconds more", () => {
  test("when it says that it closes, and does not", async () => {
    using door = startDoor();
    const client = door.connect();
    client.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    const answer = text(client);
    await until("it is dialled", () => door.apps.length === 1);
    await write(await asked(door.apps[0]), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi");
    assert.match(await answer, /hi$/);
    await until("the door has said all", () => door.dialled[0]?.writableFinished === true);
    await door.clock.advance(4_900);
    assert.equal(door.dialled[0]?.destroyed, false);
    await door.clock.advance(200);
    assert.equal(door.dialled[0]?.destroyed, true);
  });

  test("when it reads nothing of a request that it has answered", async () => {
    using door = startDoor();
    const client = door.connect();
    // More than lies on the way by itself, and so little that the door has read all of it.
    const body = "x".repeat(70_000);
    client.write(`POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    const answer = text(client);
    await until("it is dialled", () => door.apps.length === 1);
    const [app] = door.apps;
    assert.ok(app);
    await write(app, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    assert.match(await answer, /hi$/);
    await door.clock.advance(4_900);
    assert.equal(door.dialled[0]?.destroyed, false);
    await door.clock.advance(200);
    await until("it is let go", () => door.dialled[0]?.destroyed === true);
  });
});
