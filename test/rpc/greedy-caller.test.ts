import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as turn } from "node:timers/promises";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createRpcServer } from "../../src/rpc/server.ts";
import { createLinkTransport } from "../../src/rpc/transport.ts";
import { EchoService } from "../gen/fairlead/test/v1/echo_pb.ts";
import { until } from "../patience.ts";
import { openPair } from "../wire/pair.ts";
import { tester } from "./pair.ts";

test("one caller does not take all the room for calls from the others", async () => {
  const held = Promise.withResolvers<{ text: string }>();
  const server = createRpcServer({
    routes: (router) => router.service(EchoService, { say: () => held.promise }),
    maxConcurrent: 5,
  });
  let fingerprint = "a";
  const pair = await openPair({
    acceptHigh(incoming) {
      if (incoming.kind === "rpc") void server.serve(incoming, { ...tester, fingerprint });
    },
  });
  const client = createClient(EchoService, createLinkTransport(pair.low));
  const greedy = [client.say({}), client.say({}), client.say({})];
  await until("three calls run", () => server.running === 3);
  await assert.rejects(client.say({}), (error) => ConnectError.from(error).code === Code.ResourceExhausted);
  fingerprint = "b";
  const other = client.say({});
  await until("another's call runs", () => server.running === 4);
  held.resolve({ text: "done" });
  await Promise.all([...greedy, other]);
  await until("no call runs", () => server.running === 0);
  fingerprint = "a";
  assert.equal((await client.say({})).text, "done");
  await pair.close();
});

test("several greedy callers together leave room for the next one", async () => {
  const held = Promise.withResolvers<{ text: string }>();
  const server = createRpcServer({
    routes: (router) => router.service(EchoService, { say: () => held.promise }),
    maxConcurrent: 100,
  });
  let fingerprint = "";
  const pair = await openPair({
    acceptHigh(incoming) {
      if (incoming.kind === "rpc") void server.serve(incoming, { ...tester, fingerprint });
    },
  });
  const client = createClient(EchoService, createLinkTransport(pair.low));
  const running: number[] = [];
  for (const greedy of ["a", "b", "c"]) {
    fingerprint = greedy;
    const calls = Array.from({ length: 100 }, () => client.say({}).catch(() => undefined));
    // The last one is answered after all others have been taken up or refused.
    await calls.at(-1);
    running.push(server.running);
  }
  assert.deepEqual(running, [60, 84, 94]);
  fingerprint = "honest";
  const honest = client.say({});
  await until("the honest one's call runs", () => server.running === 95);
  held.resolve({ text: "done" });
  assert.equal((await honest).text, "done");
  await pair.close();
});

test("a call with a time-out beyond all timers is served, and not ended by a timer that overflows", async () => {
  const server = createRpcServer({
    routes: (router) =>
      router.service(EchoService, {
        say: async () => {
          await turn(20); // Longer than the 1 ms that an overflow is set to.
          return { text: "served" };
        },
      }),
  });
  const pair = await openPair({
    acceptHigh(incoming) {
      if (incoming.kind === "rpc") void server.serve(incoming, tester);
    },
  });
  const warnings: Error[] = [];
  const onWarning = (warning: Error): void => void warnings.push(warning);
  process.on("warning", onWarning);
  const client = createClient(EchoService, createLinkTransport(pair.low));
  assert.equal((await client.say({}, { headers: { "grpc-timeout": "99999999H" } })).text, "served");
  assert.deepEqual(warnings, []);
  process.off("warning", onWarning);
  await pair.close();
});
