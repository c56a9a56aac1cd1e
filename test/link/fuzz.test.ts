/** What strangers can reach, given anything at all: the HTTP port, the WebSocket, the TLS in it, and the session in that. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { duplexPair } from "node:stream";
import { type TestContext, test } from "node:test";
import { connect as connectTls } from "node:tls";
import fc from "fast-check";
import { createSecurer, linkProtocol } from "../../src/link/secure.ts";
import { openWebSocket } from "../../src/link/websocket.ts";
import { patience, until } from "../patience.ts";
import { newAgent } from "./agents.ts";
import { dialFrom, type Harbour, openHarbour, provesItself } from "./linked.ts";

const upgrade = Buffer.from(
  "GET /link HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
);
const runs = { numRuns: 120 };

/** Some bytes of `honest` replaced, left out or put in. */
function mutated(honest: Buffer): fc.Arbitrary<Buffer> {
  const edit = fc.tuple(fc.nat(honest.length), fc.nat(4), fc.uint8Array({ maxLength: 4 }));
  return fc
    .array(edit, { minLength: 1, maxLength: 4 })
    .map((edits) =>
      edits.reduce(
        (bytes, [at, drop, put]) => Buffer.concat([bytes.subarray(0, at), put, bytes.subarray(at + drop)]),
        honest,
      ),
    );
}

function frame(opcode: number, payload: Uint8Array, mask = 0x80): Buffer {
  const head = Buffer.alloc(8);
  head[0] = opcode;
  head[1] = mask | 126;
  head.writeUInt16BE(payload.length, 2);
  return Buffer.concat([head, payload]);
}

test("bytes of any kind to the HTTP port", async (t) => {
  await survives(t, fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.string().map(Buffer.from), mutated(upgrade)));
});

test("frames of any kind to the WebSocket", async (t) => {
  const any = fc
    .tuple(fc.nat(255), fc.uint8Array({ maxLength: 300 }), fc.constantFrom(0x80, 0))
    .map(([opcode, payload, mask]) => frame(opcode, payload, mask));
  const frames = fc.array(fc.oneof(any, fc.uint8Array({ maxLength: 50 })), { minLength: 1, maxLength: 8 });
  await survives(
    t,
    frames.map((list) => Buffer.concat([upgrade, ...list])),
  );
});

test("records of any kind to the TLS", async (t) => {
  const hello = await clientHello(t);
  const records = fc.oneof(mutated(hello), fc.uint8Array({ minLength: 1, maxLength: 300 }));
  await survives(
    t,
    records.map((bytes) => Buffer.concat([upgrade, frame(0x82, bytes)])),
  );
});

test("bytes of any kind to the session, from a guest who proved a key", async (t) => {
  const [guest, far] = [await newAgent(t), await newAgent(t)];
  const harbour = await openHarbour(t, far);
  const securer = createSecurer({ identity: guest.identity, now: Date.now });
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 200 }), async (bytes) => {
      const url = new URL(`ws://127.0.0.1:${harbour.port}/link`);
      const webSocket = await openWebSocket(url, connect(harbour.port, "127.0.0.1"), patience());
      const carrier = await securer.dial(webSocket, { fingerprint: far.identity.fingerprint }, patience());
      carrier.stream.on("error", () => {});
      carrier.stream.resume().end(bytes);
      await until("the guest is cut", () => carrier.stream.destroyed);
    }),
    { numRuns: 60 },
  );
  await stillWorks(t, harbour, far.identity.fingerprint);
});

/** Sends each to an acceptor and hangs up; all are cut, none becomes a link, and links work on. */
async function survives(t: TestContext, sent: fc.Arbitrary<Uint8Array>): Promise<void> {
  const far = await newAgent(t);
  const harbour = await openHarbour(t, far);
  const before = await dialFrom(t, await newAgent(t), {
    url: `ws://127.0.0.1:${harbour.port}/link`,
    pin: far.identity.fingerprint,
  });
  await fc.assert(
    fc.asyncProperty(sent, async (bytes) => {
      const socket = connect(harbour.port, "127.0.0.1");
      socket.on("error", () => {});
      const closed = once(socket.resume(), "close", { signal: patience() });
      socket.end(bytes);
      await closed;
    }),
    runs,
  );
  assert.equal(harbour.links.length, 1);
  await provesItself(before);
  await stillWorks(t, harbour, far.identity.fingerprint);
}

async function stillWorks(t: TestContext, harbour: Harbour, pin: string): Promise<void> {
  await until("all strangers are gone", () => harbour.acceptor.stats().strangers === 0);
  const url = `ws://127.0.0.1:${harbour.port}/link`;
  await provesItself(await dialFrom(t, await newAgent(t), { url, pin }));
}

/** What an honest client says first. */
async function clientHello(t: TestContext): Promise<Buffer> {
  const [near, far] = duplexPair();
  const client = connectTls({
    socket: near,
    rejectUnauthorized: false,
    ALPNProtocols: [linkProtocol],
    minVersion: "TLSv1.3",
  });
  client.on("error", () => {});
  t.after(() => client.destroy());
  const [bytes] = (await once(far, "data", { signal: patience() })) as [Buffer];
  return bytes;
}
