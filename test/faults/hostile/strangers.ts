/** What strangers may do to the peer port: each limit before trust. */
import assert from "node:assert/strict";
import { createFakeClock } from "../../base/fake-clock.ts";
import { until } from "../../patience.ts";
import type { Breach } from "./breach.ts";
import { isCut, openGround, upgrade } from "./ground.ts";

/** A WebSocket frame with the mask 0. */
function frame(first: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(payload.length < 126 ? 6 : 14);
  head[0] = first;
  head[1] = 0x80 | (payload.length < 126 ? payload.length : 127);
  if (payload.length >= 126) head.writeBigUInt64BE(BigInt(payload.length), 2);
  return Buffer.concat([head, payload]);
}

const binary = 0x82;
const ping = 0x89;
const pong = 0x8a;
const times = (count: number, bytes: Buffer): Buffer => Buffer.concat(Array<Buffer>(count).fill(bytes));

export const strangers: readonly Breach[] = [
  ...["", "GET /li", upgrade("/link", "").slice(0, -2), upgrade(), `${upgrade()}\x82\xfe\x00`].map(
    (sent, step): Breach => ({
      limit: "time to become a link",
      attack: `holding on after step ${step} of the way, with a byte now and then`,
      async run(t) {
        const clock = createFakeClock(Date.now());
        const ground = await openGround(t, { clock, limits: { handshakeMs: 3_000 } });
        const socket = await ground.stranger(Buffer.from(sent, "latin1"));
        await until("it is there", () => ground.strangers === 1);
        for (let second = 0; second < 3; second += 1) {
          assert.equal(socket.destroyed, false, `cut after ${second} s`);
          if (step === 1) socket.write("x");
          await clock.advance(1_000);
        }
        await isCut(socket);
        assert.equal(ground.refused("timeout"), 1);
        await ground.othersAreWell();
      },
    }),
  ),
  {
    limit: "time to become a link",
    attack: "proving a key and never saying Hello",
    async run(t) {
      const clock = createFakeClock(Date.now());
      const ground = await openGround(t, { clock, limits: { handshakeMs: 3_000 } });
      const peer = await ground.proven();
      await peer.hear("hello");
      await clock.advance(3_000);
      await until("it is cut", () => peer.closed);
      assert.equal(ground.refused("timeout"), 1);
      await ground.othersAreWell();
    },
  },
  {
    limit: "strangers in all",
    attack: "a flood of connections that say nothing",
    async run(t) {
      const ground = await openGround(t, { limits: { strangers: 8, strangersPerAddress: 100 } });
      const sockets = [];
      for (let count = 0; count < 40; count += 1) sockets.push(await ground.stranger());
      await until("32 are cut for newer ones", () => ground.refused("crowded-out") === 32);
      assert.ok(ground.strangers <= 8);
      await ground.othersAreWell();
    },
  },
  {
    limit: "strangers from one address",
    attack: "a flood of WebSockets with nothing in them",
    async run(t) {
      const ground = await openGround(t, { limits: { strangers: 100, strangersPerAddress: 8 } });
      for (let count = 0; count < 40; count += 1) await ground.stranger(upgrade());
      await until("32 are cut for newer ones", () => ground.refused("crowded-out") === 32);
      assert.ok(ground.strangers <= 8);
      await ground.othersAreWell();
    },
  },
  {
    limit: "request head",
    attack: "headers of 9 KiB in the upgrade",
    async run(t) {
      const ground = await openGround(t);
      await isCut(await ground.stranger(upgrade("/link", `x: ${"y".repeat(9_000)}\r\n`)));
      assert.equal(ground.refused("malformed"), 1);
      await ground.othersAreWell();
    },
  },
  {
    limit: "requests of one connection",
    attack: "a thousand requests at once",
    async run(t) {
      const ground = await openGround(t);
      const request = Buffer.from("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
      const socket = await ground.stranger();
      let heard = "";
      socket.on("data", (chunk: Buffer) => (heard += chunk.toString()));
      socket.write(times(1_000, request));
      await isCut(socket);
      assert.equal(heard.match(/404 Not Found/g)?.length, 1);
      assert.equal(ground.refused("not-found"), 1);
      await ground.othersAreWell();
    },
  },
  ...(
    [
      ["one of 65,537 bytes", frame(binary, Buffer.alloc(65_537))],
      ["one that is said to have 2^62", Buffer.from([binary, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])],
      ["one of 17 fragments", Buffer.concat([frame(0x02, Buffer.alloc(1)), times(17, frame(0x00, Buffer.alloc(1)))])],
      ["a text", frame(0x81, Buffer.from("hello"))],
    ] as const
  ).map(
    ([attack, bytes]): Breach => ({
      limit: "WebSocket message",
      attack,
      async run(t) {
        const ground = await openGround(t);
        const socket = await ground.stranger(upgrade(), bytes);
        await until("it is refused", () => ground.refused("handshake") === 1);
        socket.destroy();
        await ground.othersAreWell();
      },
    }),
  ),
  ...(
    [
      ["empty messages", binary],
      ["pings", ping],
      ["pongs", pong],
    ] as const
  ).map(
    ([attack, first]): Breach => ({
      limit: "what a stranger says",
      attack: `a thousand ${attack}`,
      async run(t) {
        const ground = await openGround(t);
        const socket = await ground.stranger(upgrade(), times(1_000, frame(first, new Uint8Array())));
        await isCut(socket);
        await until("it is refused for that", () => ground.refused("too-much") === 1);
        await ground.othersAreWell();
      },
    }),
  ),
  {
    limit: "what a stranger says",
    attack: "messages of a megabyte together",
    async run(t) {
      const ground = await openGround(t);
      const socket = await ground.stranger(upgrade(), times(16, frame(binary, Buffer.alloc(65_000))));
      await until("it is refused", () => ground.refused("too-much") + ground.refused("handshake") === 1);
      await isCut(socket);
      await ground.othersAreWell();
    },
  },
  {
    limit: "TLS handshake",
    attack: "a handshake message of 16 MiB, in records as long as may be",
    async run(t) {
      const ground = await openGround(t);
      const record = Buffer.concat([Buffer.from([0x16, 3, 1, 0x40, 0]), Buffer.alloc(0x4000, 1)]);
      Buffer.from([1, 0xff, 0xff, 0xff]).copy(record, 5);
      const socket = await ground.stranger(upgrade(), times(20, frame(binary, record)));
      await until("it is refused", () => ground.refused("handshake") + ground.refused("too-much") === 1);
      await isCut(socket);
      await ground.othersAreWell();
    },
  },
  {
    limit: "links",
    attack: "one more than there may be, by somebody who has proved a key",
    async run(t) {
      const ground = await openGround(t, { limits: { links: 1 } });
      const peer = await ground.proven();
      await until("it is turned away", () => peer.closed);
      assert.equal(ground.refused("refused"), 1);
      await ground.othersAreWell(false);
    },
  },
];
