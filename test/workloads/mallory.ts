import type { TestContext } from "node:test";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { ConnectError, createClient } from "@connectrpc/connect";
import { Queue } from "../../src/base/queue.ts";
import {
  IntentService,
  type SyncRequest,
  type SyncRequestSchema,
  type SyncResponse,
} from "../../src/gen/fairlead/peer/v1/intent_pb.ts";
import { request } from "../../src/intent/messages.ts";
import { startTown } from "./story.ts";
import type { Town } from "./town.ts";

export type Message = MessageInitShape<typeof SyncRequestSchema>["message"];

export const begin: Message = { case: "begin", value: { kind: "workload" } };
export const nothing: Message = { case: "digest", value: { entries: [], complete: true } };

export function wish(change: object = {}): Message {
  const value = { uid: "u-1", generation: 1n, namespace: "shop", name: "web", spec: '{"image":"web:1"}', hash: "h" };
  return { case: "wish", value: { ...value, ...change } };
}

/** mallory is a peer of osaka like tokyo, and this is its conversation. */
export async function speak(t: TestContext, town: Town, messages: readonly Message[]) {
  const requests = new Queue<SyncRequest>(100_000);
  const answers: SyncResponse[] = [];
  const abort = new AbortController();
  const say = (message: Message): void => void requests.push(request(message));
  const transport = town.agent("mallory").peering.transport("osaka");
  let end: ConnectError | undefined;
  const reading = (async () => {
    for await (const one of createClient(IntentService, transport).sync(requests, { signal: abort.signal }))
      answers.push(one);
  })().catch((error: unknown) => {
    end = ConnectError.from(error);
  });
  t.after(async () => {
    abort.abort();
    await reading;
  });
  for (const message of messages) say(message);
  return { say, answers, end: () => end };
}

export async function startWithMallory(t: TestContext): Promise<Town> {
  const town = await startTown(t);
  town.pair("mallory", "osaka");
  await town.connect("mallory", "osaka");
  return town;
}
