/** The origin's end: a byte stream to a port of an app that runs at a peer. */
import type { Duplex } from "node:stream";
import type { Target } from "../gen/fairlead/wire/v1/target_pb.ts";
import { type AppTarget, writeTarget } from "./target.ts";
import { toTunnelError } from "./tunnel-error.ts";

/** Dials through the switchboard, which waits a while for a link that is being made. */
export type PeerDialer = (peer: string, target: Target, o: { signal?: AbortSignal }) => Promise<Duplex>;

/** Where a dial goes: a port of an app, and the peer that runs it. */
export interface Destination {
  readonly peer: string;
  readonly target: AppTarget;
}

/** Resolves when the app has taken the connection; rejects with a {@link TunnelError} that says why it did not. */
export async function dialApp(dial: PeerDialer, to: Destination, signal?: AbortSignal): Promise<Duplex> {
  try {
    return await dial(to.peer, writeTarget(to.target), signal ? { signal } : {});
  } catch (error) {
    throw toTunnelError(error);
  }
}
