/** How fast the doors ask one peer, whichever app or Service is meant, and whoever asks. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { createFakeClock } from "../base/fake-clock.ts";
import { until } from "../patience.ts";
import { bearer, type ConsoleWorld, startConsole } from "./console-world.ts";

const statusOf = async (world: ConsoleWorld, path: string): Promise<number> =>
  (await world.ask(path, { headers: bearer })).status;

describe("all doors to one peer", () => {
  test("answer 429 to what comes beyond its requests a second, upgrades among it", async () => {
    const clock = createFakeClock();
    await using world = await startConsole({ agents: { clock, doorRates: { requestsPerSecond: 3 } } });
    const answer = (_req: unknown, res: { end(text: string): void }): void => res.end("ok");
    await world.run("one", answer);
    await world.run("two", answer);
    const elsewhere = { namespace: "shop", name: "far", uid: "uid-far", peer: "elsewhere", ports: [{ number: 80 }] };
    world.show({ ...elsewhere, ports: [{ name: "http", number: 80 }] });
    assert.equal(await statusOf(world, "/apps/shop/one/http/"), 200);
    assert.equal(await statusOf(world, "/apps/shop/two/http/"), 200);
    assert.equal(await statusOf(world, "/peers/there/services/shop/none/80/"), 403, "the third, whatever came of it");
    const late = await world.ask("/apps/shop/two/http/", { headers: bearer });
    assert.equal(late.status, 429);
    assert.equal(late.headers["retry-after"], "1");
    const { error } = JSON.parse(late.text);
    assert.equal(error.code, "too-many-requests");
    assert.match(error.message, /ask there for 3 things a second/);
    const upgrade = { ...bearer, connection: "upgrade", upgrade: "websocket" };
    assert.equal((await world.ask("/apps/shop/one/http/", { headers: upgrade })).status, 429);
    assert.notEqual(await statusOf(world, "/apps/shop/far/http/"), 429, "another peer has its own");
    await clock.advance(400);
    assert.equal(await statusOf(world, "/apps/shop/one/http/"), 200);
    assert.equal(await statusOf(world, "/apps/shop/one/http/"), 429);
  });

  test("hold the bytes of all its apps to one rate, whatever they speak", async () => {
    const clock = createFakeClock();
    await using world = await startConsole({ agents: { clock, doorRates: { bytesPerSecond: 1_000_000 } } });
    const body = randomBytes(1_500_000);
    for (const name of ["one", "two"]) await world.run(name, (_req, res) => void res.end(body));
    const came = [0, 0];
    const reading = ["one", "two"].map(async (name, index) => {
      const answer = await fetch(`http://127.0.0.1:${world.port}/apps/shop/${name}/http/`, { headers: bearer });
      for await (const piece of answer.body ?? []) came[index] = (came[index] ?? 0) + piece.length;
    });
    const all = Promise.all(reading);
    await until("both begin", () => came.every((bytes) => bytes > 0));
    let seconds = 0;
    let over = false;
    void all.then(() => {
      over = true;
    });
    while (!over) {
      await clock.advance(100);
      seconds += 0.1;
      const sum = came.reduce((a, b) => a + b);
      // A quarter of a second may be made up for, and the piece with which the rate was reached has passed.
      assert.ok(sum <= 1_000_000 * (seconds + 0.25) + 300_000, `${sum} bytes came in ${seconds} s`);
    }
    assert.deepEqual(came, [body.length, body.length]);
  });
});
