import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLog } from "../../../src/base/log.ts";
import type { Principal } from "../../../src/console/auth/principal.ts";
import { parseSessionRecord, type SessionOwner } from "../../../src/console/auth/session-record.ts";
import { createSessions, type SessionView } from "../../../src/console/auth/sessions.ts";
import { createFakeClock } from "../../base/fake-clock.ts";
import { patience } from "../../patience.ts";
import { createMemoryKept } from "./memory-kept.ts";

const ana: SessionOwner = { kind: "user", name: "ana", stamp: "first" };
const browser = { address: "192.0.2.7", userAgent: "Mozilla/5.0" };
const oidc = (name: string): SessionOwner => ({ kind: "oidc", name, issuer: "https://id.example", groups: [] });
const minute = 60_000;
const hour = 60 * minute;

function world() {
  const clock = createFakeClock();
  const kept = createMemoryKept(parseSessionRecord);
  const stamps = new Map([["ana", "first"]]);
  const replays: SessionView[] = [];
  const open = () =>
    createSessions({
      kept,
      principalOf(owner, credential): Principal | undefined {
        if (owner.kind === "user" && stamps.get(owner.name) !== owner.stamp) return undefined;
        return { name: owner.name, kind: owner.kind, roles: [], credential };
      },
      onReplay: (session) => void replays.push(session),
      clock,
      log: silentLog,
    });
  const sessions = open();
  const begin = (owner: SessionOwner = ana) => sessions.begin(owner, browser, patience());
  const rotate = (cookie: string) => sessions.rotate(cookie, patience());
  return { clock, kept, stamps, replays, open, sessions, begin, rotate };
}

test("who has signed in is known by the cookie, and by nothing that is kept or listed", async () => {
  const { sessions, begin, kept } = world();
  const { id, cookie, maxAgeMs } = await begin();
  assert.equal(maxAgeMs, 7 * 24 * hour);
  const principal = sessions.authenticate(cookie);
  assert.deepEqual(principal, { name: "ana", kind: "user", roles: [], credential: `session:${id}` });
  assert.deepEqual(sessions.present(`session:${id}`), principal);
  const [, secret = ""] = cookie.split(".");
  assert.ok(secret.length === 43);
  for (const shown of [kept.list(), sessions.list(), principal]) assert.ok(!JSON.stringify(shown).includes(secret));
  const record = kept.get(id);
  for (const wrong of [
    `${id}.${record?.secret}`,
    `${id}.${"A".repeat(43)}`,
    id,
    secret,
    "",
    `${cookie}A`,
    ` ${cookie}`,
  ]) {
    assert.equal(sessions.authenticate(wrong), undefined, wrong);
  }
  assert.equal(sessions.present(`token:${id}`), undefined);
  assert.ok(sessions.authenticate(cookie), "guesses end no session");
});

test("a session ends when nobody has used it for 12 hours, and after 7 days in any case", async () => {
  const { clock, sessions, begin } = world();
  const idle = await begin();
  const used = await begin();
  for (let hours = 0; hours < 7 * 24; hours += 6) {
    assert.ok(sessions.authenticate(used.cookie), `after ${hours} hours`);
    assert.equal(sessions.authenticate(hours < 12 ? "" : idle.cookie), undefined);
    assert.equal(sessions.present(`session:${idle.id}`) !== undefined, hours < 12);
    await clock.advance(6 * hour);
  }
  assert.equal(sessions.authenticate(used.cookie), undefined);
  assert.deepEqual(sessions.list(), []);
});

test("one who is known by a provider signs in there anew after 12 hours", async () => {
  const { clock, sessions, begin } = world();
  const { cookie, maxAgeMs } = await begin(oidc("zoë"));
  assert.equal(maxAgeMs, 12 * hour);
  for (let hours = 0; hours < 12; hours += 1) {
    assert.ok(sessions.authenticate(cookie));
    await clock.advance(hour);
  }
  assert.equal(sessions.authenticate(cookie), undefined);
});

test("when one was last seen is written each five minutes at most, and known to whoever lists", async () => {
  const { clock, kept, sessions, begin } = world();
  const { cookie } = await begin();
  kept.writes.length = 0;
  for (let seconds = 0; seconds < 14 * 60; seconds += 10) {
    await clock.advance(10_000);
    sessions.authenticate(cookie);
    assert.equal(sessions.list()[0]?.lastSeenAt, clock.now());
  }
  assert.deepEqual(kept.writes, ["change", "change"]);
});

test("the cookie says something new each quarter of an hour, and the old counts for 30 s from when the new was seen", async () => {
  const { clock, sessions, begin, rotate } = world();
  const { cookie, maxAgeMs } = await begin();
  await clock.advance(15 * minute - 1);
  assert.equal(await rotate(cookie), undefined);
  await clock.advance(1);
  const next = await rotate(cookie);
  assert.ok(next && next.cookie !== cookie);
  assert.equal(next.maxAgeMs, maxAgeMs - 15 * minute);
  assert.equal(await rotate(cookie), undefined, "one of many requests at once gets it");
  await clock.advance(45_000);
  assert.ok(sessions.authenticate(cookie), "the answer with the new may be under way still");
  assert.ok(sessions.authenticate(next.cookie));
  await clock.advance(29_999);
  assert.ok(sessions.authenticate(cookie));
  assert.ok(sessions.authenticate(next.cookie));
  assert.equal(await rotate(next.cookie), undefined);
  await clock.advance(14 * minute);
  assert.ok(await rotate(next.cookie));
});

