import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { inspect } from "node:util";
import type { AuditEntry } from "../../../src/audit/entry.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { type Log, silentLog } from "../../../src/base/log.ts";
import { adminTokenSecret, watchAdminToken } from "../../../src/console/auth/admin-token.ts";
import { bearerToken, mintToken } from "../../../src/console/auth/token.ts";
import type { KubeClient } from "../../../src/kube/client.ts";
import { KubeError } from "../../../src/kube/errors.ts";
import { secrets } from "../../../src/kube/resources.ts";
import { decodeData, encodeData } from "../../../src/kube/secret-data.ts";
import { patience, until } from "../../patience.ts";
import { createSecretStore } from "./secret-store.ts";

const namespace = "fairlead-system";
const { name, key } = adminTokenSecret;
const ref = { namespace, name };
const signal = patience();

async function start(t: TestContext, client: KubeClient, log: Log = silentLog) {
  const told: AuditEntry[] = [];
  const audit = { record: (entry: AuditEntry) => told.push(entry) };
  const token = await watchAdminToken({ client, namespace, audit, clock: systemClock, log }, signal);
  t.after(() => token.close());
  const presented = { method: "GET", url: "http://here/", upgrade: false };
  const who = (text: string) => token.way.authenticate({ ...presented, authorization: `Bearer ${text}` }, signal);
  return { ...token, told, who };
}

async function stored(client: KubeClient): Promise<string> {
  const secret = await client.get(secrets, ref, signal);
  return secret ? (decodeData(secret, key) ?? "") : "";
}

async function write(client: KubeClient, text: string): Promise<void> {
  const secret = await client.get(secrets, ref, signal);
  assert.ok(secret);
  await client.update(secrets, { ...secret, data: encodeData({ [key]: text }) }, signal);
}

describe("the administrator's token", () => {
  test("is made once, also when two agents start at the same time", async (t) => {
    const { client } = createSecretStore();
    const both = await Promise.all([start(t, client), start(t, client)]);
    const text = await stored(client);
    for (const { who } of both) await until("it counts", () => who(text));
    const later = await start(t, client);
    assert.equal((await later.who(text))?.name, "admin-token");
    assert.deepEqual(
      [...both, later].flatMap(({ told }) => told),
      [],
    );
  });

  test("is never made anew because a read failed", async (t) => {
    const { client } = createSecretStore();
    let creates = 0;
    const broken: KubeClient = {
      ...client,
      list: () => Promise.reject(new KubeError({ status: 500, reason: "InternalError", message: "no" })),
      create: (...asked) => {
        creates += 1;
        return client.create(...asked);
      },
    };
    const stop = new AbortController();
    const audit = { record: () => assert.fail("nothing happened") };
    const deps = { client: broken, namespace, audit, clock: systemClock, log: silentLog };
    const started = watchAdminToken(deps, stop.signal);
    setTimeout(() => stop.abort(new Error("enough")), 20);
    await assert.rejects(started, /enough/);
    assert.equal(creates, 0);
    t.diagnostic("the agent waits for the API server");
  });

  test("that cannot be written keeps the agent from starting", async () => {
    const { client } = createSecretStore();
    const forbidden = new KubeError({ status: 403, reason: "Forbidden", message: "may not create" });
    const broken: KubeClient = { ...client, create: () => Promise.reject(forbidden) };
    const deps = { client: broken, namespace, audit: { record: () => undefined }, clock: systemClock, log: silentLog };
    await assert.rejects(watchAdminToken(deps, signal), /may not create/);
  });

  test("counts no more once another is in its Secret, which counts at once", async (t) => {
    const { client } = createSecretStore();
    const agent = await start(t, client);
    const before = await stored(client);
    const principal = await agent.who(before);
    assert.ok(principal);
    assert.equal(agent.way.present(principal.credential), principal);
    const other = mintToken().reveal();
    await write(client, ` ${other}\n`);
    await until("the other counts", () => agent.who(other));
    assert.equal(await agent.who(before), undefined);
    assert.equal(agent.way.present(principal.credential), undefined);
    assert.equal(agent.told.length, 1);
    assert.equal(agent.told[0]?.action, "token.change");
  });

  test("ends with its Secret, and a new one is made in its place", async (t) => {
    const { client } = createSecretStore();
    const agent = await start(t, client);
    const before = await stored(client);
    await client.delete(secrets, ref, {}, signal);
    await until("it counts no more", async () => !(await agent.who(before)));
    const other = await until("another is there", async () => (await stored(client)) || undefined);
    assert.notEqual(other, before);
    await until("it counts", () => agent.who(other));
    assert.equal(await agent.who(before), undefined);
  });

  test("ends with its Secret also where no new one can be made", async (t) => {
    const { client } = createSecretStore();
    let isBroken = false;
    const forbidden = new KubeError({ status: 403, reason: "Forbidden", message: "the namespace is being deleted" });
    const agent = await start(t, {
      ...client,
      create: (...asked) => (isBroken ? Promise.reject(forbidden) : client.create(...asked)),
    });
    const before = await stored(client);
    isBroken = true;
    await client.delete(secrets, ref, {}, signal);
    await until("it counts no more", async () => !(await agent.who(before)));
    assert.deepEqual(
      agent.told.map(({ message }) => message),
      ["Its Secret was deleted."],
    );
  });

  test("that an operator has emptied lets nobody in, and the agent starts all the same", async (t) => {
    const { client } = createSecretStore();
    const agent = await start(t, client);
    const before = await stored(client);
    for (const text of [" \n", "", "short"]) {
      await write(client, text);
      await until("it counts no more", async () => !(await agent.who(before)));
      const later = await start(t, client);
      for (const presented of [text, text.trim(), before]) assert.equal(await later.who(presented), undefined);
      await write(client, before);
      await until("it counts again", () => agent.who(before));
    }
  });

  test("is in no log and no audit", async (t) => {
    const { client } = createSecretStore();
    const lines: string[] = [];
    const line = (fields: object, msg: string): void => void lines.push(inspect(fields) + msg);
    const log: Log = { debug: line, info: line, warn: line, error: line, child: () => log };
    const agent = await start(t, client, log);
    const before = await stored(client);
    const other = mintToken().reveal();
    await write(client, other);
    await until("it counts", () => agent.who(other));
    const said = lines.join() + inspect(agent.told);
    assert.ok(lines.length > 1);
    assert.ok(!said.includes(before) && !said.includes(other));
  });
});

test("only a bearer token counts as one", () => {
  const token = mintToken().reveal();
  assert.equal(bearerToken(`Bearer ${token}`), token);
  assert.equal(bearerToken(`bearer   ${token} `), token);
  for (const other of [undefined, "", "Bearer", "Bearer ", `Basic ${token}`, `Bearer ${token} x`, `Bearer a,b`]) {
    assert.equal(bearerToken(other), undefined);
  }
  assert.notEqual(mintToken().reveal(), token);
});
