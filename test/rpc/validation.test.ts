import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { IntentService } from "../../src/gen/fairlead/peer/v1/intent_pb.ts";
import { PairingService } from "../../src/gen/fairlead/peer/v1/pairing_pb.ts";
import { PodService } from "../../src/gen/fairlead/peer/v1/pods_pb.ts";
import { WorkloadService } from "../../src/gen/fairlead/peer/v1/workload_pb.ts";
import { createRpcServer } from "../../src/rpc/server.ts";
import { createLinkTransport } from "../../src/rpc/transport.ts";
import { openPair } from "../wire/pair.ts";
import { serveWith } from "./pair.ts";

test("no handler sees a request that breaks its proto's rules, but those that judge by themselves", async () => {
  const seen: string[] = [];
  const see = (name: string): Record<string, never> => {
    seen.push(name);
    return {};
  };
  const server = createRpcServer({
    judgingThemselves: [IntentService],
    routes(router) {
      router.service(PairingService, {
        async *join() {
          yield see("join");
        },
      });
      router.service(PodService, {
        async *logs() {
          yield see("logs");
        },
      });
      router.service(WorkloadService, { check: () => see("check"), deleteOrphan: () => see("deleteOrphan") });
      router.service(IntentService, {
        async *sync(requests) {
          for await (const { message } of requests) yield see(`sync ${message.case}`);
        },
      });
    },
  });
  const pair = await openPair({ acceptHigh: serveWith(server) });
  const transport = createLinkTransport(pair.low);
  const pairing = createClient(PairingService, transport);
  const pods = createClient(PodService, transport);
  const workloads = createClient(WorkloadService, transport);
  const token = new Uint8Array(16);
  const app = { namespace: "shop", name: "web" };
  const broken: (() => Promise<unknown>)[] = [
    () => drain(pairing.join({ token: new Uint8Array(15) })),
    () => drain(pairing.join({ token, url: "http://elsewhere" })),
    () => drain(pairing.join({ token, name: "n".repeat(64) })),
    () => drain(pods.logs({ ...app, tailLines: -1 })),
    () => drain(pods.logs({ ...app, sinceSeconds: 0 })),
    () => workloads.check({ spec: "x".repeat(1_048_577) }),
    () => workloads.deleteOrphan({ uid: "../u" }),
  ];
  for (const call of broken) {
    await assert.rejects(call, (error) => ConnectError.from(error).code === Code.InvalidArgument, String(call));
  }
  assert.deepEqual(seen, []);
  await workloads.deleteOrphan({ uid: "u-1" });
  await drain(createClient(IntentService, transport).sync(laterVersion()));
  assert.deepEqual(seen, ["deleteOrphan", "sync undefined"]);
  await pair.close();
});

async function drain(answers: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of answers);
}

/** Says what this version does not know: a message without content to it. */
async function* laterVersion(): AsyncGenerator<Record<string, never>> {
  yield {};
}
