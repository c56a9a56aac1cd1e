/** An app in a person's editor: what is saved is taken, what is refused comes back with the reason, and nothing is lost. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { editText } from "../../src/cli/editor.ts";
import { exitCode } from "../../src/cli/errors.ts";
import { type RemoteApp, remoteApps } from "../../src/kube/resources.ts";
import { type Ran, type RunOptions, run, startWorld, type World } from "./world.ts";

suite("fairlead app edit", () => {
  let world: World;
  before(async () => {
    world = await startWorld();
    const text = `apiVersion: fairlead.dev/v1alpha1\nkind: RemoteApp\nmetadata: { name: web, labels: { tier: front, old: "1" } }\nspec: { peer: nowhere, image: "web:1", env: [{ name: COLOUR, value: red }, { name: SIZE, value: xl }] }\n`;
    const { code, err } = await run(world.lisbon, ["app", "deploy", "-f", "-"], { input: text });
    assert.equal(code, 0, err);
  });
  after(() => world[Symbol.asyncDispose]());

  const edit = (
    how: (text: string) => string | Promise<string>,
    more: string[] = [],
    options: RunOptions = {},
  ): Promise<Ran> => run(world.lisbon, ["app", "edit", "web", ...more], { ...options, edit: how });
  async function find(): Promise<RemoteApp> {
    const ref = { namespace: "default", name: "web" };
    return (await world.lisbon.kube.client.get(remoteApps, ref, AbortSignal.timeout(30_000))) ?? assert.fail();
  }

  test("what was saved is so: also what was taken out, of the spec and of the labels", async () => {
    const change = (text: string): string => {
      assert.match(text, /^# Save to change the app.*\napiVersion: /);
      return text
        .replace("image: web:1", "image: web:2")
        .replace(/ +- name: SIZE\n +value: xl\n/, "")
        .replace(/ +old: "1"\n/, "");
    };
    assert.equal((await edit(change, ["--dry-run"])).out, "remoteapp.fairlead.dev/web edited (dry run)\n");
    assert.equal((await find()).spec.image, "web:1");
    const { out, err } = await edit(change);
    assert.equal(out, "remoteapp.fairlead.dev/web edited\n", err);
    const { spec, metadata } = await find();
    assert.deepEqual(
      [spec.image, spec.env.map(({ name }) => name), metadata.labels],
      ["web:2", ["COLOUR"], { tier: "front" }],
    );
    const audited = await run(world.lisbon, ["audit", "list", "--action", "app.edit", "-o", "json"]);
    assert.equal(JSON.parse(audited.out).items.length, 1);
  });

  test("saving nothing, or what was there, changes nothing", async () => {
    for (const how of [(text: string) => text, () => ""]) {
      const { out, err, code } = await edit(how);
      assert.deepEqual([code, out], [0, "remoteapp.fairlead.dev/web not edited\n"], err);
    }
  });

  test("what is refused comes back with the reason until it is right", async () => {
    const seen: string[] = [];
    const answers = [
      (text: string): string => text.replace("image: web:2", "imagee: web:3"),
      (text: string): string => text.replace("imagee: web:3", "image: web:3").replace("replicas: 1", "replicas: 5000"),
      (text: string): string => text.replace("replicas: 5000", "replicas: 5"),
    ];
    const { code, err } = await edit((text) => {
      seen.push(text);
      return answers[seen.length - 1]?.(text) ?? "";
    });
    assert.equal(code, 0, err);
    assert.match(seen[1] ?? "", /^# This was refused:\n# .*imagee[\s\S]*imagee: web:3/);
    assert.match(seen[2] ?? "", /^# This was refused:\n# .*replicas[\s\S]*replicas: 5000/);
    assert.deepEqual([(await find()).spec.replicas, (await find()).spec.image], [5, "web:3"]);
  });

  test("who gives up keeps their text, and hears where it is", async () => {
    const kept: string[] = [];
    const { code, err } = await edit((text) => text.replace("replicas: 5\n", "replicas: -1\n"), [], { kept });
    assert.equal(code, exitCode.usage);
    assert.match(
      err,
      /replicas[\s\S]*try: your text is in \/kept\/web\.yaml; fairlead app deploy -f \/kept\/web\.yaml\n/,
    );
    assert.match(kept[0] ?? "", /replicas: -1\n/);
  });

  test("a change that somebody else made meanwhile is shown before it is overruled", async () => {
    const seen: string[] = [];
    const scaled = { spec: { replicas: 7 } };
    const ref = { namespace: "default", name: "web" };
    const { code, err } = await edit(async (text) => {
      seen.push(text);
      if (seen.length > 1) return text;
      await world.lisbon.kube.client.mergePatch(remoteApps, ref, scaled, AbortSignal.timeout(30_000));
      return text.replace("image: web:3", "image: web:4");
    });
    assert.equal(code, 0, err);
    assert.match(
      seen[1] ?? "",
      /web was changed by somebody else meanwhile[\s\S]*# +replicas: 7\n[\s\S]*\n +image: web:4\n/,
    );
    const { spec } = await find();
    assert.deepEqual([spec.replicas, spec.image], [5, "web:4"]);
  });
});

test("the editor is the one that the environment names, with its options, and its failure is told", async () => {
  const env = { PATH: process.env.PATH, EDITOR: "sed -i s/one/two/" };
  assert.equal(await editText(env, "web.yaml", "one\n"), "two\n");
  await assert.rejects(
    editText({ ...env, KUBE_EDITOR: "false" }, "web.yaml", "one\n"),
    /the editor `false` ended with 1/,
  );
});
