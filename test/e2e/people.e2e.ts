/** Users, tokens and the administrator's token in the Secrets of a real cluster: what is done to these with kubectl counts at once. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { type AgentProcess, startAgent } from "./agent.ts";
import { applyDefinitions, type Cluster, openCluster } from "./clusters.ts";
import { freePort } from "./free-port.ts";
import { until } from "./until.ts";

const namespace = `people-${randomBytes(3).toString("hex")}`;
let a: Cluster;
let agent: AgentProcess;

before(
  async () => {
    a = openCluster("a");
    await applyDefinitions(a);
    await a.kubectl(["create", "namespace", namespace]);
    const [console, link, telemetry] = [await freePort(), await freePort(), await freePort()];
    agent = await startAgent(a, { console, link, telemetry }, { name: "people", namespace });
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

/** HTTP's status when somebody asks who they are. */
async function whoAmI(token: string): Promise<number> {
  const headers = { "content-type": "application/json", authorization: `Bearer ${token}` };
  const url = `${agent.consoleUrl}/fairlead.console.v1.AccessService/WhoAmI`;
  return (await fetch(url, { method: "POST", headers, body: "{}" })).status;
}

/** How long it takes, after what was done with kubectl, in milliseconds. */
async function msUntil(token: string, status: number): Promise<number> {
  const from = performance.now();
  await until(`the status is ${status}`, async () => (await whoAmI(token)) === status, { seconds: 10 });
  return performance.now() - from;
}

test("the first administrator's password is in its Secret, and no Secret's name tells whose it is", {
  timeout: 60_000,
}, async () => {
  const password = Buffer.from(
    await inOurs(["get", "secret", "fairlead-first-admin", "-o", "jsonpath={.data.password}"]),
    "base64",
  ).toString();
  assert.match(password, /^([a-z2-9]{4}-){4}[a-z2-9]{4}$/);
  await agent.cli(["user", "create", "ann.example", "--role", "viewer"]);
  assert.match(await agent.cli(["user", "list"]), /^admin +admin +MustChangePassword/m);
  const names = await inOurs(["get", "secrets", "-l", "fairlead.dev/kind=user", "-o", "name"]);
  assert.match(names, /^(secret\/fairlead-user-[0-9a-f]{16}\n){2}$/);
});

test("a token whose Secret is deleted with kubectl ends within a second", { timeout: 60_000 }, async () => {
  const token = (await agent.cli(["token", "create", "ci", "--role", "viewer"])).trim();
  assert.equal(await whoAmI(token), 200);
  await until("its use is written", async () => /ago/.test(await agent.cli(["token", "list"])), { seconds: 20 });
  await inOurs(["delete", "secrets", "-l", "fairlead.dev/kind=token"]);
  assert.ok((await msUntil(token, 401)) < 1_000);
});

test("a token that is revoked ends at once, and its Secret is gone", { timeout: 60_000 }, async () => {
  const token = (await agent.cli(["token", "create", "ci", "--role", "operator@west"])).trim();
  await agent.cli(["token", "revoke", "ci"]);
  assert.equal(await whoAmI(token), 401);
  assert.equal(await inOurs(["get", "secrets", "-l", "fairlead.dev/kind=token", "-o", "name"]), "");
});

test("the administrator's token that is replaced with kubectl ends within a second, and one whose Secret is deleted is made anew", {
  timeout: 60_000,
}, async () => {
  const before = await agent.token();
  const other = `flt_${randomBytes(32).toString("base64url")}`;
  await inOurs(["patch", "secret", "fairlead-admin-token", "-p", JSON.stringify({ stringData: { token: other } })]);
  assert.ok((await msUntil(before, 401)) < 1_000);
  assert.equal(await whoAmI(other), 200);
  await inOurs(["delete", "secret", "fairlead-admin-token"]);
  assert.ok((await msUntil(other, 401)) < 1_000);
  const made = await until("another is there", () => agent.token().catch(() => undefined), { seconds: 10 });
  assert.notEqual(made, other);
  await msUntil(made, 200);
  assert.match(await agent.cli(["audit", "list", "--action", "token.change", "-o", "json"]), /Its Secret was deleted/);
});

test("after a restart everybody is who they were", { timeout: 120_000 }, async () => {
  const token = (await agent.cli(["token", "create", "stays", "--role", "viewer"])).trim();
  await agent.kill();
  await agent.start();
  assert.equal(await whoAmI(token), 200);
  assert.match(await agent.cli(["user", "list", "-o", "name"]), /user\/admin\nuser\/ann\.example/);
});
