/** A socket of UDP that takes datagrams of anybody: each address that sends is a flow of its own to somewhere else. */
import { createSocket, type RemoteInfo } from "node:dgram";
import { isIPv6 } from "node:net";
import { abortable, startDeadline } from "./abort.ts";
import { ByteRoom } from "./byte-room.ts";
import type { Clock } from "./clock.ts";
import { type DatagramPipe, type FlowEnd, joinDatagrams } from "./datagram-pipe.ts";
import type { ConnectionEnd } from "./proxy-protocol.ts";

export interface DatagramListenerOptions {
  readonly host: string;
  /** Any free one when it is 0. */
  readonly port: number;
  /** Opens the flow of an address that has sent a first datagram, within 30 s. What it sends meanwhile waits, within bounds. */
  open(from: ConnectionEnd, signal: AbortSignal): Promise<DatagramPipe>;
  readonly clock: Clock;
  /** With no datagram either way for so long, in milliseconds, a flow ends; 60,000 unless given. */
  readonly idleMs?: number;
  /**
   * Flows at a time; 1,024 unless given. One more, and that ends which was used least recently: with UDP most likely done. Asked for each
   * flow that begins; so is `idleMs`.
   */
  readonly mostFlows?: number;
  /** What waits has room in it beside a little of each flow's own: one for all that listen in a process. Its own 2 MiB unless given. */
  readonly early?: ByteRoom;
  /** Told of each flow that is opened; the answer how it ended. */
  opened?(from: ConnectionEnd): (end: FlowEnd) => void;
  /** Told why one was not. The same address is heard again a second later. */
  refused?(error: unknown): void;
}

export interface DatagramListener {
  /** Where it listens, the port by number. */
  readonly at: ConnectionEnd;
  /** Flows now, those that are being opened among them. */
  readonly flows: number;
  /** Ends all flows; resolves when the socket is closed. */
  close(): Promise<void>;
}

/**
 * Flows that are being opened at a time. Who sends from ever other addresses causes no more dials than these, and no flow ends for theirs
 * before it was of use. What comes from an address beyond them is dropped.
 */
const mostOpening = 128;
/** One that nobody answers keeps that room no longer. Milliseconds. */
const openWithinMs = 30_000;
/** Of a flow that is being opened: so many datagrams and bytes of them wait. */
const mostEarly = 16;
const mostEarlyBytes = 64 * 1024;
/** Of these each flow is sure, whatever others let wait: what opens a conversation is no larger. */
const ownEarlyBytes = 2 * 1024;
/** Beyond that, of all flows together. */
export const mostEarlyBytesOfAll = 2 * 1024 * 1024;
/** Bytes that may wait for the system to take them, of all flows. */
const mostWaiting = 1024 * 1024;
/** After a refusal an address is not heard for so long, so that its datagrams are no flood of dials. Milliseconds. */
const deafMs = 1_000;

