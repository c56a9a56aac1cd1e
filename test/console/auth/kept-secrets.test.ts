import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { type Clock, systemClock } from "../../../src/base/clock.ts";
import { silentLog } from "../../../src/base/log.ts";
import { type Kept, openKeptSecrets } from "../../../src/console/auth/kept-secrets.ts";
import type { KubeClient } from "../../../src/kube/client.ts";
import { KubeError } from "../../../src/kube/errors.ts";
import { type Secret, secrets } from "../../../src/kube/resources.ts";
import { createFakeClock } from "../../base/fake-clock.ts";
import { patience, until } from "../../patience.ts";
import { createSecretStore } from "./secret-store.ts";

const namespace = "fairlead-system";
const signal = patience();

interface Note {
  readonly count: number;
}

function parseNote(json: unknown): Note | undefined {
  const isNote = typeof json === "object" && json !== null && "count" in json && typeof json.count === "number";
  return isNote ? { count: Number(json.count) } : undefined;
}

async function open(t: TestContext, client: KubeClient, clock: Clock = systemClock) {
  const kept = openKeptSecrets({ client, namespace, clock, log: silentLog });
  t.after(() => kept.close());
  await kept.synced(signal);
  return { kept, users: kept.of("user", parseNote), sessions: kept.of("session", parseNote) };
}

async function stored(client: KubeClient): Promise<Secret[]> {
  return (await client.list(secrets, { namespace }, signal)).items;
}

const more = ({ count }: Note): Note => ({ count: count + 1 });

test("a record is seen by who wrote it at once, by others soon, and by whoever comes later", async (t) => {
  const { client } = createSecretStore();
  const [here, there] = [await open(t, client), await open(t, client)];
  assert.equal(here.users.get("ann"), undefined);
  assert.equal(await here.users.create("ann", { count: 1 }, signal), true);
  assert.deepEqual(here.users.get("ann"), { count: 1 });
  await until("the other sees it", () => there.users.get("ann")?.count === 1);
  assert.deepEqual(await here.users.change("ann", more, signal), { count: 2 });
  assert.deepEqual(here.users.get("ann"), { count: 2 });
  assert.deepEqual(here.users.list(), [{ id: "ann", record: { count: 2 } }]);
  const later = await open(t, client);
  assert.deepEqual(later.users.get("ann"), { count: 2 });
  assert.equal(await later.users.delete("ann", signal), true);
  assert.equal(await later.users.delete("ann", signal), false);
  await until("both see it go", () => !here.users.get("ann") && !there.users.get("ann"));
});

test("news that lags behind brings neither an older record back nor a deleted one", async (t) => {
  const store = createSecretStore();
  const { users } = await open(t, store.client);
  await users.create("ann", { count: 1 }, signal);
  await users.create("ben", { count: 1 }, signal);
  const release = store.holdNews();
  await users.create("new", { count: 1 }, signal);
  await users.delete("new", signal);
  await users.change("ann", more, signal);
  await users.delete("ben", signal);
  const seen: unknown[] = [];
  const look = (): void => void seen.push([users.get("ann")?.count, users.get("ben"), users.get("new")]);
  look();
  release();
  await users.create("last", { count: 1 }, signal);
  for (let turns = 0; turns < 50; turns += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    look();
  }
  assert.deepEqual([...new Set(seen.map((one) => JSON.stringify(one)))], ["[2,null,null]"]);
  assert.deepEqual(
    users
      .list()
      .map(({ id }) => id)
      .sort(),
    ["ann", "last"],
  );
});

test("a change is decided anew when somebody else was faster, and nothing of either is lost", async (t) => {
  const store = createSecretStore();
  const [here, there] = [await open(t, store.client), await open(t, store.client)];
  await here.users.create("ann", { count: 0 }, signal);
  await until("both know", () => there.users.get("ann"));
  store.holdNews();
  const asked: number[] = [];
  await here.users.change("ann", more, signal);
  const decide = (note: Note): Note => {
    asked.push(note.count);
    return more(note);
  };
  const changed = await there.users.change("ann", decide, signal);
  assert.deepEqual([asked, changed], [[0, 1], { count: 2 }]);
  await here.users.delete("ann", signal);
  assert.equal(await there.users.change("ann", more, signal), undefined, "nor is one that was deleted made again");
  assert.equal(there.users.get("ann"), undefined);
});

test("a decision that gives nothing, or throws, leaves the record as it is", async (t) => {
  const { client } = createSecretStore();
  const { users } = await open(t, client);
  await users.create("ann", { count: 1 }, signal);
  const before = await stored(client);
  assert.deepEqual(await users.change("ann", () => undefined, signal), { count: 1 });
  await assert.rejects(
    users.change("ann", () => assert.fail("no"), signal),
    /no/,
  );
  assert.deepEqual(await stored(client), before);
});

