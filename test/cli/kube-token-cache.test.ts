import assert from "node:assert/strict";
import { chmod, mkdtemp, readdir, rename, rm, stat, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { openKubeTokenCache } from "../../src/cli/kube-token-cache.ts";

const home = await mkdtemp(join(tmpdir(), "fairlead-tokens-"));
after(() => rm(home, { recursive: true, force: true }));

const start = Date.parse("2026-01-01T00:00:00Z");
const token = { token: "flk_a.b", expires: "2026-01-01T00:10:00Z" };
const open = (about: string[], now = start) => openKubeTokenCache({ env: { HOME: home }, about, now: () => now });

describe("the token that kubectl asks for at each start", () => {
  test("is kept for the next, in a file for nobody else, until a minute before its end", async () => {
    assert.equal(await open(["berlin"]).find(1), undefined);
    await open(["berlin"]).keep(token, 1);
    assert.deepEqual(await open(["berlin"]).find(2), token);
    const folder = join(home, ".cache/fairlead/kube-tokens");
    const [file = ""] = await readdir(folder);
    assert.equal((await readdir(folder)).length, 1);
    assert.deepEqual(
      [(await stat(folder)).mode & 0o777, (await stat(join(folder, file))).mode & 0o777],
      [0o700, 0o600],
    );
    assert.deepEqual(await open(["berlin"], start + 539_999).find(3), token);
    assert.equal(await open(["berlin"], start + 540_000).find(4), undefined);
  });

  test("is another one for another peer, and for another way to the agent", async () => {
    await open(["berlin", "", "here"]).keep(token, 1);
    assert.equal(await open(["rome", "", "here"]).find(2), undefined);
    assert.equal(await open(["berlin", "here", ""]).find(2), undefined);
    assert.deepEqual(await open(["berlin", "", "here"]).find(2), token);
  });

  test("is asked for anew by a program that comes again, for the last one did not do", async () => {
    await open(["again"]).keep(token, 1);
    assert.equal(await open(["again"]).find(1), undefined);
    assert.deepEqual(await open(["again"]).find(2), token);
    assert.equal(await open(["again"]).find(2), undefined);
  });

  test("is not taken from a file that others could read, nor missed where none can be written", async () => {
    await open(["shared"]).keep(token, 1);
    const folder = join(home, ".cache/fairlead/kube-tokens");
    await Promise.all((await readdir(folder)).map((name) => chmod(join(folder, name), 0o644)));
    assert.equal(await open(["shared"]).find(2), undefined);
    for (const env of [{}, { HOME: "/dev/null" }]) {
      const cache = openKubeTokenCache({ env, about: ["x"], now: () => start });
      await cache.keep(token, 1);
      assert.equal(await cache.find(2), undefined);
    }
  });

  test("is not taken from what somebody else has laid there, themselves or by a link", async () => {
    const about = ["laid"];
    const openFor = (user?: number) => openKubeTokenCache({ env: { HOME: home }, about, now: () => start, user });
    const folder = join(home, ".cache/fairlead/kube-tokens");
    const before = new Set(await readdir(folder));
    await openFor().keep(token, 1);
    assert.equal(await openFor((process.getuid?.() ?? 0) + 1).find(2), undefined);
    assert.deepEqual(await openFor().find(3), token);
    const file = (await readdir(folder)).find((name) => !before.has(name)) ?? assert.fail("nothing is kept");
    await rename(join(folder, file), join(folder, "elsewhere"));
    await symlink("elsewhere", join(folder, file));
    assert.equal(await openFor().find(4), undefined);
  });
});
