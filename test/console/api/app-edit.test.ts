/** RemoteApps as people edit them by the API of an agent on an embedded cluster: exactly of what they read. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { fromJson } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { App } from "../../../src/gen/fairlead/console/v1/app_service_pb.ts";
import { RemoteAppSpecSchema } from "../../../src/gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { remoteApps } from "../../../src/kube/resources.ts";
import { patience } from "../../patience.ts";
import { type ApiWorld, startApi } from "./world.ts";

suite("editing an app", () => {
  let world: ApiWorld;
  before(async () => {
    world = await startApi();
  });
  after(() => world[Symbol.asyncDispose]());

  const ref = { namespace: "default", name: "web" };
  const spec = fromJson(RemoteAppSpecSchema, { peer: "west", image: "web:1" });
  const apps = (): ApiWorld["town"]["client"]["apps"] => world.town.client.apps;
  async function deployed(): Promise<App> {
    const { app } = await apps().deployApp({ ref, spec, labels: { a: "1" } });
    return app ?? assert.fail();
  }
  const isRefused = (code: Code, text: RegExp) => (error: unknown) => {
    const { code: said, rawMessage } = ConnectError.from(error);
    return said === code && text.test(rawMessage);
  };

  test("of two edits of labels from one reading the second is refused, and the first one's label stays", async () => {
    const { version } = await deployed();
    const { app, changed } = await apps().editApp({ ref, version, spec, labels: { a: "1", b: "ana" } });
    assert.ok(changed);
    const second = apps().editApp({ ref, version, spec, labels: { a: "1", c: "bob" } });
    await assert.rejects(second, isRefused(Code.Aborted, /web was changed by somebody else/));
    const now = await apps().getApp({ ref });
    assert.deepEqual([now.app?.metadata?.labels, now.app?.version], [{ a: "1", b: "ana" }, app?.version]);
    assert.equal(
      (await apps().editApp({ ref, version: now.app?.version ?? "", spec, labels: { a: "1", b: "ana" } })).changed,
      false,
    );
  });

  test("what the agent writes of its status is no change of somebody else's", async () => {
    const { version } = await deployed();
    const told = { metadata: ref, status: { phase: "Degraded" } };
    await world.town.kube.client.applyStatus(remoteApps, remoteApps.parse(told), { force: true }, patience());
    assert.ok((await apps().editApp({ ref, version, spec: { ...spec, image: "web:2" } })).changed);
  });

  test("the generation counts for who says no version, and something has to be said", async () => {
    const { metadata } = await deployed();
    const read = { uid: metadata?.uid ?? "", generation: metadata?.generation ?? 0n };
    assert.ok((await apps().editApp({ ref, ...read, spec: { ...spec, image: "web:3" } })).changed);
    const late = apps().editApp({ ref, ...read, spec: { ...spec, image: "web:4" } });
    await assert.rejects(late, isRefused(Code.Aborted, /somebody else/));
    await assert.rejects(apps().editApp({ ref, spec }), isRefused(Code.InvalidArgument, /version/));
  });
});
