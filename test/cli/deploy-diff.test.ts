/** What a deploy would change, and what a peer would say of that, by command line over two agents. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { exitCode } from "../../src/cli/errors.ts";
import { remoteApps } from "../../src/kube/resources.ts";
import { applyPolicies, pair, run, startWorld, type World } from "./world.ts";

suite("fairlead app deploy --diff", () => {
  let world: World;
  before(async () => {
    world = await startWorld();
    await pair(world, "apps");
  });
  after(() => world[Symbol.asyncDispose]());

  const manifest = (image: string): string => `
apiVersion: fairlead.dev/v1alpha1
kind: RemoteApp
metadata: { name: shop }
spec:
  peer: berlin
  image: ${image}
  configMaps: [{ name: settings, data: { "a.conf": "12345", "b.conf": "678" } }]
`;
  const deploy = (yaml: string, ...more: string[]) =>
    run(world.lisbon, ["app", "deploy", "-f", "-", ...more], { input: yaml });

  test("shows all of a new app, what goes with it, and changes nothing", async () => {
    const { code, out, err } = await deploy(manifest("nginx:1"), "--diff");
    assert.equal(code, 0, err);
    assert.match(out, /^remoteapp\.fairlead\.dev\/shop created \(dry run\)\n\+ spec:\n/);
    assert.match(out, /^\+ {3}image: nginx:1$/m);
    assert.match(err, /shop: with it goes: ConfigMap settings \(2 files, 8 bytes\)/);
    assert.equal((await run(world.lisbon, ["app", "get", "shop"])).code, 3);
  });

  test("shows the lines that change between what is there and what would be, and none when nothing does", async () => {
    await deploy(manifest("nginx:1"));
    const changed = (await deploy(manifest("nginx:2"), "--diff")).out.split("\n").filter((line) => /^[-+]/.test(line));
    assert.deepEqual(changed, ["-   image: nginx:1", "+   image: nginx:2"]);
    const same = await deploy(manifest("nginx:1"), "--diff");
    assert.equal(same.out, "remoteapp.fairlead.dev/shop unchanged (dry run)\n");
  });

  test("what is judged is what the app would be, with what others wrote in it", async () => {
    await applyPolicies(
      world.berlin,
      `
apiVersion: fairlead.dev/v1alpha1
kind: PeerPolicy
metadata: { name: accept-all }
spec: { workloads: { accept: true, maxReplicas: 2 } }
`,
    );
    await deploy(manifest("nginx:1"));
    const dry = await deploy(manifest("nginx:1"), "--dry-run");
    assert.equal(dry.code, 0, dry.err);
    const found = await world.lisbon.kube.client.get(
      remoteApps,
      { namespace: "default", name: "shop" },
      AbortSignal.timeout(30_000),
    );
    assert.ok(found);
    const draft = { metadata: { namespace: "default", name: "shop" }, spec: { ...found.spec, replicas: 3 } };
    await world.lisbon.kube.client.apply(
      remoteApps,
      draft,
      { fieldManager: "somebody", force: true },
      AbortSignal.timeout(30_000),
    );
    const dryAgain = await deploy(manifest("nginx:1"), "--dry-run");
    assert.equal(dryAgain.code, exitCode.denied, dryAgain.err);
    assert.match(dryAgain.err, /at most 2 replicas/);
    const checked = await run(world.lisbon, ["app", "check", "-f", "-"], { input: manifest("nginx:1") });
    assert.equal(checked.code, exitCode.denied, checked.out);
  });
});
