import type { ServiceImpl, Transport } from "@connectrpc/connect";
import { type Client, createClient } from "@connectrpc/connect";
import type { Caller } from "../../src/rpc/caller.ts";
import type { RpcServer } from "../../src/rpc/server.ts";
import { createLinkTransport } from "../../src/rpc/transport.ts";
import type { IncomingStream } from "../../src/wire/session.ts";
import { EchoService } from "../gen/fairlead/test/v1/echo_pb.ts";
import { openPair, type Pair, type PairOptions } from "../wire/pair.ts";
import { createEchoServer } from "./echo.ts";

export interface RpcPair extends Pair {
  /** Of the service at the high end, called from the low one. */
  readonly client: Client<typeof EchoService>;
  readonly transport: Transport;
  readonly server: RpcServer;
}

export const tester: Caller = {
  fingerprint: "f".repeat(64),
  guest: false,
  peer: "tester",
  grants: ["apps"],
  caPem: "",
};

/** Two joined sessions with the echo service at the high end. */
export async function openRpcPair(
  changes: Partial<ServiceImpl<typeof EchoService>> = {},
  options: PairOptions = {},
): Promise<RpcPair> {
  const server = createEchoServer(changes);
  const pair = await openPair({ ...options, acceptHigh: serveWith(server) });
  const transport = createLinkTransport(pair.low);
  return { ...pair, server, transport, client: createClient(EchoService, transport) };
}

/** Answers calls, and refuses dials. */
export function serveWith(server: RpcServer): (incoming: IncomingStream) => void {
  return (incoming) => {
    if (incoming.kind === "rpc") server.serve(incoming, tester);
    else incoming.refuse(18, "Nothing is here.");
  };
}
