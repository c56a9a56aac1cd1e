/** Forwards by command line, at an agent on an embedded cluster: made of words or a file, read, edited, and deleted. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { exitCode } from "../../src/cli/errors.ts";
import { type Forward, forwards } from "../../src/kube/resources.ts";
import { patience } from "../patience.ts";
import { type Ran, run, startWorld, type World } from "./world.ts";

suite("fairlead forward create, get, edit and delete", () => {
  let world: World;
  before(async () => {
    world = await startWorld();
  });
  after(() => world[Symbol.asyncDispose]());

  const forward = (args: readonly string[], options?: Parameters<typeof run>[2]): Promise<Ran> =>
    run(world.lisbon, ["forward", ...args], options);
  const stored = (name: string, namespace = "default"): Promise<Forward | undefined> =>
    world.lisbon.kube.client.get(forwards, { namespace, name }, patience());

  test("words make one, with ports that have names or get them; --dry-run makes none", async () => {
    const words = [
      "create",
      "dns",
      "peer/list",
      "service/kube-system/kube-dns",
      "dns=53/udp",
      "53",
      "80:http",
      "8080:80",
    ];
    const more = ["--idle", "30m", "--label", "team=a"];
    const tried = await forward([...words, ...more, "--dry-run"]);
    assert.equal(tried.out, "forward.fairlead.dev/dns created (dry run)\n", tried.err);
    assert.equal(await stored("dns"), undefined);
    const made = await forward([...words, ...more]);
    assert.equal(made.out, "forward.fairlead.dev/dns created\n", made.err);
    const { spec, metadata } = (await stored("dns")) ?? assert.fail();
    assert.deepEqual([spec.peer, spec.idle, metadata.labels], ["list", "30m", { team: "a" }]);
    assert.deepEqual(
      spec.ports.map(({ name, port, targetPort, protocol }) => [name, port, targetPort?.kind.value, protocol]),
      [
        ["dns", 53, undefined, "UDP"],
        ["tcp-53", 53, undefined, undefined],
        ["tcp-80", 80, "http", undefined],
        ["tcp-8080", 8080, 80, undefined],
      ],
    );
    const shown = await forward(["get", "dns"]);
    assert.match(shown.out, /default +dns +Forward +list +service\/kube-system\/kube-dns/);
    const json = await forward(["get", "forward.fairlead.dev/dns", "-o", "json"]);
    assert.equal(JSON.parse(json.out).spec.ports.length, 4);
    assert.equal((await forward(words)).code, exitCode.failed);
  });

  test("what get -o yaml prints makes another one, in the namespace that it names", async () => {
    await forward(["create", "offer", "berlin", "service/web", "80", "--reverse", "--proxy-protocol"]);
    const { out } = await forward(["get", "offer", "-o", "yaml"]);
    const text = out.replace("name: offer", "name: again").replace("namespace: default", "namespace: fairlead-system");
    const made = await forward(["create", "-f", "-", "-o", "name"], { input: text });
    assert.equal(made.out, "forward.fairlead.dev/again\n", made.err);
    const spec = (await stored("again", "fairlead-system"))?.spec;
    assert.deepEqual([spec?.direction, spec?.proxyProtocol], ["Reverse", "V2"]);
  });

  test("mistakes are told before anything is sent, and what the agent refuses in its words", async () => {
    for (const [args, says] of [
      [["create", "x", "berlin", "metrics"], /needs a name, a peer, what it leads to there, and a port/],
      [["create", "x", "berlin", "metrics", "http"], /"http" is no port of a Forward[\s\S]*dns=53\/udp/],
      [["create", "x", "berlin", "kubernetes", "443"], /target/],
      [["create", "x", "berlin", "app/other/web", "443"], /another namespace/],
      [["create", "x", "-f", "x.yaml"], /the words or a file, not both/],
    ] as const) {
      const { code, err } = await forward(args);
      assert.match(err, says);
      assert.equal(code, exitCode.usage, err);
    }
    const misspelt = `apiVersion: fairlead.dev/v1alpha1\nkind: Forward\nmetadata: { name: x }\nspec: { peeer: berlin }\n`;
    const { err } = await forward(["create", "-f", "-"], { input: misspelt });
    assert.match(err, /line 4.*spec\.peeer: there is no such field; did you mean peer\?/);
    assert.equal(await stored("x"), undefined);
  });

  test("one is edited as it was seen; a change that somebody else made meanwhile is shown first", async () => {
    await forward(["create", "edited", "berlin", "metrics", "80"]);
    const saved = await forward(["edit", "edited"], { edit: (text) => text.replace("port: 80", "port: 81") });
    assert.equal(saved.out, "forward.fairlead.dev/edited edited\n", saved.err);
    assert.equal((await stored("edited"))?.spec.ports[0]?.port, 81);
    const left = await forward(["edit", "edited"], { edit: (text) => text });
    assert.equal(left.out, "forward.fairlead.dev/edited not edited\n", left.err);
    const seen: string[] = [];
    const raced = await forward(["edit", "edited"], {
      async edit(text) {
        seen.push(text);
        if (seen.length > 1) return "";
        const ref = { namespace: "default", name: "edited" };
        await world.lisbon.kube.client.mergePatch(forwards, ref, { spec: { idle: "5m" } }, patience());
        return text.replace("port: 81", "port: 82");
      },
    });
    assert.match(seen[1] ?? "", /changed by somebody else[\s\S]*idle: 5m/);
    assert.match(raced.err, /your text is in/);
    assert.equal((await stored("edited"))?.spec.ports[0]?.port, 81);
  });

  test("they are deleted by their names, and the audit has who did what", async () => {
    await forward(["create", "one", "berlin", "metrics", "80"]);
    await forward(["create", "two", "berlin", "metrics", "80"]);
    assert.equal((await forward(["delete", "one", "--dry-run"])).out, "forward.fairlead.dev/one deleted (dry run)\n");
    assert.ok(await stored("one"));
    const gone = await forward(["delete", "one", "two"]);
    assert.equal(gone.out, "forward.fairlead.dev/one deleted\nforward.fairlead.dev/two deleted\n", gone.err);
    assert.equal((await forward(["delete", "one"])).code, exitCode.notFound);
    const { out } = await run(world.lisbon, ["audit", "list", "--action", "forward.delete", "-o", "json"]);
    const told: { target: string; verdict: string }[] = JSON.parse(out).items;
    assert.deepEqual(
      told.map(({ target, verdict }) => [target, verdict]),
      [
        ["default/one", "done"],
        ["default/two", "done"],
        ["default/one", "failed"],
      ],
    );
  });
});
