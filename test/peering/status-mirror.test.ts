/** What a Peer's status costs: a write is for news, and a link that stands has none. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { silentLog } from "../../src/base/log.ts";
import { isJsonObject } from "../../src/kube/object.ts";
import { peers } from "../../src/kube/resources.ts";
import { createStatusWriter } from "../../src/kube/status-writer.ts";
import type { LinkStatus } from "../../src/peering/link-status.ts";
import { createRoster } from "../../src/peering/roster.ts";
import { lookAgain, noRoundTrip } from "../../src/peering/shown-round-trip.ts";
import { createStatusMirror } from "../../src/peering/status-mirror.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { createMemoryPeerStore } from "./memory-stores.ts";

const minute = 60_000;

/** What of a status the tests look at. */
interface Written {
  path: unknown;
  roundTripMs: unknown;
  lastSeenAt: unknown;
}

function toPlain(status: unknown): Written {
  const { link, roundTripMs, lastSeenAt } = isJsonObject(status) ? status : {};
  return { path: isJsonObject(link) ? link.path : undefined, roundTripMs, lastSeenAt };
}

/** A peer "berlin" with a link that tells what the test sets, and the writes that reach the API server. */
async function set(t: TestContext) {
  const clock = createFakeClock();
  const roster = createRoster({ store: createMemoryPeerStore(), clock, log: silentLog });
  await roster.add(
    { name: "berlin", fingerprint: "f".repeat(64), caPem: "", labels: {}, relays: [], grants: [], grantsUntil: {} },
    {},
    AbortSignal.timeout(10_000),
  );
  const listeners = new Set<(peer: string, status: LinkStatus) => void>();
  const link: { -readonly [Name in keyof LinkStatus]: LinkStatus[Name] } = {
    state: "connected",
    since: clock.now(),
    held: true,
    epoch: 1,
    path: "dialled",
  };
  const written: Written[] = [];
  const writer = createStatusWriter({
    client: {
      async applyStatus(kind, object) {
        written.push(toPlain(kind.format(object).status));
        return kind.parse({});
      },
      get: async () => undefined,
    },
    kind: peers,
    clock,
    log: silentLog,
  });
  const status = (): LinkStatus => ({ ...link, lastSeenAt: clock.now() });
  const mirror = createStatusMirror({
    roster,
    clock,
    status,
    facts: () => ({ version: "1.2.3", facts: { region: "north" } }),
    held: () => [{ name: "apps" }],
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    write: (name, value) => writer.write({ metadata: { name, namespace: "n", uid: "u1" }, status: value }),
  });
  t.after(async () => {
    mirror.close();
    roster.close();
    await writer.close();
  });
  /** The link tells of a change. */
  const change = async (to: Partial<LinkStatus>): Promise<void> => {
    Object.assign(link, to);
    for (const listener of listeners) listener("berlin", status());
    await clock.advance(2_000);
  };
  /** For so many minutes pings take what `of` says for each. */
  const pass = async (minutes: number, of: (index: number) => number): Promise<void> => {
    for (let index = 0; index < minutes; index += 1) {
      link.roundTripMs = of(index);
      await clock.advance(minute);
    }
  };
  return { mirror, written, change, pass, clock };
}

test("a link that stands costs no write, however its pings vary and whatever is heard on it", async (t) => {
  const { mirror, written, change, pass } = await set(t);
  await change({ roundTripMs: 20 });
  assert.equal(written.length, 1);
  assert.equal(written[0]?.roundTripMs, 20);
  await pass(600, (index) => [11, 39, 21.4, 900, 18, 5, 39, 12, 2, 24][index % 10] ?? 0);
  assert.equal(written.length, 1);
  mirror.update("berlin");
  await pass(10, () => 25);
  assert.equal(written.length, 1);
});

test("a round trip that has become another is written once, from which side it may be", async (t) => {
  const { written, change, pass } = await set(t);
  await change({ roundTripMs: 20 });
  await pass(10, () => 90.2);
  assert.deepEqual(
    written.map((status) => status.roundTripMs),
    [20, 91],
  );
  await pass(10, () => 3);
  assert.deepEqual(
    written.map((status) => status.roundTripMs),
    [20, 91, 3],
  );
});

test("the first round trip is written when it is measured, and not kept for another path or without a link", async (t) => {
  const { written, change, pass } = await set(t);
  await change({});
  await pass(2, () => 8);
  await change({ path: "through oslo", roundTripMs: undefined });
  await pass(2, () => 60);
  await change({ state: "disconnected", held: false, path: undefined });
  assert.deepEqual(
    written.map((status) => [status.path, status.roundTripMs]),
    [
      ["dialled", undefined],
      ["dialled", 8],
      ["through oslo", undefined],
      ["through oslo", 60],
      [undefined, undefined],
    ],
  );
});

test("when a peer was last heard is told once the link is gone", async (t) => {
  const { written, change, pass } = await set(t);
  await change({ roundTripMs: 5 });
  await pass(30, () => 5);
  assert.equal(written.at(-1)?.lastSeenAt, undefined);
  await change({ state: "connecting" });
  assert.equal(written.at(-1)?.lastSeenAt, "2026-01-01T00:30:02Z");
});

test("milliseconds that nobody minds are no news, whatever the factor", () => {
  let shown = lookAgain(noRoundTrip, 0.3);
  assert.equal(shown.ms, 1);
  for (let look = 0; look < 100; look += 1) shown = lookAgain(shown, 1 + (look % 5));
  assert.equal(shown.ms, 1);
  for (const latest of [7, 2, 7, 7]) shown = lookAgain(shown, latest);
  assert.equal(shown.ms, 1);
  assert.equal(lookAgain(shown, 9).ms, 7);
});