test("an answer with a new cookie that gets lost costs nobody their session", async () => {
  const { clock, sessions, begin, rotate } = world();
  const { cookie } = await begin();
  await clock.advance(15 * minute);
  const lost = await rotate(cookie);
  await clock.advance(minute);
  const next = await rotate(cookie);
  assert.ok(lost && next && lost.cookie !== next.cookie);
  assert.equal(sessions.authenticate(lost.cookie), undefined);
  await clock.advance(20 * minute);
  assert.ok(sessions.authenticate(cookie));
  assert.ok(sessions.authenticate(next.cookie));
});

test("who brings what a cookie said before ends the session, for both", async () => {
  const { clock, sessions, begin, rotate, replays, kept } = world();
  const stolen = await begin();
  const other = await begin();
  let { cookie } = stolen;
  for (let n = 0; n < 3; n += 1) {
    await clock.advance(15 * minute);
    const next = await rotate(cookie);
    cookie = next?.cookie ?? "";
    assert.ok(sessions.authenticate(cookie));
    await clock.advance(30_000);
  }
  assert.equal(replays.length, 0);
  assert.equal(sessions.authenticate(stolen.cookie), undefined);
  assert.equal(sessions.authenticate(cookie), undefined);
  assert.equal(sessions.present(`session:${stolen.id}`), undefined);
  assert.deepEqual(
    replays.map(({ id, user }) => [id, user]),
    [[stolen.id, "ana"]],
  );
  await sessions.close();
  assert.equal(kept.get(stolen.id), undefined);
  assert.ok(sessions.authenticate(other.cookie));
});

test("a replayed session has ended here, also while that cannot be written", async () => {
  const { clock, sessions, begin, rotate, kept } = world();
  const stolen = await begin();
  await clock.advance(15 * minute);
  const { cookie = "" } = (await rotate(stolen.cookie)) ?? {};
  sessions.authenticate(cookie);
  await clock.advance(30_000);
  kept.failure = new Error("The API server is away.");
  assert.equal(sessions.authenticate(stolen.cookie), undefined);
  assert.equal(sessions.authenticate(cookie), undefined);
  await clock.advance(0);
  assert.deepEqual(sessions.list(), []);
  kept.failure = undefined;
  await begin(oidc("zoë"));
  await clock.advance(0);
  assert.equal(kept.get(stolen.id), undefined);
});

test("a session ends with what the person signed in by", async () => {
  const { sessions, begin, stamps } = world();
  const { id, cookie } = await begin();
  stamps.set("ana", "second");
  assert.equal(sessions.authenticate(cookie), undefined);
  assert.equal(sessions.present(`session:${id}`), undefined);
  assert.deepEqual(sessions.list(), []);
});

test("one that is revoked has ended at once", async () => {
  const { sessions, begin } = world();
  const { id, cookie } = await begin();
  assert.equal(await sessions.revoke(id, patience()), true);
  assert.equal(sessions.authenticate(cookie), undefined);
  assert.equal(await sessions.revoke(id, patience()), false);
});

test("a person has 32 sessions, all have 2,000, and beyond the oldest go", async () => {
  const { clock, kept, sessions, begin } = world();
  const first = await begin();
  await clock.advance(1);
  for (let n = 1; n < 32; n += 1) await begin();
  assert.ok(sessions.authenticate(first.cookie));
  await clock.advance(1);
  const last = await begin();
  await clock.advance(0);
  assert.equal(sessions.authenticate(first.cookie), undefined);
  assert.equal(sessions.list().length, 32);
  const record = kept.get(last.id);
  assert.ok(record);
  for (let n = 0; n < 1_968; n += 1) await kept.create(`${n}`, { ...record, owner: oidc(`person ${n}`) }, patience());
  assert.equal(sessions.list().length, 2_000);
  await clock.advance(1);
  const one = await begin(oidc("one more"));
  await clock.advance(0);
  assert.equal(sessions.list().length, 2_000);
  assert.ok(sessions.authenticate(one.cookie));
});

test("what a browser says of itself is cut short and cleaned", async () => {
  const { sessions, begin } = world();
  await begin();
  await sessions.begin(ana, { address: "::1", userAgent: `a\u001b[31m\n${"b".repeat(500)}` }, patience());
  const shown = sessions.list().map(({ userAgent }) => userAgent);
  assert.ok(shown.every((text) => text.length <= 200 && !/\p{Cc}/u.test(text)));
});

test("sessions outlive a restart", async () => {
  const { begin, open } = world();
  const { cookie } = await begin();
  assert.equal(open().authenticate(cookie)?.name, "ana");
});
