import assert from "node:assert/strict";
import { test } from "node:test";
import { Code } from "@connectrpc/connect";
import { StreamBody } from "../../src/rpc/body.ts";
import { EchoService } from "../gen/fairlead/test/v1/echo_pb.ts";
import { openRpcPair } from "./pair.ts";

test("an answer that a passed deadline has cut short does not look complete, even if its handler simply returns", async () => {
  const pair = await openRpcPair({
    async *pour(_request, { signal }) {
      yield { number: 1 };
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    },
  });
  // Not by Connect's client, which would end the call by itself.
  const path = `/${EchoService.typeName}/${EchoService.method.pour.name}`;
  const headers = new Headers({ "content-type": "application/grpc+proto", "grpc-timeout": "20m" });
  const stream = pair.low.open({ rpc: { path, headers } });
  const body = new StreamBody(stream);
  stream.write([new Uint8Array(5)], () => undefined);
  stream.end();
  for await (const _ of body);
  assert.equal(body.trailers.get("grpc-status"), String(Code.DeadlineExceeded));
  await pair.close();
});
