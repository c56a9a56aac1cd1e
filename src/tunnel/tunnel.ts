/** Both ends of the tunnel in one: every agent is an origin of some apps and a host of others. */
import type { Duplex } from "node:stream";
import type { Clock } from "../base/clock.ts";
import { type Destination, dialApp, type PeerDialer } from "./entry.ts";
import { createExit, type Exit, type ExitDeps } from "./exit.ts";
import { createHttpForwarder, type HttpForwarder } from "./http.ts";

export interface TunnelDeps extends ExitDeps {
  /** Opens a dial to a peer, as the switchboard does. */
  dialPeer: PeerDialer;
  clock: Clock;
}

export interface Tunnel {
  /** The host's end. */
  readonly exit: Exit;
  /** The origin's end for bytes; rejects with a {@link TunnelError}. */
  dial(to: Destination, signal?: AbortSignal): Promise<Duplex>;
  /** The origin's end for HTTP, which the doors use. */
  readonly http: HttpForwarder;
  /** Ends what is open on both sides; resolves when the host's sockets are closed. */
  close(): Promise<void>;
}

export function createTunnel(deps: TunnelDeps): Tunnel {
  const exit = createExit(deps);
  const http = createHttpForwarder({ dial: deps.dialPeer, clock: deps.clock });
  return {
    exit,
    dial: (to, signal) => dialApp(deps.dialPeer, to, signal),
    http,
    async close() {
      http.close();
      await exit.close();
    },
  };
}
