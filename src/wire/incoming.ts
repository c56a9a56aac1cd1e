import type { Duplex } from "node:stream";
import type { Dial, Open, Rpc } from "../gen/fairlead/wire/v1/frame_pb.ts";
import { Network, type Target } from "../gen/fairlead/wire/v1/target_pb.ts";
import type { DatagramOutlet } from "./datagram-line.ts";
import { DatagramFlow, type Datagrams } from "./datagrams.ts";
import { StreamDuplex } from "./duplex.ts";
import { headerBytes, readHeaders } from "./headers.ts";
import type { Reason } from "./reason.ts";
import type { Priority } from "./scheduler.ts";
import type { Stream } from "./stream.ts";

/** A call that the other end makes. */
export interface IncomingRpc {
  readonly kind: "rpc";
  /** "/package.Service/Method". */
  readonly path: string;
  readonly headers: Headers;
  readonly priority: Priority;
  readonly stream: Stream;
}

/**
 * A connection that the other end asks for. It is answered once, by `refuse`, by `accept` or, when its target's network is UDP, by
 * `acceptDatagrams`; until then what it sends waits.
 */
export interface IncomingDial {
  readonly kind: "dial";
  /** The number of its stream. */
  readonly id: number;
  readonly target: Target;
  /** Remarks for the audit log and for tracing; never an authorisation. */
  readonly metadata: Headers;
  readonly priority: Priority;
  /** Aborts when the stream is cut, also before it is answered: then nobody waits any more. */
  readonly signal: AbortSignal;
  /** Says that the connection stands; its bytes from now on are the Duplex's. */
  accept(): Duplex;
  /** The same for what was dialled with NETWORK_UDP, and only for that: throws an Error otherwise. */
  acceptDatagrams(): Datagrams;
  /** Says that it does not, why, and in words for people. */
  refuse(reason: Reason, message: string): void;
}

export type IncomingStream = IncomingRpc | IncomingDial;

/** What can be spoken to by datagrams; all other targets are streams of bytes. */
const withPorts: ReadonlySet<Target["kind"]["case"]> = new Set(["workload", "service", "address"] as const);

/** Undefined when it asks for what this version does not know, or for datagrams of what has none, or that one of both ends does not know. Throws a HeaderError for headers that are none. */
export function readIncoming(open: Open, stream: Stream, outlet: DatagramOutlet): IncomingStream | undefined {
  const { what } = open;
  const { priority } = stream;
  if (what.case === "rpc") {
    return { kind: "rpc", path: what.value.path, headers: readHeaders(what.value.headers), priority, stream };
  }
  const target = what.case === "dial" ? what.value.target : undefined;
  if (what.case !== "dial" || target?.kind.case === undefined) return undefined;
  const isUdp = target.network === Network.UDP;
  if (isUdp && !(outlet.available && withPorts.has(target.kind.case))) return undefined;
  // At once, so that what follows the Open is not lost.
  const flow = isUdp ? new DatagramFlow(stream, outlet) : undefined;
  return {
    kind: "dial",
    id: stream.id,
    target,
    metadata: readHeaders(what.value.metadata),
    priority,
    get signal() {
      return stream.signal;
    },
    accept() {
      if (flow !== undefined) throw new Error("What was dialled with UDP is accepted as datagrams.");
      stream.sendHead();
      return new StreamDuplex(stream);
    },
    acceptDatagrams() {
      if (flow === undefined) throw new Error("Only what was dialled with UDP is accepted as datagrams.");
      flow.accept();
      return flow;
    },
    refuse: (reason, message) => stream.reset(reason, message),
  };
}

/** Bytes of what an Open asks for, as limits count them. */
export function openBytes(what: Open["what"]): number {
  if (what.case === "rpc") return rpcBytes(what.value);
  return what.case === "dial" ? dialBytes(what.value) : 0;
}

function rpcBytes(rpc: Rpc): number {
  return rpc.path.length + headerBytes(rpc.headers);
}

function dialBytes(dial: Dial): number {
  return headerBytes(dial.metadata);
}
