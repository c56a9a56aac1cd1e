/** Apps by command line, against two real agents on embedded clusters. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { parse } from "yaml";
import { exitCode } from "../../src/cli/errors.ts";
import { deployments, remoteApps } from "../../src/kube/resources.ts";
import { pair, type Ran, type RunOptions, run, start, startWorld, type World } from "./world.ts";

const manifest = (name: string, rest = ""): string =>
  `apiVersion: fairlead.dev/v1alpha1\nkind: RemoteApp\nmetadata: { name: ${name} }\nspec: { peer: berlin, image: nginx:1.27, ports: [{ containerPort: 80 }]${rest} }\n`;

suite("fairlead app", () => {
  let world: World;
  before(async () => {
    world = await startWorld();
    await pair(world, "apps");
  });
  after(() => world[Symbol.asyncDispose]());

  const app = (args: readonly string[], options?: RunOptions): Promise<Ran> =>
    run(world.lisbon, ["app", ...args], options);
  const find = (name: string): Promise<unknown> =>
    world.lisbon.kube.client.get(remoteApps, { namespace: "default", name }, AbortSignal.timeout(30_000));

  test("deploy from a file: created, then unchanged, then configured; also when only a label changed", async () => {
    const deploy = (text: string): Promise<Ran> => app(["deploy", "-f", "a.yaml"], { files: { "a.yaml": text } });
    assert.equal((await deploy(manifest("file"))).out, "remoteapp.fairlead.dev/file created\n");
    assert.equal((await deploy(manifest("file"))).out, "remoteapp.fairlead.dev/file unchanged\n");
    assert.equal((await deploy(manifest("file", ", replicas: 2"))).out, "remoteapp.fairlead.dev/file configured\n");
    const labelled = manifest("file", ", replicas: 2").replace("name: file", "name: file, labels: { tier: front }");
    assert.equal((await deploy(labelled)).out, "remoteapp.fairlead.dev/file configured\n");
    assert.equal((await deploy(labelled)).out, "remoteapp.fairlead.dev/file unchanged\n");
  });

  test("deploy --wait returns when it is Ready at the peer", async () => {
    const { code, out, err } = await app(["deploy", "waited", "--peer", "berlin", "--image", "a", "--wait"]);
    assert.equal(code, 0, err);
    assert.equal(out, "remoteapp.fairlead.dev/waited created\n");
    assert.match(err, /^waited: Ready: /m);
    const there = await world.berlin.kube.client.list(deployments, {}, AbortSignal.timeout(30_000));
    assert.ok(there.items.some(({ metadata }) => metadata.name?.startsWith("waited-")));
  });

  test("what get -o yaml prints can be deployed again, and changes nothing", async () => {
    await app(["deploy", "again", "--peer", "berlin", "--image", "a", "--port", "web:80", "--wait"]);
    const printed = (await app(["get", "again", "-o", "yaml"])).out;
    const { out, code, err } = await app(["deploy", "-f", "-"], { input: printed });
    assert.equal(code, 0, err);
    assert.equal(out, "remoteapp.fairlead.dev/again unchanged\n");
  });

  test("--dry-run checks everything and changes nothing", async () => {
    const two = `${manifest("dry1")}---\n${manifest("dry2")}`;
    const { code, out } = await app(["deploy", "-f", "-", "--dry-run"], { input: two });
    assert.equal(code, 0);
    assert.equal(out, "remoteapp.fairlead.dev/dry1 created (dry run)\nremoteapp.fairlead.dev/dry2 created (dry run)\n");
    assert.equal(await find("dry1"), undefined);
    assert.equal((await app(["deploy", "-f", "-", "--dry-run"], { input: manifest("Dry!") })).code, exitCode.usage);
  });

  test("of several documents none is deployed when one is wrong", async () => {
    const text = `${manifest("sound")}---\n${manifest("unsound", ", replicas: 5000")}`;
    const { code, out } = await app(["deploy", "-f", "-"], { input: text });
    assert.equal(code, exitCode.usage);
    assert.equal(out, "");
    assert.equal(await find("sound"), undefined);
  });

  test("values out of range are refused by the agent with their paths", async () => {
    const { code, err } = await app(["deploy", "x", "--peer", "berlin", "--image", "a", "--port", "99999"]);
    assert.equal(code, exitCode.usage);
    assert.match(err, /spec\.ports\[0\]\.containerPort: must be/);
    assert.equal(await find("x"), undefined);
  });

  test("an app for a peer that is not there is taken, with a warning and the reason", async () => {
    const { code, err } = await app(["deploy", "early", "--peer", "nowhere", "--image", "a"]);
    assert.equal(code, 0);
    assert.match(err, /^warning: there is no peer nowhere here/);
    const watch = start(world.lisbon, ["app", "get", "early", "-w", "-o", "wide"]);
    await watch.until((out) => /Pending .*PeerUnknown .*There is no peer "nowhere"/.test(out));
    watch.interrupt();
    assert.equal((await watch.ended).code, exitCode.interrupted);
    await app(["delete", "early", "--wait"]);
  });

  test("list says where it looked; -A looks everywhere; -l selects", async () => {
    assert.match((await app(["list", "-n", "empty"])).err, /No apps found in namespace empty\. -A looks in all/);
    await app(["deploy", "-f", "-"], {
      input: manifest("picked").replace("name: picked", "name: picked, labels: { pick: me }"),
    });
    assert.equal((await app(["list", "-l", "pick=me", "-o", "name"])).out, "remoteapp.fairlead.dev/picked\n");
    assert.match((await app(["list", "-A"])).out, /^NAMESPACE +NAME +PEER +STATUS +READY +AGE +REASON\n/);
  });

  test("each output format", async () => {
    await app(["deploy", "shown", "--peer", "berlin", "--image", "a", "--wait"]);
    assert.match(
      (await app(["get", "shown"])).out,
      /^NAME +PEER +STATUS +READY +AGE +REASON\nshown +berlin +Ready +1\/1 +\d+s +\w+\n$/,
    );
    assert.match((await app(["get", "shown", "-o", "wide"])).out, /IMAGE +MESSAGE\n/);
    assert.equal((await app(["get", "shown", "-o", "name"])).out, "remoteapp.fairlead.dev/shown\n");
    const json = JSON.parse((await app(["get", "shown", "-o", "json"])).out);
    assert.equal(json.kind, "RemoteApp");
    assert.equal(json.status.phase, "Ready");
    assert.equal(typeof json.metadata.generation, "number");
    assert.equal(parse((await app(["list", "-o", "yaml"])).out).kind, "List");
  });

  test("at a terminal, get shows why, the pods and the conditions, in colours unless NO_COLOR is set", async () => {
    await app(["deploy", "shown", "--peer", "berlin", "--image", "a", "--wait"]);
    const { out } = await app(["get", "shown"], { interactive: true });
    assert.ok(out.includes("\u001b[32mReady"), out);
    assert.match(out, /\n {2}Runs in +namespace fairlead-peer-lisbon at berlin\n/);
    assert.match(out, /\n {2}POD +PHASE +READY +RESTARTS +STARTED +BECAUSE\n {2}shown-/);
    assert.match(out, /\n {2}Admitted +True /);
    const { out: plain } = await app(["get", "shown"], { interactive: true, env: { NO_COLOR: "1" } });
    assert.ok(!plain.includes("\u001b"));
  });

  test("list --watch prints what is there, then each change, and tells what goes", async () => {
    await app(["deploy", "watched", "--peer", "berlin", "--image", "a", "--wait"]);
    const watch = start(world.lisbon, ["app", "list", "--watch"]);
    await watch.until((out) => /^watched +berlin +Ready +1\/1/m.test(out));
    await app(["scale", "watched", "--replicas", "3"]);
    await watch.until((out) => /^watched +berlin +Ready +3\/3/m.test(out));
    await app(["delete", "watched", "--wait"]);
    await watch.until(() => /^watched is gone$/m.test(watch.err()));
    watch.interrupt();
    const { code, out } = await watch.ended;
    assert.equal(code, exitCode.interrupted);
    assert.equal(out.split("NAME ").length, 2, "one head");
  });

  test("delete --wait returns when the peer has deleted what ran", async () => {
    await app(["deploy", "gone", "--peer", "berlin", "--image", "a", "--wait"]);
    const { code, out } = await app(["delete", "gone", "--wait"]);
    assert.equal(code, 0);
    assert.equal(out, "remoteapp.fairlead.dev/gone deleted\n");
    assert.equal(await find("gone"), undefined);
    const there = await world.berlin.kube.client.list(deployments, {}, AbortSignal.timeout(30_000));
    assert.ok(!there.items.some(({ metadata }) => metadata.name?.startsWith("gone-")));
  });

  for (const args of [["get"], ["delete"], ["logs"], ["open"], ["scale", "--replicas", "1"]]) {
    test(`${args[0]} of an app that is not there ends with 3 and says where to look`, async () => {
      const { code, err } = await app([...args, "nothing"]);
      assert.equal(code, exitCode.notFound, err);
      assert.match(err, /nothing.*app list -A/);
    });
  }

  test("open prints an address on the app's own host", async () => {
    await app(["deploy", "page", "--peer", "berlin", "--image", "a", "--port", "web:80", "--wait"]);
    const { out } = await app(["open", "page", "--path", "/x"]);
    assert.match(out, /^http:\/\/page-default-web\.localhost:\d+\/\S+code=\S+\n$/);
  });
});
