import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { test } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { loadIdentity } from "../../src/identity/identity.ts";
import { createPeerDialer, waysBeside, waysToPeer, wayText } from "../../src/peering/dial-peer.ts";
import { DialError, Reason } from "../../src/wire/reason.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { createMemoryStore } from "../identity/memory-store.ts";
import { patience } from "../patience.ts";

const pin = "ab".repeat(32);

test("a peer is dialled at its URL first, then through its relays in their order", () => {
  const texts = (peer: Parameters<typeof waysToPeer>[0]): string[] => waysToPeer(peer).map(wayText);
  assert.deepEqual(texts({ url: "ws://east/link", relays: ["hub", "far"] }), [
    "ws://east/link",
    "through hub",
    "through far",
  ]);
  assert.deepEqual(texts({ relays: ["hub"] }), ["through hub"]);
  assert.deepEqual(texts({}), []);
});

test("beside a direct link nothing is relayed, and a relayed one is left for a direct one only, if that is known", () => {
  const texts = (...of: Parameters<typeof waysBeside>): string[] => waysBeside(...of).map(wayText);
  const both = { url: "ws://east/link", relays: ["hub"] };
  assert.deepEqual(texts(both, undefined), ["ws://east/link", "through hub"]);
  assert.deepEqual(texts(both, "direct"), ["ws://east/link"]);
  assert.deepEqual(texts(both, "relayed"), ["ws://east/link"]);
  assert.deepEqual(texts({ relays: ["hub"] }, "relayed"), ["through hub"], "when somebody asks for it");
  assert.deepEqual(texts({ relays: ["hub"] }, "direct"), []);
});

test("a way that swallows everything keeps nobody from the next one for more than eight seconds", async (t) => {
  const identity = await loadIdentity({ store: createMemoryStore(), clock: systemClock, log: silentLog }, patience());
  t.after(() => identity.close());
  const silent = createServer((socket) => {
    socket.on("error", () => undefined);
    t.after(() => socket.destroy());
  });
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  t.after(() => silent.close());
  const clock = createFakeClock();
  const asked = Promise.withResolvers<number>();
  const dial = createPeerDialer({
    identity,
    hello: { instance: new Uint8Array(16), version: "test" },
    clock,
    accept: () => undefined,
    dialPeer() {
      asked.resolve(clock.monotonic());
      return Promise.reject(new DialError(Reason.DENIED, "no"));
    },
    relay: () => ({ fingerprint: "ee".repeat(32), through: undefined }),
  });
  const { port } = silent.address() as AddressInfo;
  const failed = dial(
    { pin, ways: [{ url: `ws://127.0.0.1:${port}/link` }, { relay: "hub" }] },
    () => undefined,
    patience(),
  );
  failed.catch(() => undefined);
  await once(silent, "connection", { signal: patience() });
  await clock.advance(8_000);
  assert.equal(await asked.promise, 8_000);
  await assert.rejects(failed, /did not complete a link within 8 s.*Through hub: no/);
});

test("when no way leads there the failure tells of each, and of one that cannot be a way", async (t) => {
  const identity = await loadIdentity({ store: createMemoryStore(), clock: systemClock, log: silentLog }, patience());
  t.after(() => identity.close());
  const asked: string[] = [];
  const dial = createPeerDialer({
    identity,
    hello: { instance: new Uint8Array(16), version: "test" },
    clock: systemClock,
    accept: () => undefined,
    dialPeer(peer) {
      asked.push(peer);
      return Promise.reject(new DialError(Reason.DENIED, "The relay refused: no (rule: relay/allow)"));
    },
    relay: (name) =>
      ({
        hub: { fingerprint: "ee".repeat(32), through: undefined },
        far: { fingerprint: "dd".repeat(32), through: "hub" },
      })[name],
  });
  const ways = [{ url: "no URL" }, { relay: "hub" }, { relay: "far" }, { relay: "gone" }];
  const failed = dial({ pin, ways }, () => undefined, patience());
  await assert.rejects(failed, (error: Error) => {
    assert.match(error.message, /must look like wss:/);
    assert.match(error.message, /Through hub: The relay refused: no \(rule: relay\/allow\)/);
    assert.match(error.message, /far is reached through hub itself/);
    assert.match(error.message, /no peer "gone"/);
    return true;
  });
  assert.deepEqual(asked, ["hub"], "no relay behind another is even asked");
});
