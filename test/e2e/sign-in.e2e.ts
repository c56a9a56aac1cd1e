/** Who comes to an agent with a token of its cluster, as the API server of a real one knows them. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { type AgentProcess, startAgent } from "./agent.ts";
import { applyDefinitions, type Cluster, openCluster } from "./clusters.ts";
import { freePort } from "./free-port.ts";
import { until } from "./until.ts";

const namespace = `sign-in-${randomBytes(3).toString("hex")}`;
let a: Cluster;
let agent: AgentProcess;

before(
  async () => {
    a = openCluster("a");
    await applyDefinitions(a);
    await a.kubectl(["create", "namespace", namespace]);
    for (const name of ["viewer", "operator", "nobody"]) await inOurs(["create", "serviceaccount", name]);
    const roles = [
      { group: `system:serviceaccounts:${namespace}:none`, role: "admin" },
      { user: `system:serviceaccount:${namespace}:viewer`, role: "viewer" },
      { user: `system:serviceaccount:${namespace}:operator`, role: "operator" },
    ];
    const [console, link, telemetry] = [await freePort(), await freePort(), await freePort()];
    const flags = { "console-kubernetes-roles": JSON.stringify(roles) };
    agent = await startAgent(a, { console, link, telemetry }, { name: "sign-in", namespace, flags });
  },
  { timeout: 120_000 },
);

after(
  async () => {
    await agent?.stop();
    await a?.kubectl(["delete", "namespace", namespace, "--wait=false"]);
  },
  { timeout: 60_000 },
);

const inOurs = (args: readonly string[]): Promise<string> => a.kubectl(["-n", namespace, ...args]);

async function tokenOf(account: string, ...more: string[]): Promise<string> {
  return (await inOurs(["create", "token", account, ...more])).trim();
}

const forUs = ["--audience", "fairlead.dev"];

test("a token for fairlead.dev opens what its account has been given, and no more", { timeout: 60_000 }, async () => {
  const viewer = await tokenOf("viewer", ...forUs);
  await agent.cli(["peer", "list", "--token", viewer]);
  const invite = await agent.tryCli(["invite", "--token", viewer]);
  assert.notEqual(invite.code, 0);
  assert.match(invite.stderr, /role admin/);
  assert.match(invite.stderr, /viewer/);
});

test("a token for another audience is refused, and so is one of nobody here", { timeout: 60_000 }, async () => {
  const others = [await tokenOf("operator"), await tokenOf("operator", "--audience", "another.example")];
  for (const token of others) {
    const refused = await agent.tryCli(["peer", "list", "--token", token]);
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, /not valid here/);
  }
  const forged = (await tokenOf("operator", ...forUs)).replace(/.{20}$/, "A".repeat(20));
  assert.match((await agent.tryCli(["peer", "list", "--token", forged])).stderr, /not valid here/);
  const nobody = await agent.tryCli(["peer", "list", "--token", await tokenOf("nobody", ...forUs)]);
  assert.notEqual(nobody.code, 0);
  assert.match(nobody.stderr, /not valid here/);
});

test("a token ends with its account, and with it what runs under it", { timeout: 120_000 }, async () => {
  const token = await tokenOf("operator", ...forUs);
  await agent.cli(["peer", "list", "--token", token]);
  const watch = agent.spawnCli(["peer", "list", "--watch", "--token", token]);
  const ended = new Promise((resolve) => watch.once("exit", resolve));
  await inOurs(["delete", "serviceaccount", "operator"]);
  await until(
    "the token is refused",
    async () => (await agent.tryCli(["peer", "list", "--token", token])).stderr.includes("not valid here"),
    { seconds: 60 },
  );
  await ended;
  assert.notEqual(watch.exitCode, 0);
});
