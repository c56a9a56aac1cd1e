import assert from "node:assert/strict";
import { createSecretKey } from "node:crypto";
import { type TestContext, test } from "node:test";
import { inspect } from "node:util";
import type { AuditEntry } from "../../../src/audit/entry.ts";
import { systemClock } from "../../../src/base/clock.ts";
import type { Log } from "../../../src/base/log.ts";
import { SecretText } from "../../../src/base/secret-text.ts";
import { firstAdminSecret } from "../../../src/console/auth/first-admin.ts";
import { openPeople } from "../../../src/console/people.ts";
import type { KubeClient } from "../../../src/kube/client.ts";
import { KubeError } from "../../../src/kube/errors.ts";
import { secrets } from "../../../src/kube/resources.ts";
import { decodeData, encodeData } from "../../../src/kube/secret-data.ts";
import { patience, until } from "../../patience.ts";
import { admin, namespace, viewer } from "./auth-world.ts";
import { createSecretStore } from "./secret-store.ts";

const signal = patience();
const doorKey = createSecretKey(Buffer.alloc(32, 7));
const ref = { namespace, name: firstAdminSecret };

async function start(t: TestContext, client: KubeClient) {
  const lines: string[] = [];
  const line = (fields: object, msg: string): void => void lines.push(inspect(fields, { depth: 9 }) + msg);
  const log: Log = { debug: line, info: line, warn: line, error: line, child: () => log };
  const audit: AuditEntry[] = [];
  const record = (entry: AuditEntry): unknown => audit.push(entry);
  const people = await openPeople({ client, namespace, audit: { record }, doorKey, clock: systemClock, log }, signal);
  let isOpen = true;
  const close = async (): Promise<void> => {
    if (isOpen) await people.close();
    isOpen = false;
  };
  t.after(close);
  return { ...people, close, lines, audit };
}

async function readPassword(client: KubeClient): Promise<SecretText | undefined> {
  const secret = await client.get(secrets, ref, signal);
  const text = secret && decodeData(secret, "password");
  return text === undefined ? undefined : new SecretText(text);
}

const address = "::1";

test("the first administrator is made once, of two agents that start at the same time too, and signs in by what the Secret says", async (t) => {
  const { client } = createSecretStore();
  const both = await Promise.all([start(t, client), start(t, client)]);
  const password = await readPassword(client);
  assert.ok(password);
  for (const { users } of both) {
    await until("they are known", () => users.get("admin"));
    const verdict = await users.verify({ name: "admin", password, address }, signal);
    assert.ok(verdict.ok);
    assert.equal(verdict.user.mustChangePassword, true);
    assert.deepEqual(verdict.user.roles, admin);
  }
  const said = both.map(({ lines, audit }) => lines.join() + inspect(audit)).join();
  assert.ok(!said.includes(password.reveal()));
  assert.equal(both.flatMap(({ audit }) => audit.filter(({ action }) => action === "user.create")).length, 1);
});

test("once they have another password the Secret holds none, and nobody is made again, whether it stays or is deleted", async (t) => {
  const { client } = createSecretStore();
  const first = await start(t, client);
  const current = await readPassword(client);
  assert.ok(current);
  const next = new SecretText("something of my own");
  const change = { name: "admin", address, current, next };
  assert.ok((await first.users.changePassword(change, signal)).ok);
  assert.equal(await readPassword(client), undefined);
  await first.close();
  const second = await start(t, client);
  assert.ok((await second.users.verify({ name: "admin", password: next, address }, signal)).ok);
  await second.users.create({ name: "ben", roles: admin, by: "admin" }, signal);
  await client.delete(secrets, ref, {}, signal);
  await second.close();
  const third = await start(t, client);
  assert.equal(await client.get(secrets, ref, signal), undefined);
  await third.users.delete("admin", signal);
  await third.close();
  const fourth = await start(t, client);
  assert.deepEqual(
    fourth.users.list().map(({ name }) => name),
    ["ben"],
  );
});

test("where all users were deleted, the Secret that says that its password is used up keeps another from being made", async (t) => {
  const { client } = createSecretStore();
  const first = await start(t, client);
  const current = await readPassword(client);
  assert.ok(current);
  await first.users.changePassword(
    { name: "admin", address, current, next: new SecretText("of my own making") },
    signal,
  );
  await first.users.delete("admin", signal);
  await first.close();
  const second = await start(t, client);
  assert.deepEqual(second.users.list(), []);
  await client.delete(secrets, ref, {}, signal);
  await second.close();
  assert.equal((await start(t, client)).users.list().length, 1, "and without it one is");
});

test("an agent that ended between the Secret and the user goes on with what the Secret says, and an operator may choose it", async (t) => {
  const { client } = createSecretStore();
  const metadata = { namespace, name: firstAdminSecret };
  const data = encodeData({ name: "admin", password: "chosen by the operator\n" });
  await client.create(secrets, { metadata, type: "Opaque", data }, signal);
  const { users } = await start(t, client);
  const password = new SecretText("chosen by the operator");
  assert.ok((await users.verify({ name: "admin", password, address }, signal)).ok);
});

test("a password in the Secret that is none keeps the agent from starting, and it says what to do", async () => {
  const { client } = createSecretStore();
  const metadata = { namespace, name: firstAdminSecret };
  await client.create(secrets, { metadata, data: encodeData({ password: "admin" }) }, signal);
  const deps = { client, namespace, audit: { record: () => undefined }, doorKey, clock: systemClock };
  const line = (): void => undefined;
  const log: Log = { debug: line, info: line, warn: line, error: line, child: () => log };
  await assert.rejects(openPeople({ ...deps, log }, signal), /fairlead-first-admin holds no usable password/);
});

test("nobody is made because a read failed", async () => {
  const { client } = createSecretStore();
  const broken = new KubeError({ status: 500, reason: "InternalError", message: "no" });
  const made: string[] = [];
  const failing: KubeClient = {
    ...client,
    get: () => Promise.reject(broken),
    create: (kind, object, during) => {
      made.push(object.metadata.name ?? "");
      return client.create(kind, object, during);
    },
  };
  const line = (): void => undefined;
  const log: Log = { debug: line, info: line, warn: line, error: line, child: () => log };
  const deps = { client: failing, namespace, audit: { record: () => undefined }, doorKey, clock: systemClock, log };
  await assert.rejects(openPeople(deps, signal), broken);
  assert.deepEqual(made, ["fairlead-admin-token"]);
});

test("who may help is told by name: users that are administrators for all peers, a few of them, and who may read the Secret", async (t) => {
  const { client } = createSecretStore();
  const { users, admins } = await start(t, client);
  await users.create({ name: "ann", roles: admin, by: "admin" }, signal);
  await users.create({ name: "ben", roles: viewer, by: "admin" }, signal);
  await users.create({ name: "cid", roles: admin, by: "admin" }, signal);
  await users.update("cid", { disabled: true }, signal);
  assert.deepEqual(admins(), ["admin", "ann", "whoever holds the token in the Secret fairlead-admin-token"]);
});
