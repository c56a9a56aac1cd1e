import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { findConsole } from "../../src/standalone/console-file.ts";
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
  await directory.putFile("console.json", '{"url":"http://127.0.0.1:1","token":"t"}');
  for (const name of ["journal", "lock", "console.json"]) assert.equal(await modeOf(join(path, name)), "600", name);
  assert.deepEqual(await findConsole(path), { url: "http://127.0.0.1:1", token: "t" });
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
});
