import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { parse } from "yaml";
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

test("the agent makes the text of a kubeconfig: for a command, or with a token of a lifetime, which the audit has", async () => {
  await using world = await startWorld();
  await pair(world, "tunnels");
  const { kubernetes } = world.lisbon.client;
  const consoleUrl = "https://door.example:8443/";
  const plain = await kubernetes.getKubeconfig({ peer: "berlin", consoleUrl });
  const file = parse(plain.kubeconfig);
  assert.equal(file["current-context"], "berlin");
  assert.equal(file.clusters[0].cluster.server, "https://door.example:8443/peers/berlin/kubernetes");
  assert.match(Buffer.from(file.clusters[0].cluster["certificate-authority-data"], "base64").toString(), /BEGIN CERT/);
  assert.deepEqual(file.users[0].user.exec.args, ["kube-token", "berlin", "--server", "https://door.example:8443"]);
  assert.deepEqual([plain.expiresAt, plain.kubeconfig.includes("flk_")], ["", false]);

  const own = {
    trust: { case: "systemRoots", value: true },
    user: { case: "tokenLifetimeSeconds", value: 3_600n },
  } as const;
  const timed = await kubernetes.getKubeconfig({ peer: "berlin", consoleUrl, context: "mine", ...own });
  const { clusters, users, contexts } = parse(timed.kubeconfig);
  assert.deepEqual(Object.keys(clusters[0].cluster), ["server"]);
  assert.deepEqual([users[0].name, contexts[0].name], ["mine", "mine"]);
  assert.match(users[0].user.token, /^flk_/);
  assert.ok(Date.parse(timed.expiresAt) > Date.now());
  const audited = await run(world.lisbon, ["audit", "list", "--action", "kube.token", "-o", "json"]);
  assert.equal(JSON.parse(audited.out).items.length, 1);
  assert.ok(!audited.out.includes("flk_"));

  for (const [asked, code] of [
    [{ peer: "berlin" }, Code.InvalidArgument],
    [{ peer: "berlin", consoleUrl: "http://door.example" }, Code.InvalidArgument],
    [{ peer: "nobody", consoleUrl }, Code.NotFound],
  ] as const) {
    await assert.rejects(kubernetes.getKubeconfig(asked), (error) => ConnectError.from(error).code === code);
  }
});
