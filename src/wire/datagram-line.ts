import type { Clock } from "../base/clock.ts";
import { Flight } from "./flight.ts";
import { encodeFrame } from "./frame.ts";
import type { Stream } from "./stream.ts";

const KiB = 1024;

/** The longest that UDP over IPv4 has: 65,535 less the headers of IP and UDP. Bytes. */
const maxDatagramBytes = 65_507;

/** Bytes of one stream's datagrams that may wait for their turn, and of all streams'. */
const flowBytes = 256 * KiB;
const lineBytes = 1024 * KiB;
/** What has waited longer is of no use to anybody any more: who sent it has sent it again, or something newer. Milliseconds. */
const mostWaitMs = 250;

/** What a datagram is counted for beyond its content, here and at the other end. Bytes. */
const besideBytes = 20;

/** The feature of streams of datagrams. */
export const datagramFeature = "datagram";

const nothing = new Uint8Array();

/** Where a stream's datagrams go. */
export interface DatagramOutlet {
  /** Whether both ends know datagrams. */
  readonly available: boolean;
  /** Takes a datagram, which belongs to it from now on. False when it is dropped at once. */
  send(stream: Stream, payload: Uint8Array): boolean;
}

export interface DatagramLineDeps {
  readonly clock: Clock;
  /** The longest frame's content that the other end takes, in bytes; undefined when it does not know datagrams. */
  readonly maxBytes: number | undefined;
  /** There is something to send. */
  wake(): void;
}

/** How many there were; they only grow. */
export interface DatagramCounts {
  readonly sent: number;
  readonly received: number;
  /** At this end, because others stood before them for too long, or were too many. */
  readonly dropped: number;
}

interface Waiting {
  readonly payload: Uint8Array;
  readonly since: number;
}

/** The datagrams of one stream that wait, oldest first from `head` on. */
interface Flow {
  waiting: Waiting[];
  head: number;
  bytes: number;
}

/**
 * The datagrams of a session that wait to be sent: each stream in its turn, one at a time. Nothing waits long. Where they come faster
 * than the pipe takes them the oldest are dropped, which is what the other side of a slow line does to UDP anywhere.
 */
export class DatagramLine implements DatagramOutlet {
  readonly #deps: DatagramLineDeps;
  /** Of streams that have some waiting, in the order of their turns. */
  readonly #flows = new Map<Stream, Flow>();
  #bytes = 0;
  /** Counted bytes that were sent on the present carrier. */
  #sentBytes = 0;
  #flight = new Flight();
  #sent = 0;
  #received = 0;
  #dropped = 0;

  constructor(deps: DatagramLineDeps) {
    this.#deps = deps;
  }

  get available(): boolean {
    return this.#deps.maxBytes !== undefined;
  }

  get counts(): DatagramCounts {
    return { sent: this.#sent, received: this.#received, dropped: this.#dropped };
  }

  send(stream: Stream, payload: Uint8Array): boolean {
    if (payload.length > Math.min(maxDatagramBytes, this.#deps.maxBytes ?? -1)) {
      this.#dropped += 1;
      return false;
    }
    const flow = this.#flows.get(stream) ?? { waiting: [], head: 0, bytes: 0 };
    const cost = payload.length + besideBytes;
    while (flow.bytes > 0 && (flow.bytes + cost > flowBytes || this.#bytes + cost > lineBytes)) this.#drop(flow);
    if (this.#bytes + cost > lineBytes) {
      if (flow.bytes === 0) this.#flows.delete(stream);
      this.#dropped += 1;
      return false;
    }
    flow.waiting.push({ payload, since: this.#deps.clock.monotonic() });
    flow.bytes += cost;
    this.#bytes += cost;
    this.#flows.set(stream, flow);
    this.#deps.wake();
    return true;
  }

  /** One has come. Returns the bytes that it counts for. */
  arrived(payload: Uint8Array): number {
    this.#received += 1;
    return payload.length + besideBytes;
  }

  /** Adds frames, about `budget` bytes at most, to `out`; returns their bytes. */
  pull(out: Uint8Array[], budget: number): number {
    const now = this.#deps.clock.monotonic();
    const room = this.#flight.window - this.#flight.bytes;
    let bytes = 0;
    let counted = 0;
    /** Streams in a row whose Open has not left yet. */
    let early = 0;
    while (bytes < budget && counted < room && early < this.#flows.size) {
      const [next] = this.#flows;
      if (next === undefined) break;
      const [stream, flow] = next;
      this.#flows.delete(stream);
      this.#age(flow, now);
      if (stream.cut !== undefined) while (flow.bytes > 0) this.#drop(flow);
      if (flow.bytes === 0) continue;
      if (stream.id === 0) early += 1;
      else {
        early = 0;
        const payload = this.#shift(flow);
        const frame = encodeFrame(stream.id, { case: "datagram", value: payload });
        out.push(frame);
        bytes += frame.length;
        counted += payload.length + besideBytes;
        this.#sent += 1;
      }
      if (flow.bytes > 0) this.#flows.set(stream, flow);
    }
    if (counted >= room && this.#flows.size > 0) this.#flight.hold();
    if (counted > 0) {
      this.#sentBytes += counted;
      this.#flight.sent(this.#sentBytes, counted, now);
    }
    return bytes;
  }

  /** So many counted bytes have come at the other end, on the present carrier. True when more may be sent by it. */
  acknowledged(bytes: number): boolean {
    this.#flight.acknowledged(bytes, this.#deps.clock.monotonic());
    return this.#bytes > 0;
  }

  /** The session goes on at another carrier, on which nothing was sent yet. */
  restart(): void {
    this.#flight = new Flight();
    this.#sentBytes = 0;
  }

  clear(): void {
    this.#flows.clear();
    this.#bytes = 0;
  }

  #age(flow: Flow, now: number): void {
    for (let next = flow.waiting[flow.head]; next !== undefined; next = flow.waiting[flow.head]) {
      if (now - next.since <= mostWaitMs) return;
      this.#drop(flow);
    }
  }

  #drop(flow: Flow): void {
    this.#shift(flow);
    this.#dropped += 1;
  }

  /** The oldest that waits; there is one. */
  #shift(flow: Flow): Uint8Array {
    const payload = flow.waiting[flow.head]?.payload ?? nothing;
    flow.head += 1;
    const cost = payload.length + besideBytes;
    flow.bytes -= cost;
    this.#bytes -= cost;
    if (flow.head === flow.waiting.length || flow.head >= 256) {
      flow.waiting = flow.waiting.slice(flow.head);
      flow.head = 0;
    }
    return payload;
  }
}