test("of two who make the same record one is told that there is one, and sees it", async (t) => {
  const store = createSecretStore();
  const [here, there] = [await open(t, store.client), await open(t, store.client)];
  store.holdNews();
  assert.equal(await here.users.create("ann", { count: 1 }, signal), true);
  assert.equal(await there.users.create("ann", { count: 2 }, signal), false);
  assert.deepEqual(there.users.get("ann"), { count: 1 });
});

test("somebody who is always faster makes a change fail in the end", async (t) => {
  const { client } = createSecretStore();
  const conflict = new KubeError({ status: 409, reason: "Conflict", message: "another" });
  const { users } = await open(t, { ...client, update: () => Promise.reject(conflict) });
  await users.create("ann", { count: 1 }, signal);
  await assert.rejects(users.change("ann", more, signal), /Try again/);
});

test("an API server that fails is told, and what is known stays", async (t) => {
  const { client } = createSecretStore();
  const broken = new KubeError({ status: 500, reason: "InternalError", message: "etcd is full" });
  const { users } = await open(t, {
    ...client,
    update: () => Promise.reject(broken),
    delete: () => Promise.reject(broken),
  });
  await users.create("ann", { count: 1 }, signal);
  await assert.rejects(users.change("ann", more, signal), /etcd is full/);
  await assert.rejects(users.delete("ann", signal), /etcd is full/);
  assert.deepEqual(users.get("ann"), { count: 1 });
});

test("no name of a Secret shows what it is about, whatever that is, and each says what kind it is", async (t) => {
  const { client } = createSecretStore();
  const { users, sessions } = await open(t, client);
  const ids = ["ann", "../../secrets/x", "ANN", "ann@example.com", "", "ä\u0000", "a".repeat(5_000)];
  for (const id of ids) assert.equal(await users.create(id, { count: 1 }, signal), true);
  await sessions.create("ann", { count: 7 }, signal);
  const all = await stored(client);
  for (const { metadata, type } of all) {
    assert.match(metadata.name ?? "", /^fairlead-(user|session)-[0-9a-f]{16}$/);
    assert.equal(type, `fairlead.dev/${metadata.labels?.["fairlead.dev/kind"]}`);
  }
  assert.equal(all.length, ids.length + 1);
  for (const id of ids) assert.deepEqual(users.get(id), { count: 1 });
  assert.deepEqual(sessions.list(), [{ id: "ann", record: { count: 7 } }]);
});

test("what is no record of that kind and name does not count, and is left alone", async (t) => {
  const { client } = createSecretStore();
  const { users } = await open(t, client);
  await users.create("ann", { count: 1 }, signal);
  const [ann] = await stored(client);
  assert.ok(ann);
  const copy = (name: string, more: Partial<Secret> = {}, labels = ann.metadata.labels ?? {}) =>
    client.create(secrets, { ...ann, metadata: { namespace, name, labels }, ...more }, signal);
  await copy("fairlead-user-0123456789abcdef");
  await client.delete(secrets, { namespace, name: ann.metadata.name ?? "" }, {}, signal);
  const name = ann.metadata.name ?? "";
  for (const wrong of [
    () => copy(name, { type: "Opaque" }),
    () => copy(name, {}, { "fairlead.dev/kind": "token" }),
    () => copy(name, { data: { "record.json": Buffer.from("{").toString("base64") } }),
    () => copy(name, { data: { "record.json": Buffer.from('{"id":"ann","record":{}}').toString("base64") } }),
    () => copy(name, { data: {} }),
  ]) {
    await wrong();
    await users.create("seen", { count: 1 }, signal);
    await until("the news came", () => users.get("seen"));
    assert.equal(users.get("ann"), undefined);
    assert.equal(await users.change("ann", more, signal), undefined);
    assert.equal(await users.create("ann", { count: 9 }, signal), false);
    assert.deepEqual(
      users.list().map(({ id }) => id),
      ["seen"],
    );
    await client.delete(secrets, { namespace, name }, {}, signal);
    await users.delete("seen", signal);
  }
});

test("a record that was made here and never heard of is believed for a minute, while the API server tells of all else", async (t) => {
  const { client } = createSecretStore();
  const clock = createFakeClock();
  const deaf: KubeClient = {
    ...client,
    async *watch(_kind, { onOpen }, ended) {
      onOpen?.();
      await new Promise((_, reject) => ended.addEventListener("abort", () => reject(ended.reason), { once: true }));
    },
  };
  const { users }: { users: Kept<Note> } = await open(t, deaf, clock);
  await users.create("ann", { count: 1 }, signal);
  await clock.advance(59_000);
  assert.deepEqual(users.get("ann"), { count: 1 });
  await clock.advance(2_000);
  assert.equal(users.get("ann"), undefined);
  assert.deepEqual(users.list(), []);
});
