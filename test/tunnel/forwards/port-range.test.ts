/** Ports that are dealt to Forwards, with the listening in the test's hands but for one. */
import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";
import { PortRange } from "../../../src/tunnel/forwards/port-range.ts";
import { listenTcp } from "../../../src/tunnel/forwards/tcp-listener.ts";

const listen = async () => ({ close: () => undefined });

function rangeOf(count: number): PortRange {
  return new PortRange("127.0.0.1", { first: 20_001, last: 20_000 + count });
}

test("each port is one's at a time, and the range comes to its end", async () => {
  const range = rangeOf(3);
  const ports = await Promise.all(["a", "b", "c", "d"].map((owner) => range.open(owner, "web", listen)));
  assert.deepEqual(ports.map((one) => one?.port).sort(), [20_001, 20_002, 20_003, undefined]);
});

test("a port that is closed is nobody else's before its owner says that nothing leads there", async () => {
  const range = rangeOf(1);
  const port = await range.open("a", "web", listen);
  port?.close();
  assert.equal(await range.open("b", "web", listen), undefined);
  assert.equal(await range.open("a", "metrics", listen), undefined, "nor is it another of the owner's own");
  const again = await range.open("a", "web", listen);
  assert.equal(again?.port, 20_001);
  range.giveBack("a");
  assert.equal(await range.open("b", "web", listen), undefined, "it is listened on");
  again?.close();
  port?.close();
  range.giveBack("b");
  assert.equal(await range.open("b", "web", listen), undefined);
  range.giveBack("a");
  assert.equal((await range.open("b", "web", listen))?.port, 20_001);
});

test("a peer gets half of what the others leave, however many owners it has, so that there is room for the next", async () => {
  const range = rangeOf(16);
  const dealt = async (peer: string, from: string) => {
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, at) => range.open(`${from}-${at}`, "web", listen, peer)),
    );
    return all.filter((one) => one !== undefined).length;
  };
  assert.deepEqual([await dealt("west", "a"), await dealt("east", "b"), await dealt("north", "c")], [8, 4, 2]);
  assert.equal(await dealt("west", "d"), 0);
  range.hold("late", "web", 20_016);
  assert.equal((await range.open("late", "web", listen, "west"))?.port, 20_016, "what leads there already goes on");
});

test("what was given back last is dealt last", async () => {
  const range = rangeOf(3);
  for (const expected of [20_001, 20_002, 20_003, 20_001, 20_002]) {
    const port = await range.open("a", "web", listen);
    assert.equal(port?.port, expected);
    port?.close();
    range.giveBack("a");
  }
});

test("what leads there already is held for whom it is of", async () => {
  const range = rangeOf(2);
  assert.equal(range.hold("old", "web", 20_001), true);
  assert.equal(range.hold("old", "web", 20_001), true);
  assert.equal(range.hold("other", "web", 20_001), false);
  assert.equal(range.hold("old", "far", 30_000), true, "no port of the range is nobody's concern");
  assert.equal((await range.open("new", "web", listen))?.port, 20_002);
  assert.equal(await range.open("new", "more", listen), undefined);
  assert.equal((await range.open("old", "web", listen))?.port, 20_001);
});

test("a port that another program has is passed over, and any other trouble is told", async (t) => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  t.after(() => other.close());
  const address = other.address();
  assert.ok(address && typeof address === "object");
  const { port } = address;
  const range = new PortRange("127.0.0.1", { first: port, last: port });
  assert.equal(
    await range.open(
      "a",
      "web",
      listenTcp(() => undefined),
    ),
    undefined,
  );
  const elsewhere = new PortRange("192.0.2.1", { first: 20_000, last: 20_000 });
  const tcp = listenTcp(() => undefined);
  await assert.rejects(elsewhere.open("a", "web", tcp), /EADDRNOTAVAIL/);
  assert.equal((await elsewhere.open("b", "web", listen))?.port, 20_000, "and the port is free again");
});
