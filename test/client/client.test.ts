import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { createRouterTransport } from "@connectrpc/connect";
import { createFairleadClient } from "fairlead/client";
import { AgentService } from "../../src/gen/fairlead/console/v1/agent_service_pb.ts";
import { WatchService } from "../../src/gen/fairlead/console/v1/watch_service_pb.ts";
import { pair, startWorld } from "../cli/world.ts";
import { peerNames } from "./example.ts";

suite("fairlead/client", () => {
  test("the documented example works against an agent", async () => {
    await using world = await startWorld();
    await pair(world, "apps");
    assert.deepEqual(await peerNames(world.lisbon.consoleUrl, world.lisbon.token), ["berlin"]);
  });

  test("the token goes with every call, beside the caller's own headers", async () => {
    const seen: (string | null)[] = [];
    const transport = createRouterTransport((router) => {
      router.service(AgentService, {
        getInfo(_request, { requestHeader }) {
          seen.push(requestHeader.get("authorization"), requestHeader.get("x-own"));
          return {};
        },
      });
      router.service(WatchService, {
        async *watch(_request, { requestHeader }) {
          seen.push(requestHeader.get("authorization"));
          yield {};
        },
      });
    });
    const client = createFairleadClient({ transport, token: "flt_t" });
    await client.agent.getInfo({}, { headers: { "x-own": "1" } });
    for await (const _ of client.watch.watch({}));
    assert.deepEqual(seen, ["Bearer flt_t", "1", "Bearer flt_t"]);
  });

  test("without a token no credentials are sent", async () => {
    let seen: string | null = "";
    const transport = createRouterTransport((router) => {
      router.service(AgentService, {
        getInfo(_request, { requestHeader }) {
          seen = requestHeader.get("authorization");
          return {};
        },
      });
    });
    await createFairleadClient({ transport }).agent.getInfo({});
    assert.equal(seen, null);
  });

  test("is all that the CLI reaches agents by: it makes no transport of its own", () => {
    const folder = new URL("../../src/cli/", import.meta.url).pathname;
    const others = globSync("**/*.ts", { cwd: folder }).filter((name) =>
      /from "@connectrpc\/connect(-|\/)|createClient\b|\bTransport\b/.test(readFileSync(join(folder, name), "utf8")),
    );
    assert.deepEqual(others, []);
  });
});
