import assert from "node:assert/strict";
import {
  chmod,
  chown,
  lchown,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { consoleFile, findConsole } from "../../src/standalone/console-file.ts";
import { openStateDirectory } from "../../src/standalone/directory.ts";

const deps = { clock: systemClock, log: silentLog };

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "fairlead-test-"));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

async function modeOf(path: string): Promise<string> {
  return ((await stat(path)).mode & 0o777).toString(8);
}

test("a directory is made, and made its owner's alone whatever it was, with all that is in it", async (t) => {
  const path = join(await folder(t), "a", "b");
  const directory = await openStateDirectory(path, deps);
  t.after(() => directory.close());
  assert.equal(await modeOf(path), "700");
  const found = { url: "https://127.0.0.1:1", token: "t", ca: "PEM", serverName: "console" };
  await directory.putFile("console.json", consoleFile.format(found));
  for (const name of ["journal", "lock", "console.json"]) assert.equal(await modeOf(join(path, name)), "600", name);
  assert.deepEqual(await findConsole(path), found);
  const open = join(await folder(t), "open");
  await mkdir(open, { mode: 0o755 });
  await chmod(open, 0o755);
  const other = await openStateDirectory(open, deps);
  await other.close();
  assert.equal(await modeOf(open), "700");
});

test("a second agent is refused a directory, and what the first keeps there is untouched; it may have it afterwards", async (t) => {
  const path = await folder(t);
  const first = await openStateDirectory(path, deps);
  const before = await readFile(join(path, "journal"));
  await assert.rejects(openStateDirectory(path, deps), /Another agent has .*two must not share a directory/);
  assert.deepEqual(await readFile(join(path, "journal")), before);
  await first.close();
  await (await openStateDirectory(path, deps)).close();
});

test("a directory that cannot be one says why, and a damaged journal gives the directory back", async (t) => {
  const path = await folder(t);
  await writeFile(join(path, "file"), "");
  await assert.rejects(
    openStateDirectory(join(path, "file"), deps),
    /cannot be used for this agent's state: E(NOTDIR|EXIST)/,
  );
  await writeFile(join(path, "journal"), "what is this\n");
  await assert.rejects(openStateDirectory(path, deps), /journal is damaged.*does not begin as a journal does/);
  await rm(join(path, "journal"));
  await (await openStateDirectory(path, deps)).close();
});

test("a directory that may only be read is refused", async (t) => {
  // Whoever may do everything is stopped by nothing but the kernel's own files.
  const path = process.getuid?.() === 0 ? "/sys/fairlead" : join(await folder(t), "closed");
  if (path !== "/sys/fairlead") await mkdir(path, { mode: 0o500 });
  await assert.rejects(
    openStateDirectory(path, deps),
    /cannot be used for this agent's state: E(ACCES|PERM|ROFS|NOENT)/,
  );
});

test("no agent's directory says that there is none, and what is no agent's says so", async (t) => {
  const path = await folder(t);
  assert.equal(await findConsole(path), undefined);
  await writeFile(join(path, "console.json"), '{"url":1}');
  await assert.rejects(findConsole(path), /does not say where/);
  // As agents before this one wrote it: anybody could be at that address.
  await writeFile(join(path, "console.json"), '{"url":"http://127.0.0.1:1","token":"t","ca":"PEM","serverName":"c"}');
  await assert.rejects(findConsole(path), /does not say where/);
});

test("a directory that is another user's is refused, and nothing of it is changed", async (t) => {
  const path = await folder(t);
  await chmod(path, 0o755);
  const me = process.getuid?.() ?? 0;
  await assert.rejects(
    openStateDirectory(path, { ...deps, user: me + 1 }),
    new RegExp(`belongs to user ${me}, and this agent runs as user ${me + 1}`),
  );
  assert.equal(await modeOf(path), "755");
  await (await openStateDirectory(path, { ...deps, user: me })).close();
});

test("what somebody else has laid into a directory before it was closed to them is not believed", async (t) => {
  const path = await folder(t);
  const elsewhere = join(await folder(t), "elsewhere");
  await writeFile(elsewhere, "kept");
  for (const name of ["journal", "journal.new", "lock", "lock-journal", "console.json", "console.json.new"]) {
    await symlink(elsewhere, join(path, name));
    await assert.rejects(openStateDirectory(path, deps), /is no plain file/, name);
    await rm(join(path, name));
    await mkdir(join(path, name));
    await assert.rejects(openStateDirectory(path, deps), /is no plain file/, name);
    await rm(join(path, name), { recursive: true });
  }
  assert.equal(await readFile(elsewhere, "utf8"), "kept");
  // Only the administrator can give a file away; there is one where tests run in containers.
  if (process.getuid?.() !== 0) return t.diagnostic("files of other users were not tried: this is not root");
  await writeFile(join(path, "journal"), "");
  await chown(join(path, "journal"), 12_345, 12_345);
  await assert.rejects(openStateDirectory(path, deps), /journal belongs to user 12345/);
});

test("who has a file open that was there before reads nothing of what is put in its place", async (t) => {
  const path = await folder(t);
  const laid = join(path, "console.json.new");
  await writeFile(laid, "", { mode: 0o666 });
  const reading = await open(laid);
  t.after(() => reading.close());
  const directory = await openStateDirectory(path, deps);
  t.after(() => directory.close());
  await directory.putFile("console.json", "the token");
  assert.equal(await reading.readFile("utf8"), "");
  assert.equal(await readFile(join(path, "console.json"), "utf8"), "the token");
  assert.equal(await modeOf(join(path, "console.json")), "600");
});

test("a link to a directory of one's own, as systemd makes it, is that directory, also when the link leads elsewhere later", async (t) => {
  const [base, other] = [await folder(t), await folder(t)];
  const link = join(base, "state");
  await symlink(await folder(t), link);
  const directory = await openStateDirectory(link, deps);
  t.after(() => directory.close());
  await rm(link);
  await symlink(other, link);
  await directory.putFile("console.json", "the token");
  await assert.rejects(readFile(join(other, "console.json")), { code: "ENOENT" });
});

test("a directory that others could move, or that others lead to, is refused before anything is made there", async (t) => {
  const base = await folder(t);
  const above = join(base, "above");
  await mkdir(above);
  await chmod(above, 0o777);
  const link = join(base, "link");
  await symlink(above, link);
  for (const path of [join(above, "a", "state"), join(link, "state")]) {
    await assert.rejects(openStateDirectory(path, deps), /above, on the way to it, can be written by others/);
  }
  assert.deepEqual(await readdir(above), []);
  // As /tmp is: what is there can be moved by its owner alone.
  await chmod(above, 0o1777);
  await (await openStateDirectory(join(link, "state"), deps)).close();
  // Only the administrator can give a directory away; there is one where tests run in containers.
  if (process.getuid?.() !== 0) return t.diagnostic("directories of other users were not tried: this is not root");
  await lchown(link, 12_345, 12_345);
  await assert.rejects(openStateDirectory(join(link, "state"), deps), /link, on the way to it, belongs to user 12345/);
  await chmod(above, 0o755);
  await chown(above, 12_345, 12_345);
  await assert.rejects(
    openStateDirectory(join(above, "state"), deps),
    /above, on the way to it, belongs to user 12345/,
  );
});

test("links in a circle lead nowhere", async (t) => {
  const path = join(await folder(t), "state");
  await symlink("state", path);
  await assert.rejects(openStateDirectory(path, deps), /ELOOP/);
});
