/** Files by command line, over two agents, to and from containers whose `tar` the sandbox plays. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { type CutProxy, openCutProxy } from "../e2e/cut-proxy.ts";
import { allowPods, type Ran, run, startWorldWithWeb, type World } from "./world.ts";

suite("fairlead app cp", { timeout: 120_000 }, () => {
  let world: World;
  let directory: string;
  let way: CutProxy;
  before(async () => {
    world = await startWorldWithWeb();
    await allowPods(world.berlin, "lisbon");
    directory = await mkdtemp(join(tmpdir(), "fairlead-copy-"));
    way = await openCutProxy({ host: "127.0.0.1", port: Number(new URL(world.lisbon.consoleUrl).port) });
  });
  after(async () => {
    way.close();
    await rm(directory, { recursive: true, force: true });
    await world[Symbol.asyncDispose]();
  });

  const cp = (from: string, to: string): Promise<Ran> => run(world.lisbon, ["app", "cp", from, to]);
  async function copied(from: string, to: string): Promise<void> {
    const ran = await cp(from, to);
    assert.deepEqual([ran.code, ran.err], [0, ""]);
  }
  const there = async (script: string): Promise<string> =>
    (await run(world.lisbon, ["app", "exec", "web", "--", "sh", "-c", script])).out;

  test("gives a file the name that is not there yet, and goes into a directory that is, with a slash or without", async () => {
    const file = join(directory, "note.txt");
    await writeFile(file, "to whom it may concern\n");
    await there("mkdir -p /data/inner");
    await copied(file, "web:/data/renamed.txt");
    await copied(file, "web:/data/inner");
    await copied(file, "web:/data/");
    assert.equal(await there("ls /data; ls /data/inner"), "inner\nnote.txt\nrenamed.txt\nnote.txt\n");
    await writeFile(file, "once more\n");
    await copied(file, "web:/data/renamed.txt");
    assert.equal(await there("cat /data/renamed.txt"), "once more\n");
  });

  test("puts a tree into a directory that is there under its own name, else under the name that is given", async () => {
    const tree = join(directory, "site");
    await mkdir(join(tree, "css"), { recursive: true });
    await writeFile(join(tree, "index.html"), "<p>");
    await writeFile(join(tree, "css", "main.css"), "p {}");
    await there("mkdir -p /srv");
    await copied(tree, "web:/srv");
    await copied(tree, "web:/srv/copy");
    assert.equal(await there("ls /srv; ls /srv/site; ls /srv/copy/css"), "copy\nsite\ncss\nindex.html\nmain.css\n");
    await copied("web:/srv/site", join(directory, "back"));
    assert.equal(await readFile(join(directory, "back", "css", "main.css"), "utf8"), "p {}");
  });

  test("says what is not there, on either side", async () => {
    const nowhere = await cp(join(directory, "nothing"), "web:/tmp/x");
    assert.deepEqual([nowhere.code, /nothing cannot be read/.test(nowhere.err)], [2, true]);
    const missing = await cp("web:/no/such", join(directory, "x"));
    assert.match(missing.err, /No such file or directory/);
    assert.equal(missing.code, 1);
    const parent = await cp(join(directory, "note.txt"), "web:/no/such/note.txt");
    assert.match(parent.err, /No such file or directory/);
  });

  test("brings 8 MB there and back over connections that are cut, as they were", async () => {
    const bytes = randomBytes(8_000_000);
    await writeFile(join(directory, "large"), bytes);
    let cuts = 0;
    // By what has passed, so that the transfer comes forward between two cuts however slow the machine is.
    const cutAfterMore = (): void =>
      way.after(1_000_000, () => {
        cuts += way.cut();
        cutAfterMore();
      });
    cutAfterMore();
    for (const [from, to] of [
      [join(directory, "large"), "web:/tmp/large"],
      ["web:/tmp/large", join(directory, "larger")],
    ] as const) {
      const ran = await run(world.lisbon, ["--server", `http://127.0.0.1:${way.port}`, "app", "cp", from, to]);
      assert.deepEqual([ran.code, ran.err], [0, ""]);
    }
    assert.ok(cuts > 8, `${cuts} cuts`);
    assert.ok(bytes.equals(await readFile(join(directory, "larger"))));
  });
});
