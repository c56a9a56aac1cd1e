import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { callKey } from "../../src/rpc/caller.ts";
import { streamHeader } from "../../src/rpc/transport.ts";
import { Reason } from "../../src/wire/reason.ts";
import { until } from "../patience.ts";
import { openRpcPair } from "./pair.ts";

async function failure(call: Promise<unknown>): Promise<ConnectError> {
  try {
    await call;
  } catch (error) {
    return ConnectError.from(error);
  }
  throw new Error("The call was answered.");
}

test("an answer, and an error before one, says by which stream it came, whatever the other end says of that", async () => {
  const names: string[] = [];
  const lie = (headers: Headers): void => headers.set(streamHeader, "stream:00000000/1");
  const pair = await openRpcPair({
    say(_request, context) {
      lie(context.responseHeader);
      lie(context.responseTrailer);
      const error = new ConnectError("No.", Code.PermissionDenied);
      lie(error.metadata);
      throw error;
    },
    async *pour(_request, context) {
      lie(context.responseHeader);
      lie(context.responseTrailer);
      yield {};
    },
  });
  const onHeader = (headers: Headers): void => void names.push(headers.get(streamHeader) ?? "");
  const onTrailer = (trailers: Headers): void => void names.push(trailers.get(streamHeader) ?? "none");
  for await (const _piece of pair.client.pour({}, { onHeader, onTrailer }));
  const refused = await failure(pair.client.say({}));
  names.push(refused.metadata.get(streamHeader) ?? "");
  const session = Buffer.from(pair.high.id.subarray(0, 4)).toString("hex");
  assert.equal(names.length, 3);
  assert.deepEqual([names[1], names[2]?.split(", ").length], ["none", 1], "nothing of the other end's is left");
  for (const name of [names[0], names[2]]) assert.match(name ?? "", new RegExp(`^stream:${session}/\\d+$`));
  await pair.close();
});

test("a handler can cut its call at once, whatever of its answer is still unread, and the caller learns why", async () => {
  const pair = await openRpcPair({
    async *pour(_request, context) {
      const aborted = new Promise((resolve) => context.signal.addEventListener("abort", resolve, { once: true }));
      yield { data: new Uint8Array(1_000_000) };
      context.values.get(callKey).cut(Reason.REVOKED, "The right is gone.");
      await aborted;
    },
  });
  const reading = pair.client.pour({})[Symbol.asyncIterator]();
  await until("it runs", () => pair.server.running === 1);
  const end = async (): Promise<void> => {
    while (!(await reading.next()).done);
  };
  const error = await failure(end());
  assert.deepEqual([error.code, error.rawMessage], [Code.PermissionDenied, "The right is gone."]);
  assert.equal(error.metadata.get("fairlead-reason"), "REVOKED");
  await until("the handler has ended", () => pair.server.running === 0);
  await pair.close();
});
