import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Priority } from "../../src/wire/scheduler.ts";
import type { Session } from "../../src/wire/session.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { until } from "../patience.ts";
import { openRaw, type RawPeer } from "./raw-peer.ts";

const KiB = 1024;

/** More than any of these tests waits for; an end to it, since nothing else ends what is urgent. */
const mostBytes = 4096 * KiB;

/** A stream that writes as much as it may to an end that gives credit without end and acknowledges only what it is told to. */
async function pour(session: Session, peer: RawPeer, priority: Priority): Promise<void> {
  const stream = session.open({ rpc: { path: "/a.B/C" }, priority });
  await peer.hear("open");
  peer.send({ stream: BigInt(stream.id), kind: { case: "credit", value: { bytes: 2n ** 40n } } });
  const piece = new Uint8Array(16 * KiB);
  let written = 0;
  const writeOn = (): void => {
    while (stream.cut === undefined && written < mostBytes) {
      written += piece.length;
      if (!stream.write([piece], writeOn)) return;
    }
  };
  writeOn();
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
}

const came = (peer: RawPeer): number =>
  peer.heard.reduce((sum, { kind }) => (kind.case === "data" ? sum + kind.value.length : sum), 0);

suite("bulk is bounded in flight", () => {
  test("what was sent waits for its acknowledgement, which alone lets more go", async () => {
    // No timer comes to help.
    const { session, peer } = await openRaw({ clock: createFakeClock() });
    await pour(session, peer, Priority.NORMAL);
    await until("as much as may be under way", () => came(peer) >= 256 * KiB);
    await settled();
    const before = came(peer);
    assert.ok(before <= 256 * KiB + 2 * 64 * KiB, `${before} bytes are under way`);
    const frames = BigInt(1 + peer.heard.filter(({ kind }) => kind.case === "data").length);
    peer.send({ kind: { case: "ack", value: { received: frames } } });
    await until("more goes", () => came(peer) >= before + 128 * KiB);
  });

  test("what is urgent does not wait, nor does a stream that sends little", async () => {
    // No timer comes to help.
    const { session, peer } = await openRaw({ clock: createFakeClock() });
    await pour(session, peer, Priority.NORMAL);
    await until("as much as may be under way", () => came(peer) >= 256 * KiB);
    await settled();
    const key = session.open({ rpc: { path: "/a.B/Key" }, priority: Priority.NORMAL });
    key.write([Buffer.from("key")], () => undefined);
    await peer.hear("open");
    await until("the key comes", () => peer.heard.some(({ stream }) => stream === BigInt(key.id)));
    const before = came(peer);
    await pour(session, peer, Priority.INTERACTIVE);
    await until("urgent bytes go on", () => came(peer) >= before + 512 * KiB);
  });
});
