import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { exitCode } from "../../src/cli/errors.ts";
import { pair, run, startWorld } from "./world.ts";

test("what is to be tried next uses the file that was written; without an address over TLS one is named that may do", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "fairlead-kubeconfig-"));
  t.after(() => rm(folder, { recursive: true }));
  await using world = await startWorld();
  await pair(world, "tunnels");
  const file = join(folder, "config");
  const written = await run(world.lisbon, ["kubeconfig", "berlin", "--door", "https://door.example", "--file", file]);
  assert.equal(written.code, 0, written.err);
  assert.equal(written.err, `  try: kubectl --kubeconfig ${file} --context berlin get pods\n`);
  const words = ["--server", world.lisbon.consoleUrl, "kubeconfig", "berlin", "--file", file];
  const unknown = await run(world.lisbon, words);
  assert.equal(unknown.code, exitCode.usage);
  assert.match(unknown.err, /--door https:\/\/[^ ]+:\d+, or console\.url/);
});
