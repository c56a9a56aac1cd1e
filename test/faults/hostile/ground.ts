/** An agent's peer port on loopback, an honest link to it, and whoever else comes. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { TestContext } from "node:test";
import type { AcceptorDeps } from "../../../src/link/acceptor.ts";
import type { Link } from "../../../src/link/link.ts";
import type { RefusalReason } from "../../../src/link/refusal-log.ts";
import { createSecurer } from "../../../src/link/secure.ts";
import { openWebSocket } from "../../../src/link/websocket.ts";
import { type Reason, reasonName } from "../../../src/wire/reason.ts";
import { newAgent } from "../../link/agents.ts";
import { dialFrom, openHarbour, provesItself } from "../../link/linked.ts";
import { patience, until } from "../../patience.ts";
import { type FrameInit, RawPeer, rawHello } from "../../wire/raw-peer.ts";

export const upgrade = (path = "/link", more = ""): string =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n${more}\r\n`;

export interface Ground {
  /** A connection of nobody, which has sent so much. */
  stranger(...sent: (string | Uint8Array)[]): Promise<Socket>;
  /** Somebody who has proved a key, and has said nothing yet. */
  proven(): Promise<RawPeer>;
  /** The same, who has said Hello, or what is given, and is a link, of the low end. */
  guest(...said: FrameInit[]): Promise<{ peer: RawPeer; link: Link }>;
  /** How many strangers were turned away for that. */
  refused(reason: RefusalReason): number;
  readonly strangers: number;
  /** The honest link that was there before works, and another can be made, unless there may be no more. */
  othersAreWell(andNew?: boolean): Promise<void>;
}

export async function openGround(t: TestContext, more: Partial<AcceptorDeps> = {}): Promise<Ground> {
  const [one, other, near, next] = [await newAgent(t), await newAgent(t), await newAgent(t), await newAgent(t)];
  // Who attacks is the low end, which has more to say.
  const isLow = one.identity.fingerprint < other.identity.fingerprint;
  const [villain, far] = isLow ? [one, other] : [other, one];
  const harbour = await openHarbour(t, far, more);
  const pin = far.identity.fingerprint;
  const url = `ws://127.0.0.1:${harbour.port}/link`;
  const honest = await dialFrom(t, near, { url, pin });
  const securer = createSecurer({ identity: villain.identity, now: Date.now });

  async function proven(): Promise<RawPeer> {
    const webSocket = await openWebSocket(new URL(url), connect(harbour.port, "127.0.0.1"), patience());
    const { stream } = await securer.dial(webSocket, { fingerprint: pin }, patience());
    t.after(() => stream.destroy());
    return new RawPeer(stream);
  }

  return {
    async stranger(...sent) {
      const socket = connect(harbour.port, "127.0.0.1");
      socket.on("error", () => undefined);
      t.after(() => socket.destroy());
      await once(socket.resume(), "connect", { signal: patience() });
      for (const bytes of sent) socket.write(bytes);
      return socket;
    },
    proven,
    async guest(...said) {
      const peer = await proven();
      const coming = harbour.next();
      peer.send(...(said.length > 0 ? said : [rawHello]));
      const link = await coming;
      await peer.hear("hello");
      return { peer, link };
    },
    refused: (reason) => harbour.acceptor.stats().refused.get(reason) ?? 0,
    get strangers() {
      return harbour.acceptor.stats().strangers;
    },
    async othersAreWell(andNew = true) {
      await provesItself(honest);
      if (andNew) await provesItself(await dialFrom(t, next, { url, pin }));
    },
  };
}

/** The connection is cut, whatever it was told before. */
export async function isCut(socket: Socket): Promise<void> {
  await until("it is cut", () => socket.destroyed || socket.readableEnded);
}

/** The link ends by this agent's decision for that reason, and the other end is told. */
export async function endsFor(reason: Reason, { peer, link }: { peer: RawPeer; link: Link }): Promise<void> {
  const end = await link.closed;
  assert.equal(reasonName(end.reason), reasonName(reason), end.message);
  assert.equal(end.by, "us");
  await until("it is cut", () => peer.closed);
}

/** Some stream was reset by this agent for that reason, which is counted and told, and the link lives. */
export async function resetsFor(reason: Reason, { peer, link }: { peer: RawPeer; link: Link }): Promise<void> {
  const told = await peer.hear("reset");
  assert.equal(reasonName(told.kind.value.reason), reasonName(reason), told.kind.value.message);
  assert.ok((link.session.stats().resets.sent.get(reason) ?? 0) >= 1, "it is not counted");
  peer.send({ kind: { case: "ping", value: { id: 77n } } });
  assert.equal((await peer.hear("pong")).kind.value.id, 77n);
}