/** Rejects with the system's error when it cannot listen there. */
export async function listenForDatagrams(o: DatagramListenerOptions): Promise<DatagramListener> {
  const { clock } = o;
  const socket = createSocket(isIPv6(o.host) ? "udp6" : "udp4");
  /** By address and port, in the order of their last use. */
  const flows = new Map<string, ClientFlow>();
  const opening = new Set<ClientFlow>();
  const early = o.early ?? new ByteRoom(mostEarlyBytesOfAll);
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.bind({ address: o.host, port: o.port }, () => {
      socket.off("error", reject);
      resolve();
    });
  });
  // What the system has against one datagram is no end of the others.
  socket.on("error", () => undefined);
  socket.on("message", (payload, from) => arrived(payload, from));
  let closed = false;

  function arrived(payload: Buffer, { address, port }: RemoteInfo): void {
    // UDP allows it to a sender who wants no answer, and none could be sent there.
    if (port === 0) return;
    const key = `${address} ${port}`;
    const flow = flows.get(key) ?? begin(key, { address, port });
    if (!flow) return;
    used(key, flow);
    flow.arrived(payload);
  }

  function used(key: string, flow: ClientFlow): void {
    if (flows.get(key) !== flow) return;
    flows.delete(key);
    flows.set(key, flow);
  }

  /** Room for one more flow, if need be that of the one that was used least recently and is open. */
  function hasRoom(): boolean {
    if (opening.size >= mostOpening) return false;
    if (flows.size < (o.mostFlows ?? 1_024)) return true;
    for (const [key, flow] of flows) {
      if (opening.has(flow)) continue;
      flows.delete(key);
      flow.close();
      return true;
    }
    return false;
  }

  function begin(key: string, from: ConnectionEnd): ClientFlow | undefined {
    if (!hasRoom()) return undefined;
    const flow: ClientFlow = new ClientFlow((payload) => {
      if (closed || socket.getSendQueueSize() + payload.length > mostWaiting) return false;
      used(key, flow);
      // A client that is gone, or a datagram that is too long, is nobody else's trouble; nor is one that Node will not send: whoever
      // hands over an answer does so in the middle of reading a line that others are on.
      try {
        socket.send(payload, from.port, from.address, () => undefined);
        return true;
      } catch {
        return false;
      }
    }, early);
    flows.set(key, flow);
    opening.add(flow);
    const forget = (): void => void (flows.get(key) === flow && flows.delete(key));
    lead(flow, from).then(forget, (error: unknown) => {
      if (flow.gone.aborted) return forget();
      o.refused?.(error);
      flow.close();
      clock.after(deafMs, forget).unref?.();
      return undefined;
    });
    return flow;
  }

  async function lead(flow: ClientFlow, from: ConnectionEnd): Promise<void> {
    const opened = (async () => o.open(from, flow.gone))();
    // Beside whoever waits here, for one that comes when nobody does any more.
    opened.then(
      (pipe) => flow.gone.aborted && pipe.close(),
      () => undefined,
    );
    const late = () => new Error(`Nobody answered within ${openWithinMs / 1_000} s.`);
    const deadline = startDeadline(clock, openWithinMs, late, flow.gone);
    const far = await abortable(opened, deadline.signal).finally(() => {
      deadline.cancel();
      opening.delete(flow);
    });
    const ended = o.opened?.(from);
    const end = await joinDatagrams(flow, far, { clock, idleMs: o.idleMs ?? 60_000 });
    ended?.(end);
  }

  return {
    at: socket.address(),
    get flows() {
      return flows.size;
    },
    close() {
      if (closed) return Promise.resolve();
      closed = true;
      for (const flow of flows.values()) flow.close();
      flows.clear();
      return new Promise((resolve) => {
        socket.close(resolve);
      });
    },
  };
}

/** One address that sends, as a pipe. */
class ClientFlow implements DatagramPipe {
  readonly closed: Promise<Error | undefined>;
  readonly #reply: (payload: Uint8Array) => boolean;
  readonly #gone = new AbortController();
  readonly #room: ByteRoom;
  #early: Uint8Array[] = [];
  #earlyBytes = 0;
  /** Of them, what has room that is not its own. */
  #shared = 0;
  #listener: ((payload: Uint8Array) => void) | undefined;
  #resolve: (error?: Error) => void = () => undefined;

  constructor(reply: (payload: Uint8Array) => boolean, room: ByteRoom) {
    this.#reply = reply;
    this.#room = room;
    this.closed = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /** Aborts when it is over. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  arrived(payload: Uint8Array): void {
    if (this.gone.aborted) return;
    if (this.#listener) this.#listener(payload);
    else this.#keep(payload);
  }

  #keep(payload: Uint8Array): void {
    const bytes = this.#earlyBytes + payload.length;
    if (this.#early.length >= mostEarly || bytes > mostEarlyBytes) return;
    const shared = Math.max(0, bytes - ownEarlyBytes);
    if (!this.#room.take(shared - this.#shared)) return;
    this.#shared = shared;
    this.#earlyBytes = bytes;
    this.#early.push(payload);
  }

  /** What waits, which does no more. */
  #letGo(): Uint8Array[] {
    const early = this.#early;
    this.#early = [];
    this.#room.giveBack(this.#shared);
    this.#shared = 0;
    return early;
  }

  send(payload: Uint8Array): boolean {
    return !this.gone.aborted && this.#reply(payload);
  }

  listen(listener: (payload: Uint8Array) => void): void {
    this.#listener = listener;
    for (const payload of this.#letGo()) listener(payload);
  }

  close(error?: Error): void {
    if (this.gone.aborted) return;
    this.#letGo();
    this.#gone.abort(new Error("The flow is over."));
    this.#resolve(error);
  }
}
