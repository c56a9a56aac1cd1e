/** The peer port of a living acceptor: HTTP, the WebSocket and the TLS in it, from strangers; and the session, from a guest who has proved a key. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { duplexPair } from "node:stream";
import type { TestContext } from "node:test";
import { connect as connectTls } from "node:tls";
import { createSecurer, linkProtocol } from "../../src/link/secure.ts";
import { openWebSocket } from "../../src/link/websocket.ts";
import type { Random } from "../faults/simulation/random.ts";
import { newAgent } from "../link/agents.ts";
import { dialFrom, openHarbour, provesItself } from "../link/linked.ts";
import { patience, until } from "../patience.ts";
import { loadConversations } from "./conversations.ts";
import { cut, mutate } from "./mutator.ts";
import type { Input, Target } from "./target.ts";

/** Connections of one input, which come together. */
const mostConnections = 4;

const upgrade = Buffer.from(
  "GET /link HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
);
const plain = Buffer.from("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");

/** `cleanUp` is where what has to be ended is left: a test's context, or the like. */
export async function createDoorTarget(cleanUp: Pick<TestContext, "after">, as: "stranger" | "guest"): Promise<Target> {
  const t = cleanUp as TestContext;
  const [guest, near, far] = [await newAgent(t), await newAgent(t), await newAgent(t)];
  const harbour = await openHarbour(t, far);
  const pin = far.identity.fingerprint;
  const honest = { url: `ws://127.0.0.1:${harbour.port}/link`, pin };
  const witness = await dialFrom(t, near, honest);
  const securer = createSecurer({ identity: guest.identity, now: Date.now });
  const hello = await clientHello();
  const conversations = await loadConversations(false);

  const framed = (payload: Buffer): Buffer => Buffer.concat([upgrade, webSocketFrame(payload)]);
  const corpus: readonly [Buffer, ...Buffer[]] = [
    upgrade,
    plain,
    framed(hello),
    Buffer.concat([framed(hello.subarray(0, 100)), webSocketFrame(hello.subarray(100))]),
    Buffer.concat([upgrade, webSocketFrame(Buffer.from("ping"), 0x89), webSocketFrame(Buffer.from([3, 232]), 0x88)]),
  ];

  function make(random: Random): Input {
    const one = (): Buffer[] => {
      if (as === "stranger") return cut(mutate(random.pick(corpus), random, random.pick(corpus), false), random);
      const { low, high } = random.pick(conversations);
      const said = random.pick([low[0] ?? upgrade, high[0] ?? upgrade]);
      return cut(mutate(said, random, random.pick(conversations).low[0] ?? upgrade, true), random);
    };
    return Array.from({ length: random.magnitude(1, mostConnections) }, one);
  }

  async function visit(pieces: readonly Buffer[]): Promise<void> {
    const socket = connect(harbour.port, "127.0.0.1");
    socket.on("error", () => undefined);
    const signal = patience();
    if (as === "stranger") {
      const closed = once(socket.resume(), "close", { signal });
      for (const piece of pieces.slice(0, -1)) socket.write(piece);
      socket.end(pieces.at(-1) ?? upgrade);
      await closed;
      return;
    }
    const webSocket = await openWebSocket(new URL(honest.url), socket, signal);
    const { stream } = await securer.dial(webSocket, { fingerprint: pin }, signal);
    stream.on("error", () => undefined);
    for (const piece of pieces) stream.write(Buffer.from(piece));
    stream.resume().end();
    await until("the guest is cut", () => stream.destroyed);
  }

  return {
    name: as,
    make,
    async play(input) {
      await Promise.all(input.map(visit));
    },
    async unharmed() {
      await until("all strangers are gone", () => harbour.acceptor.stats().strangers === 0);
      await until("all guests are gone", () => harbour.acceptor.stats().links === 1);
      await provesItself(witness, 1_000);
      // The harbour keeps what it was handed, for other tests.
      harbour.links.splice(1);
      if (as === "stranger") assert.equal(harbour.links.length, 1, "a stranger has become a link");
    },
    close: async () => undefined,
  };
}

function webSocketFrame(payload: Buffer, opcode = 0x82): Buffer {
  const head = payload.length < 126 ? Buffer.alloc(6) : Buffer.alloc(8);
  head[0] = opcode;
  head[1] = 0x80 | Math.min(126, payload.length);
  if (payload.length >= 126) head.writeUInt16BE(payload.length, 2);
  return Buffer.concat([head, payload]);
}

/** What an honest client says first. */
async function clientHello(): Promise<Buffer> {
  const [near, far] = duplexPair();
  const client = connectTls({
    socket: near,
    rejectUnauthorized: false,
    ALPNProtocols: [linkProtocol],
    minVersion: "TLSv1.3",
  });
  client.on("error", () => undefined);
  const [bytes] = (await once(far, "data", { signal: patience() })) as [Buffer];
  client.destroy();
  return bytes;
}
