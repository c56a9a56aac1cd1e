import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Code } from "@connectrpc/connect";
import { parse } from "yaml";
import { exitCode } from "../../src/cli/errors.ts";
import { explainError } from "../../src/client/explain.ts";
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
  const plain = await kubernetes.createKubeconfig({ peer: "berlin", consoleUrl });
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
  const timed = await kubernetes.createKubeconfig({ peer: "berlin", consoleUrl, context: "mine", ...own });
  const { clusters, users, contexts } = parse(timed.kubeconfig);
  assert.deepEqual(Object.keys(clusters[0].cluster), ["server"]);
  assert.deepEqual([users[0].name, contexts[0].name], ["mine", "mine"]);
  assert.match(users[0].user.token, /^flk_/);
  assert.ok(Date.parse(timed.expiresAt) > Date.now());
  const audited = await run(world.lisbon, ["audit", "list", "--action", "kube.token", "-o", "json"]);
  assert.equal(JSON.parse(audited.out).items.length, 1);
  assert.ok(!audited.out.includes("flk_"));

  const asked = { peer: "berlin", consoleUrl };
  const broken = {
    consoleUrl: ["http://door.example", "https://ana:secret@door.example", "https://door.example/x?y", "door"],
    caPem: ["none", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"],
  };
  for (const request of [
    ...broken.consoleUrl.map((other) => ({ ...asked, consoleUrl: other })),
    ...broken.caPem.map((value) => ({ ...asked, trust: { case: "caPem" as const, value } })),
  ]) {
    const { code, message, violations } = explainError(await rejected(kubernetes.createKubeconfig(request)));
    assert.equal(code, Code.InvalidArgument);
    const field = "trust" in request ? "caPem" : "consoleUrl";
    assert.deepEqual(
      violations.map((one) => one.field),
      [field],
    );
    assert.ok(!message.includes("secret"));
  }
  for (const [request, code] of [
    [{ peer: "berlin" }, Code.FailedPrecondition],
    [{ ...asked, peer: "nobody" }, Code.NotFound],
  ] as const) {
    assert.equal(explainError(await rejected(kubernetes.createKubeconfig(request))).code, code);
  }
});

async function rejected(call: Promise<unknown>): Promise<unknown> {
  return await call.then(
    () => assert.fail("it was answered"),
    (error: unknown) => error,
  );
}
