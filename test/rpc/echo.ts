import type { ServiceImpl } from "@connectrpc/connect";
import { createRpcServer, type RpcServer } from "../../src/rpc/server.ts";
import { EchoService } from "../gen/fairlead/test/v1/echo_pb.ts";

/** All four kinds of call, as simple as can be. */
export const echo: ServiceImpl<typeof EchoService> = {
  say: (request) => ({ text: request.text }),
  async *pour(request) {
    const data = new Uint8Array(request.size);
    for (let number = 0; number < request.count; number++) yield { number, data };
  },
  async collect(requests) {
    let count = 0;
    let bytes = 0n;
    for await (const { data } of requests) {
      count += 1;
      bytes += BigInt(data.length);
    }
    return { count, bytes };
  },
  async *talk(requests) {
    for await (const { text } of requests) yield { text };
  },
};

export function createEchoServer(changes: Partial<ServiceImpl<typeof EchoService>> = {}): RpcServer {
  return createRpcServer({ routes: (router) => router.service(EchoService, { ...echo, ...changes }) });
}
