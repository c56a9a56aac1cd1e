/** The host from below: TLS that is forged, bytes that were recorded, frames by hand. */
import { once } from "node:events";
import { connect as connectTcp, createServer, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import type { Identity } from "../../../src/identity/identity.ts";
import { parseLinkUrl } from "../../../src/link/link-url.ts";
import { openOuter } from "../../../src/link/outer.ts";
import { linkProtocol } from "../../../src/link/secure.ts";
import { openWebSocket } from "../../../src/link/websocket.ts";
import { reasonName } from "../../../src/wire/reason.ts";
import { until } from "../../patience.ts";
import { type FrameInit, RawPeer, rawHello } from "../../wire/raw-peer.ts";
import { type Address, patienceMs } from "./attacker.ts";

/** A leaf and what is shown behind it, PEM. */
export interface Chain {
  readonly key: string;
  readonly cert: string;
}

/** "cut", or "a guest" when the host takes whoever shows this chain for a stranger. */
export async function openForged(host: Address, chain: Chain): Promise<string> {
  const peer = new RawPeer(await openTls(host, chain));
  const hello = await until("the host says Hello or hangs up", () => heard(peer, "hello") || (peer.closed && "cut"));
  if (hello === "cut") return "cut";
  const isHigh = hello.kind.case === "hello" && hello.kind.value.fresh.length > 0;
  peer.send(isHigh ? highHello : rawHello, callOf(isHigh ? 2 : 1, "/fairlead.peer.v1.MembershipService/GetFacts"));
  const reset = await until("the host answers", () => heard(peer, "reset") || (peer.closed && "cut"));
  peer.carrier.destroy();
  if (reset === "cut") return "cut";
  return reset.kind.case === "reset" && reasonName(reset.kind.value.reason) === "DENIED" ? "a guest" : "let in";
}

/** What becomes of a TLS session that is taken up again on a new connection: "proved anew" or "cut", and never "taken up". */
export async function resume(host: Address, identity: Identity): Promise<string> {
  const { certPem, keyPem } = identity.leaf();
  const chain = { cert: certPem, key: keyPem.reveal() };
  const first = await openTls(host, chain);
  const session = await new Promise<Buffer>((resolve) => first.once("session", resolve));
  first.destroy();
  const second = await openTls(host, { ...chain, session });
  const peer = new RawPeer(second);
  const end = await until("the host says Hello or hangs up", () =>
    peer.closed ? "cut" : heard(peer, "hello") && "up",
  );
  const outcome = end === "cut" ? "cut" : second.isSessionReused() ? "taken up" : "proved anew";
  second.destroy();
  return outcome;
}

async function openTls(host: Address, chain: Chain & { session?: Buffer }): Promise<TLSSocket> {
  const url = parseLinkUrl(host.url);
  const signal = AbortSignal.timeout(patienceMs);
  const outer = await openOuter(url, { proxy: undefined, tls: {} }, signal);
  const carrier = await openWebSocket(url, outer, signal);
  const socket = connectTls({
    socket: carrier,
    ...chain,
    ca: chain.cert,
    rejectUnauthorized: false,
    ALPNProtocols: [linkProtocol],
    minVersion: "TLSv1.3",
  });
  socket.on("error", () => undefined);
  return socket;
}

/** The Hello of the end with the larger fingerprint, which gives the session no name. */
const highHello: FrameInit = {
  kind: { case: "hello", value: { instance: new Uint8Array(16).fill(9), version: "raw" } },
};

/** An Open of a call. */
export function callOf(id: number, path: string): FrameInit {
  const headers = [{ name: "content-type", value: "application/grpc" }];
  const value = { what: { case: "rpc" as const, value: { path, headers } }, credit: 65_536n };
  return { stream: BigInt(id), kind: { case: "open", value } };
}

function heard(peer: RawPeer, kind: string) {
  return peer.heard.find((frame) => frame.kind.case === kind);
}

/** A way to the host that keeps all that goes to it. */
export class Recorder {
  readonly pieces: Buffer[] = [];
  readonly #server = createServer((near) => this.#pass(near));
  readonly #sockets = new Set<Socket>();
  readonly #to: number;

  constructor(to: number) {
    this.#to = to;
  }

  async listen(): Promise<string> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("The recorder has no port.");
    return `ws://127.0.0.1:${address.port}/link`;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #pass(near: Socket): void {
    const far = connectTcp(this.#to, "127.0.0.1");
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(one);
      one.on("error", () => undefined);
      one.on("close", () => other.destroy());
    }
    near.on("data", (piece: Buffer) => this.pieces.push(piece));
    near.pipe(far);
    far.pipe(near);
  }
}

/** Sends the pieces to the host's peer port as they are; "cut" when that hangs up, which it must. */
export async function replay(port: number, pieces: readonly Buffer[]): Promise<string> {
  const socket = connectTcp(port, "127.0.0.1");
  let isClosed = false;
  socket.on("error", () => undefined);
  socket.on("close", () => {
    isClosed = true;
  });
  await once(socket, "connect");
  const [upgrade, ...rest] = pieces;
  if (upgrade) socket.write(upgrade);
  await once(socket, "data");
  for (const piece of rest) socket.write(piece);
  await until("the host hangs up", () => isClosed);
  return "cut";
}
