/** The life of an app by command line, against two real agents on embedded clusters. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { parse } from "yaml";
import { exitCode } from "../../src/cli/errors.ts";
import { controllerRevisions, type RemoteApp, remoteApps } from "../../src/kube/resources.ts";
import { openOffices } from "./offices.ts";
import { pair, type Ran, type RunOptions, run, startWorld, type World } from "./world.ts";

suite("an app's life", () => {
  let world: World;
  before(async () => {
    world = await startWorld();
    await pair(world, "apps");
  });
  after(() => world[Symbol.asyncDispose]());

  const app = (args: readonly string[], options?: RunOptions): Promise<Ran> =>
    run(world.lisbon, ["app", ...args], options);
  const deploy = async (name: string, image: string, ...more: string[]): Promise<void> => {
    const { code, err } = await app(["deploy", name, "--peer", "berlin", "--image", image, ...more]);
    assert.equal(code, 0, err);
  };
  const soon = (): AbortSignal => AbortSignal.timeout(30_000);
  async function find(name: string): Promise<RemoteApp> {
    const found = await world.lisbon.kube.client.get(remoteApps, { namespace: "default", name }, soon());
    return found ?? assert.fail(`${name} is gone`);
  }
  async function specOf(name: string): Promise<RemoteApp["spec"]> {
    return (await find(name)).spec;
  }
  /** Waits until the app's spec is this revision. */
  async function reaches(name: string, revision: number): Promise<void> {
    const end = Date.now() + 30_000;
    while ((await find(name)).status?.revision !== revision) assert.ok(Date.now() < end, `no revision ${revision}`);
  }

  test("a rollback runs what ran before, leaves the rest, and the history says all of it", async () => {
    await deploy("roll", "web:1", "--env", "COLOUR=red");
    await reaches("roll", 1);
    await deploy("roll", "web:2", "--port", "8080");
    await reaches("roll", 2);
    assert.equal((await app(["scale", "roll", "--replicas", "3"])).out, "remoteapp.fairlead.dev/roll scaled to 3\n");
    const dry = await app(["rollback", "roll", "--dry-run"]);
    assert.equal(dry.out, "remoteapp.fairlead.dev/roll rolled back to revision 1 (dry run)\n", dry.err);
    assert.equal((await specOf("roll")).image, "web:2");
    const { out, err } = await app(["rollback", "roll"]);
    assert.equal(out, "remoteapp.fairlead.dev/roll rolled back to revision 1\n", err);
    const { image, env, ports, replicas, peer } = await specOf("roll");
    assert.deepEqual(
      [image, env.map(({ name }) => name), ports, replicas, peer],
      ["web:1", ["COLOUR"], [], 3, "berlin"],
    );
    await reaches("roll", 3);
    const history = await app(["history", "roll"]);
    assert.match(
      history.out,
      /^REVISION +AGE +IMAGE +CHANGE-CAUSE\n2 +\S+ +web:2 +<none>\n3 \(now\) +\S+ +web:1 +<none>\n$/,
    );
    const again = await app(["rollback", "roll", "--to-revision", "3"]);
    assert.equal(again.out, "remoteapp.fairlead.dev/roll is revision 3 already\n");
    const kept = await world.lisbon.kube.client.list(controllerRevisions, { namespace: "default" }, soon());
    const [owner] = kept.items[0]?.metadata.ownerReferences ?? [];
    assert.deepEqual([owner?.kind, owner?.name, owner?.controller], ["RemoteApp", "roll", true]);
  });

  test("history shows what a revision says, what a rollback to it would change, and each format", async () => {
    await deploy("told", "web:1");
    await reaches("told", 1);
    const text = `apiVersion: fairlead.dev/v1alpha1\nkind: RemoteApp\nmetadata: { name: told, annotations: { kubernetes.io/change-cause: "the blue one" } }\nspec: { peer: berlin, image: "web:2" }\n`;
    assert.equal((await app(["deploy", "-f", "-"], { input: text })).code, 0);
    await reaches("told", 2);
    assert.match((await app(["history", "told"])).out, /2 \(now\) +\S+ +web:2 +the blue one\n$/);
    assert.equal(parse((await app(["history", "told", "--revision", "1"])).out).spec.image, "web:1");
    const diff = (await app(["history", "told", "--revision", "1", "--diff"])).out;
    assert.match(diff, /^- {3}image: web:2$/m);
    assert.match(diff, /^\+ {3}image: web:1$/m);
    const listed = JSON.parse((await app(["history", "told", "-o", "json"])).out);
    assert.deepEqual(
      listed.items.map((one: { revision: number; changeCause?: string }) => [one.revision, one.changeCause]),
      [
        [1, undefined],
        [2, "the blue one"],
      ],
    );
    assert.equal((await app(["history", "told", "--revision", "2", "-o", "name"])).out, "told/2\n");
    const none = await app(["history", "told", "--revision", "9"]);
    assert.equal(none.code, exitCode.notFound);
    assert.match(none.err, /told has no revision 9\n {2}try: fairlead app history told\n/);
    assert.equal((await app(["history", "told", "--diff"])).code, exitCode.usage);
    assert.equal((await app(["history", "nothing"])).code, exitCode.notFound);
  });

  test("a rollback without a place to go says so, and which revisions there are", async () => {
    await deploy("first", "web:1");
    await reaches("first", 1);
    const none = await app(["rollback", "first"]);
    assert.equal(none.code, exitCode.failed);
    assert.match(none.err, /first has had no other spec that is still known/);
    const wrong = await app(["rollback", "first", "--to-revision", "7"]);
    assert.equal(wrong.code, exitCode.notFound);
    assert.match(wrong.err, /first has no revision 7; there is: 1/);
  });

  test("restart, pause and resume change one field each, and each of them twice is as good as once", async () => {
    await deploy("acts", "web:1");
    assert.equal((await app(["restart", "acts"])).out, "remoteapp.fairlead.dev/acts restarted\n");
    const first = (await specOf("acts")).restartedAt ?? "";
    assert.match(first, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    await app(["restart", "acts"]);
    assert.ok(((await specOf("acts")).restartedAt ?? "") > first, "two restarts within a second are two");
    assert.equal((await app(["pause", "acts"])).out, "remoteapp.fairlead.dev/acts paused\n");
    assert.equal((await app(["pause", "acts"])).out, "remoteapp.fairlead.dev/acts already paused\n");
    assert.equal((await specOf("acts")).paused, true);
    for (const verb of ["restart", "rollback"]) {
      const { code, err } = await app([verb, "acts"]);
      assert.equal(code, exitCode.failed);
      assert.match(err, /acts is paused, so it cannot be .*; first: fairlead app resume acts -n default/);
    }
    assert.equal((await app(["resume", "acts"])).out, "remoteapp.fairlead.dev/acts resumed\n");
    assert.equal((await app(["resume", "acts"])).out, "remoteapp.fairlead.dev/acts not paused\n");
    assert.equal((await specOf("acts")).paused, undefined);
    const audited = await run(world.lisbon, ["audit", "list", "--action", "app", "-o", "json"]);
    const actions = JSON.parse(audited.out).items.map((one: { action: string; target: string }) => [
      one.action,
      one.target,
    ]);
    for (const action of ["app.restart", "app.pause", "app.resume"]) {
      assert.ok(
        actions.some(([its, target]: string[]) => its === action && target === "default/acts"),
        action,
      );
    }
  });

  test("scale takes only the number that it was told to replace, and nothing that has none", async () => {
    await deploy("sized", "web:1", "--replicas", "2");
    const wrong = await app(["scale", "sized", "--replicas", "4", "--current-replicas", "3"]);
    assert.equal(wrong.code, exitCode.failed);
    assert.match(wrong.err, /sized has 2 replicas, not 3/);
    assert.equal((await app(["scale", "sized", "--replicas", "4", "--dry-run"])).code, 0);
    assert.equal((await specOf("sized")).replicas, 2);
    const job = `apiVersion: fairlead.dev/v1alpha1\nkind: RemoteApp\nmetadata: { name: once }\nspec: { peer: nowhere, image: a, kind: Job }\n`;
    assert.equal((await app(["deploy", "-f", "-"], { input: job })).code, 0);
    assert.match((await app(["scale", "once", "--replicas", "2"])).err, /once is a Job: it has no replicas/);
    assert.match((await app(["restart", "once"])).err, /once is a Job: it cannot be restarted/);
    assert.match((await app(["pause", "once"])).err, /only Deployments can be paused/);
    await app(["delete", "once", "--wait"]);
  });

  test("delete --keep leaves it running there, says how to take it back, and that works", async () => {
    await deploy("kept", "web:1", "--wait");
    const { uid = "" } = (await find("kept")).metadata;
    const dry = await app(["delete", "kept", "--keep", "--dry-run"]);
    assert.equal(dry.out, "remoteapp.fairlead.dev/kept deleted (dry run)\n");
    const { out, err, code } = await app(["delete", "kept", "--keep", "--wait"]);
    assert.equal(code, 0, err);
    assert.equal(out, "remoteapp.fairlead.dev/kept deleted\n");
    assert.match(
      err,
      new RegExp(
        `^kept: it goes on running at berlin; to take it back: fairlead orphan adopt ${uid} --at berlin\\n`,
        "m",
      ),
    );
    const end = Date.now() + 30_000;
    while (!(await run(world.lisbon, ["orphan", "list", "--at-peers"])).out.includes(uid)) assert.ok(Date.now() < end);
    const back = await run(world.lisbon, ["orphan", "adopt", uid, "--at", "berlin"]);
    assert.equal(back.code, 0, back.err);
    assert.equal((await app(["rollout", "status", "kept", "--timeout", "30s"])).code, 0);
    const leased = `apiVersion: fairlead.dev/v1alpha1\nkind: RemoteApp\nmetadata: { name: leased }\nspec: { placement: { move: Unreachable, selector: { matchLabels: { no: peer } } }, image: a }\n`;
    const sent = await app(["deploy", "-f", "-"], { input: leased });
    assert.equal(sent.code, 0, sent.err);
    assert.match(
      (await app(["delete", "leased", "--keep"])).err,
      /leased cannot be kept: its peers end it by themselves/,
    );
    assert.equal((await app(["delete", "leased", "kept", "--wait"])).out.split("\n").length, 3);
    assert.equal((await app(["delete", "kept"])).code, exitCode.notFound);
    const gone = await app(["delete", "kept", "--ignore-not-found"]);
    assert.deepEqual([gone.code, gone.out], [0, "remoteapp.fairlead.dev/kept not there\n"]);
  });

  test("several at once: by names, by label or all of a namespace; one that fails keeps no other from it", async () => {
    const two = ["x", "y"].map(
      (name) =>
        `apiVersion: fairlead.dev/v1alpha1\nkind: RemoteApp\nmetadata: { name: many-${name}, labels: { tier: many } }\nspec: { peer: berlin, image: a }\n`,
    );
    await app(["deploy", "-f", "-"], { input: two.join("---\n") });
    const both = await app(["restart", "-l", "tier=many"]);
    assert.equal(both.out, "remoteapp.fairlead.dev/many-x restarted\nremoteapp.fairlead.dev/many-y restarted\n");
    const some = await app([
      "scale",
      "many-x",
      "missing",
      "remoteapp.fairlead.dev/many-y",
      "--replicas",
      "2",
      "-o",
      "name",
    ]);
    assert.equal(some.code, exitCode.notFound);
    assert.equal(some.out, "remoteapp.fairlead.dev/many-x\nremoteapp.fairlead.dev/many-y\n");
    assert.match(some.err, /error: missing: there is no RemoteApp default\/missing.*\n.*1 of 3 apps failed/);
    const shown = parse((await app(["restart", "-l", "tier=many", "-o", "yaml"])).out);
    assert.deepEqual(
      shown.items.map((one: { metadata: { name: string } }) => one.metadata.name),
      ["many-x", "many-y"],
    );
    assert.match((await app(["pause", "-l", "tier=none"])).err, /No apps found/);
    for (const args of [[], ["many-x", "--all"], ["-l", "a=b", "--all"]]) {
      assert.equal((await app(["restart", ...args])).code, exitCode.usage);
    }
    assert.equal((await app(["pause", "--all", "-n", "empty"])).code, 0);
  });
});

test("while there is no link to the peer the wish waits, and the command says so", async () => {
  const offices = openOffices();
  const down = { type: "Connected", status: "False", reason: "LinkDown" };
  const app = { metadata: { name: "far" }, spec: { peer: "west", image: "a" }, status: { conditions: [down] } };
  offices.apps.restartApp = () => ({ app });
  const { code, out, err } = await offices.run(["app", "restart", "far"]);
  assert.equal(code, 0);
  assert.equal(out, "remoteapp.fairlead.dev/far restarted\n");
  assert.equal(err, "far: there is no link to west now; this goes there as soon as there is one\n");
  assert.equal((await offices.run(["app", "restart", "far", "--dry-run"])).err, "");
});
