/** Who changes something through the API is written down; who reads is not. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { Topic } from "../../../src/gen/fairlead/console/v1/watch_service_pb.ts";
import { createLog } from "../../../src/telemetry/log.ts";
import { type ApiWorld, startApi } from "./world.ts";

suite("the audit of the API", () => {
  const lines: Record<string, unknown>[] = [];
  let world: ApiWorld;
  before(async () => {
    world = await startApi(createLog({ level: "info", write: (line) => lines.push(JSON.parse(line)) }));
  });
  after(() => world[Symbol.asyncDispose]());

  const audited = (action: string): Record<string, unknown>[] => lines.filter((line) => line.action === action);
  const ref = { namespace: "default", name: "web" };

  test("names the person, the object and the outcome of each change", async () => {
    const { apps } = world.town.client;
    await apps.deployApp({ ref, spec: { peer: "nobody", image: "fairlead.dev/echo:1" } });
    await assert.rejects(apps.scaleApp({ ref: { namespace: "default", name: "other" }, replicas: 2 }));
    const [deployed] = audited("app.deploy");
    assert.equal(deployed?.target, "default/web");
    assert.equal(deployed?.person, "admin-token");
    assert.equal(deployed?.verdict, "done");
    const [scaled] = audited("app.scale");
    assert.equal(scaled?.target, "default/other");
    assert.equal(scaled?.verdict, "failed");
  });

  test("records an invite once, with the person", async () => {
    await world.town.client.peers.createInvite({ url: "ws://127.0.0.1:1/link" });
    const entries = audited("invite.create");
    assert.equal(entries.length, 1);
    assert.equal(entries[0]?.person, "admin-token");
  });

  test("says nothing of reading", async () => {
    const before = lines.filter((line) => line.audit === true).length;
    const { apps, peers } = world.town.client;
    await Promise.all([apps.listApps({}), apps.getApp({ ref }), peers.listPeers({})]);
    assert.equal(lines.filter((line) => line.audit === true).length, before);
  });
});

suite("the page of an app", () => {
  let world: ApiWorld;
  before(async () => {
    world = await startApi();
  });
  after(() => world[Symbol.asyncDispose]());

  test("is told in the RemoteApp's status", async () => {
    const { client, consoleUrl } = world.town;
    const ref = { namespace: "default", name: "paged" };
    const ports = [{ name: "web", containerPort: 8080 }];
    await client.apps.deployApp({ ref, spec: { peer: "nobody", image: "fairlead.dev/echo:1", ports } });
    const signal = AbortSignal.timeout(20_000);
    const topics = [{ topic: Topic.APPS, namespace: ref.namespace, name: ref.name }];
    for await (const { changes } of client.watch.watch({ topics }, { signal })) {
      const url = changes.map(({ now }) => (now.case === "app" ? now.value.status?.url : "")).find(Boolean);
      if (!url) continue;
      assert.equal(url, `http://paged-default-web.localhost:${new URL(consoleUrl).port}/`);
      return;
    }
    assert.fail("the watch ended before the status told the page");
  });
});
