import type { Duplex } from "node:stream";
import type { Dial, Open, Rpc } from "../gen/fairlead/wire/v1/frame_pb.ts";
import type { Target } from "../gen/fairlead/wire/v1/target_pb.ts";
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

/** A connection that the other end asks for. It is answered once, by `accept` or `refuse`; until then its data waits. */
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
  /** Says that it does not, why, and in words for people. */
  refuse(reason: Reason, message: string): void;
}

export type IncomingStream = IncomingRpc | IncomingDial;

/** Undefined when it asks for what this version does not know. Throws a HeaderError for headers that are none. */
export function readIncoming(open: Open, stream: Stream): IncomingStream | undefined {
  const { what } = open;
  const { priority } = stream;
  if (what.case === "rpc") {
    return { kind: "rpc", path: what.value.path, headers: readHeaders(what.value.headers), priority, stream };
  }
  const target = what.case === "dial" ? what.value.target : undefined;
  if (what.case !== "dial" || target?.kind.case === undefined) return undefined;
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
      stream.sendHead();
      return new StreamDuplex(stream);
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
