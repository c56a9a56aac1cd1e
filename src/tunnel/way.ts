/** How each kind of target is reached at the host. What is the same for all of them (rules, limits, records) is the exit's. */
import type { Duplex } from "node:stream";
import type { DatagramPipe } from "../base/datagram-pipe.ts";
import type { NamedTarget } from "../wire/target-text.ts";
import type { Connected } from "./connect-service.ts";
import type { ExitCaller } from "./exit-caller.ts";
import { type Refusal, refusalOf } from "./refusal.ts";

/** The way to targets of one kind. */
export interface Way<T extends NamedTarget = NamedTarget> {
  /** Looks what is meant; nothing is connected yet. Asked only for who may have it, or only has to wait for a person. */
  find(caller: ExitCaller, target: T, signal: AbortSignal): Found<T> | Promise<Found<T>>;
}

export type Found<T extends NamedTarget = NamedTarget> =
  /** `target` as it counts for rules and records, its port by number where it was a name. */
  | { readonly ok: true; readonly target: T; readonly opening: Opening }
  | { readonly ok: false; readonly refusal: Refusal };

/** Of a target whose network is UDP, where nothing speaks it. */
export const noDatagramsHere = {
  ok: false,
  refusal: { ...refusalOf.unsupported, message: "This agent offers no UDP here." },
} as const;

/** What is at the other side of the stream. */
export type Opening = Connecting | ConnectingDatagrams | Serving;

/** A connection, which is joined with the stream. */
export interface Connecting {
  /** Never rejects. */
  connect(signal: AbortSignal): Promise<Connected<Duplex>>;
}

/** The same for datagrams: what a target whose network is UDP has to have, and no other may. */
export interface ConnectingDatagrams {
  /** Never rejects. */
  connectDatagrams(signal: AbortSignal): Promise<Connected<DatagramPipe>>;
}

/** What speaks for itself, on the accepted stream; that is destroyed when this resolves, or the signal aborts. */
export interface Serving {
  serve(stream: Duplex, signal: AbortSignal): Promise<void>;
}

/** Kinds that are missing are not offered here. */
export type Ways = { readonly [K in NamedTarget["kind"]]?: Way<Extract<NamedTarget, { kind: K }>> | undefined };

/** What speaks for itself on the streams of one kind, such as the Kubernetes API. */
export interface StreamServer {
  serve(caller: ExitCaller, stream: Duplex, signal: AbortSignal): Promise<void>;
}

/** The way to what is always there. */
export function serving<T extends NamedTarget>(server: StreamServer): Way<T> {
  return {
    find: (caller, target) => ({
      ok: true,
      target,
      opening: { serve: (stream, signal) => server.serve(caller, stream, signal) },
    }),
  };
}
