/** Users, tokens and browser sessions as they are watched, over what is kept of them. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { isMessage } from "@bufbuild/protobuf";
import { silentLog } from "../../../src/base/log.ts";
import { parseSessionRecord } from "../../../src/console/auth/session-record.ts";
import { createSessions } from "../../../src/console/auth/sessions.ts";
import type { Told } from "../../../src/console/watch/logged.ts";
import { peopleSources } from "../../../src/console/watch/people-sources.ts";
import { TokenSchema } from "../../../src/gen/fairlead/console/v1/access_service_pb.ts";
import { Topic } from "../../../src/gen/fairlead/console/v1/watch_service_pb.ts";
import { until } from "../../patience.ts";
import { startAuth, viewer } from "../auth/auth-world.ts";
import { person } from "../people.ts";

const signal = AbortSignal.timeout(60_000);

async function startPeople(t: TestContext) {
  const auth = await startAuth(t, { signal });
  const { kept, users, tokens, clock } = auth;
  const sessions = createSessions({
    kept: kept.of("session", parseSessionRecord),
    principalOf: (owner, credential) => (users.get(owner.name) ? { ...person(owner.name), credential } : undefined),
    clock,
    log: silentLog,
  });
  t.after(() => sessions.close());
  const sources = peopleSources({ users, tokens, sessions, kept, clock, log: silentLog });
  /** What is told of a topic, each time anew, by name. */
  async function watch(topic: Topic) {
    const now = new Map<string, Told>();
    const told: string[] = [];
    const source = sources.find((one) => one.topic === topic);
    assert.ok(source);
    const end = source.feed({
      put({ name }, thing) {
        told.push(thing ? name : `${name} gone`);
        if (thing) now.set(name, thing);
        else now.delete(name);
      },
      forget: () => assert.fail("nothing of it grows old"),
      isWatched: true,
    });
    t.after(end);
    await source.synced(signal);
    return { now, told };
  }
  /** Lets the looks happen that news ask for. */
  const hear = (what: string, is: () => boolean): Promise<unknown> =>
    until(what, async () => {
      await clock.advance(25);
      return is() || undefined;
    });
  return { ...auth, sessions, watch, hear };
}

const owner = (name: string) => ({ kind: "user", name, stamp: "s" }) as const;
const from = { address: "192.0.2.1", userAgent: "a browser" };

test("a user is told as they come, change and go, and not with their password", async (t) => {
  const { users, makeUser, watch, hear } = await startPeople(t);
  const { now, told } = await watch(Topic.USERS);
  const password = await makeUser("ann");
  await hear("ann", () => told.length === 1);
  const said = JSON.stringify(now.get("ann")?.now());
  assert.match(said, /"ann"/);
  assert.doesNotMatch(said, new RegExp(password));
  await users.update("ann", { disabled: true }, signal);
  await hear("that she is kept out", () => told.length === 2);
  await users.delete("ann", signal);
  await hear("that she is gone", () => told.length === 3);
  assert.deepEqual(told, ["ann", "ann", "ann gone"]);
});

test("a token is its owner's, of whom no other of that name is heir, and stops to be active on time", async (t) => {
  const { users, tokens, makeUser, clock, watch, hear } = await startPeople(t);
  await makeUser("ann");
  // Who comes with a password that another gave them has no token that counts.
  const ann = users.get("ann");
  assert.ok(ann);
  const asked = { name: "ci", description: "", roles: viewer, createdBy: "ann", expiresAt: clock.now() + 60_000 };
  const own = await tokens.create({ ...asked, owner: { name: "ann", createdAt: ann.createdAt } }, signal);
  const alone = await tokens.create({ ...asked, owner: undefined }, signal);
  assert.ok(typeof own === "object" && typeof alone === "object");
  const { now, told } = await watch(Topic.TOKENS);
  assert.deepEqual([now.get(own.token.id)?.owner, now.get(alone.token.id)?.owner], ["user ann", undefined]);
  const isActive = (id: string): boolean | undefined => {
    const value = now.get(id)?.now().value;
    return isMessage(value, TokenSchema) ? value.active : undefined;
  };
  assert.equal(isActive(alone.token.id), true);
  await clock.advance(60_001);
  await hear("that its time is over", () => isActive(alone.token.id) === false);
  await users.delete("ann", signal);
  await clock.advance(5_000);
  await makeUser("ann");
  await hear("that it is nobody's", () => now.get(own.token.id)?.owner === undefined);
  await tokens.revoke(own.token.id, signal);
  await hear("that it is gone", () => told.at(-1) === `${own.token.id} gone`);
  assert.doesNotMatch(JSON.stringify([...now.values()].map((one) => one.now())), new RegExp(alone.secret.reveal()));
});

test("a session is told with whose it is, when it is used now and then, and that nobody used it for too long", async (t) => {
  const { sessions, makeUser, clock, watch, hear } = await startPeople(t);
  await makeUser("ann");
  const { now, told } = await watch(Topic.BROWSER_SESSIONS);
  const { id, cookie } = await sessions.begin(owner("ann"), from, signal);
  await hear("that it began", () => told.length === 1);
  assert.equal(now.get(id)?.owner, "user ann");
  assert.doesNotMatch(JSON.stringify(now.get(id)?.now()), new RegExp(cookie.split(".")[1] ?? "-"));
  for (let seconds = 0; seconds < 60; seconds += 10) {
    await clock.advance(10_000);
    assert.ok(sessions.authenticate(cookie));
  }
  assert.equal(told.length, 1, "that it is used is no news each time");
  await clock.advance(5 * 60_000);
  assert.ok(sessions.authenticate(cookie));
  await hear("that it was used", () => told.length === 2);
  await clock.advance(13 * 60 * 60_000);
  await hear("that it has ended", () => told.at(-1) === `${id} gone`);
});
