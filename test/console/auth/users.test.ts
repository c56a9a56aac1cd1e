import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { SecretText } from "../../../src/base/secret-text.ts";
import { createPasswords } from "../../../src/console/auth/passwords.ts";
import { userPrincipal } from "../../../src/console/auth/user-record.ts";
import { createUsers } from "../../../src/console/auth/users.ts";
import { secrets } from "../../../src/kube/resources.ts";
import { decodeData } from "../../../src/kube/secret-data.ts";
import { patience } from "../../patience.ts";
import { admin, markKey, namespace, plainPasswords, startAuth, viewer } from "./auth-world.ts";

const signal = patience();
const address = "192.0.2.1";
const next = "a much better one";

test("whoever has the password signs in, by their name however they write it, and nobody else does", async (t) => {
  const { signIn, makeUser, users } = await startAuth(t, { signal });
  const password = await makeUser("ann@example.com");
  for (const name of ["ann@example.com", " Ann@Example.COM "]) {
    const verdict = await signIn(name, password);
    assert.ok(verdict.ok);
    assert.equal(verdict.user.name, "ann@example.com");
    assert.equal(verdict.user.mustChangePassword, true);
  }
  for (const [name, word] of [
    ["ann@example.com", `${password}x`],
    ["ann@example.com", ""],
    ["ben", password],
    ["", password],
    ["ann@example.com\u0000", password],
    ["x".repeat(500), password],
  ] as const) {
    assert.deepEqual(await signIn(name, word), { ok: false, why: "wrong" });
  }
  assert.deepEqual(
    users.list().map(({ name }) => name),
    ["ann@example.com"],
  );
});

test("for a name that nobody has as much is computed as for another", async (t) => {
  const kept: (string | undefined)[] = [];
  const passwords = {
    ...plainPasswords,
    isKept: async (_: SecretText, what: string | undefined) => {
      kept.push(what);
      return false;
    },
  };
  const { signIn, makeUser } = await startAuth(t, { signal, passwords });
  const password = await makeUser("ann");
  for (const name of ["ann", "nobody", ""]) await signIn(name, "wrong");
  assert.deepEqual(kept, [`plain:${password}`, undefined, undefined]);
});

test("a user who is disabled is told no more than a stranger, and everything they signed in before has another stamp", async (t) => {
  const { signIn, makeUser, users } = await startAuth(t, { signal });
  const password = await makeUser("ann");
  const before = users.get("ann")?.stamp;
  await users.update("ann", { disabled: true }, signal);
  assert.deepEqual(await signIn("ann", password), { ok: false, why: "wrong" });
  await users.update("ann", { disabled: false }, signal);
  assert.ok((await signIn("ann", password)).ok);
  assert.notEqual(users.get("ann")?.stamp, before);
});

test("one who is disabled, or deleted and made anew, while a password is compared is not let in", async (t) => {
  let meanwhile = async (): Promise<unknown> => undefined;
  const passwords = {
    ...plainPasswords,
    async isKept(password: SecretText, kept: string | undefined) {
      await meanwhile();
      return kept === `plain:${password.reveal()}`;
    },
  };
  const { signIn, makeUser, users } = await startAuth(t, { signal, passwords });
  const password = await makeUser("ann");
  meanwhile = () => users.update("ann", { disabled: true }, signal);
  assert.deepEqual(await signIn("ann", password), { ok: false, why: "wrong" });
  await users.update("ann", { disabled: false }, signal);
  meanwhile = async () => {
    await users.delete("ann", signal);
    await users.create({ name: "ann", roles: admin, by: "root" }, signal);
  };
  assert.deepEqual(await signIn("ann", password), { ok: false, why: "wrong" });
});

test("a change of roles counts for who is signed in; the stamp stays", async (t) => {
  const { makeUser, users } = await startAuth(t, { signal });
  await makeUser("ann");
  const before = users.get("ann");
  const after = await users.update("ann", { roles: admin }, signal);
  assert.deepEqual(after?.roles, admin);
  assert.equal(after?.stamp, before?.stamp);
  assert.equal(await users.update("nobody", { roles: admin }, signal), undefined);
});

test("a password is changed by who has the old one, ends what was signed in, and need not be changed again", async (t) => {
  const { makeUser, users, signIn, changed } = await startAuth(t, { signal });
  const password = await makeUser("ann");
  const before = users.get("ann");
  const change = (current: string, wanted: string) =>
    users.changePassword(
      { name: "ann", address, current: new SecretText(current), next: new SecretText(wanted) },
      signal,
    );
  assert.deepEqual(await change("wrong", next), { ok: false, why: "wrong" });
  for (const unfit of ["short", password, "annannannann"]) {
    const verdict = await change(password, unfit);
    assert.ok(!verdict.ok && verdict.why === "unfit", unfit);
    assert.doesNotMatch(verdict.message, new RegExp(unfit));
  }
  assert.deepEqual([users.get("ann"), changed], [before, []]);
  const verdict = await change(password, next);
  assert.ok(verdict.ok);
  assert.equal(verdict.user.mustChangePassword, false);
  assert.notEqual(verdict.user.stamp, before?.stamp);
  assert.deepEqual([await signIn("ann", password), changed], [{ ok: false, why: "wrong" }, ["ann"]]);
  assert.ok((await signIn("ann", next)).ok);
});

test("of two who change a password at once from the same one, one wins and the other is told", async (t) => {
  const { makeUser, users, signIn } = await startAuth(t, { signal });
  const current = new SecretText(await makeUser("ann"));
  const words = ["the first new word", "the second new word"];
  const verdicts = await Promise.all(
    words.map((word) => users.changePassword({ name: "ann", address, current, next: new SecretText(word) }, signal)),
  );
  assert.deepEqual(verdicts.map(({ ok }) => ok).sort(), [false, true]);
  const winner = words[verdicts.findIndex(({ ok }) => ok)] ?? "";
  assert.ok((await signIn("ann", winner)).ok);
});

test("a password that an administrator resets is told once, has to be changed, and ends what was signed in", async (t) => {
  const { makeUser, users, signIn } = await startAuth(t, { signal });
  const password = await makeUser("ann");
  const before = users.get("ann")?.stamp;
  const other = await users.resetPassword("ann", signal);
  assert.ok(other && other !== "busy");
  assert.notEqual(users.get("ann")?.stamp, before);
  assert.equal(users.get("ann")?.mustChangePassword, true);
  assert.deepEqual(await signIn("ann", password), { ok: false, why: "wrong" });
  assert.ok((await signIn("ann", other.reveal())).ok);
  assert.equal(await users.resetPassword("nobody", signal), undefined);
});

test("mistakes make one wait, and a browser that has signed in before is not kept waiting by a stranger's", async (t) => {
  const { makeUser, signIn, clock } = await startAuth(t, { signal });
  const password = await makeUser("ann");
  const good = await signIn("ann", password);
  assert.ok(good.ok);
  for (let n = 0; n < 5; n += 1) await signIn("ann", "wrong");
  assert.deepEqual(await signIn("ann", password), { ok: false, why: "wait", seconds: 1 });
  const mark = good.mark.reveal();
  assert.ok((await signIn("ann", password, { mark })).ok);
  const foreign = await signIn("ben", "wrong", { address: "192.0.2.2" });
  assert.equal(foreign.ok, false);
  for (const forged of ["", "x", `${mark}x`, mark.replace(/^./, (c) => (c === "A" ? "B" : "A"))]) {
    assert.equal((await signIn("ann", password, { mark: forged })).ok, false, forged);
  }
  await clock.advance(1_000);
  assert.ok((await signIn("ann", password)).ok);
});

test("a mark is good after a restart, and only for the agent that gave it", async (t) => {
  const { makeUser, signIn, kept, clock } = await startAuth(t, { signal });
  const password = await makeUser("ann");
  const good = await signIn("ann", password);
  assert.ok(good.ok);
  for (const [key, ok] of [
    [markKey, true],
    [Buffer.alloc(32, 8), false],
  ] as const) {
    const deps = { kept, passwords: plainPasswords, markKey: key, audit: { record: () => undefined }, clock };
    const later = createUsers(deps);
    t.after(() => later.close());
    const attempt = { name: "ann", address, password: new SecretText("wrong") };
    for (let n = 0; n < 5; n += 1) await later.verify(attempt, signal);
    const mark = good.mark.reveal();
    assert.equal((await later.verify({ ...attempt, password: new SecretText(password), mark }, signal)).ok, ok);
  }
});

test("strangers from everywhere push nothing out of the audit, and what they did is counted", async (t) => {
  const { makeUser, signIn, audit, clock, users } = await startAuth(t, { signal });
  await makeUser("ann");
  for (let n = 0; n < 5_000; n += 1) {
    await signIn(n % 2 ? "ann" : `nobody-${n}`, "wrong", {
      address: `2001:db8:${(n >> 4).toString(16)}:${n.toString(16)}::1`,
    });
    if (n % 10 === 0) await clock.advance(100);
  }
  await clock.advance(60_000);
  users.close();
  assert.ok(audit.length > 100 && audit.length < 150, `${audit.length} entries`);
  const counted = audit.map(({ message }) => Number(/ (\d+) times\.$/.exec(message ?? "")?.[1] ?? 1));
  const sum = counted.reduce((a, b) => a + b, 0);
  assert.ok(sum > 4_900 && sum <= 5_000, `${sum} attempts`);
});

test("a mark is good for the name that it was given for, and for no other", async (t) => {
  const { makeUser, signIn } = await startAuth(t, { signal });
  const [password, own] = [await makeUser("ann"), await makeUser("mallory")];
  const good = await signIn("mallory", own);
  assert.ok(good.ok);
  const mark = good.mark.reveal();
  for (let n = 0; n < 5; n += 1) await signIn("ann", "wrong", { mark });
  const verdict = await signIn("ann", password, { mark });
  assert.ok(!verdict.ok && verdict.why === "wait", "ann's mistakes count, whatever mark comes with them");
});

test("who cannot be heard for now is told to wait, and it is no mistake of theirs", async (t) => {
  const passwords = { ...plainPasswords, isKept: async () => "busy" as const, hash: async () => undefined };
  const { signIn, users } = await startAuth(t, { signal, passwords });
  for (let n = 0; n < 20; n += 1) assert.deepEqual(await signIn("ann", "x"), { ok: false, why: "wait", seconds: 2 });
  assert.equal(await users.create({ name: "ann", roles: viewer, by: "root" }, signal), "busy");
});

test("one who leaves while a password is compared is no mistake either", async (t) => {
  const gone = new Error("gone");
  const passwords = { ...plainPasswords, isKept: () => Promise.reject(gone) };
  const { signIn } = await startAuth(t, { signal, passwords });
  for (let n = 0; n < 10; n += 1) await assert.rejects(signIn("ann", "x"), gone);
});

test("failed sign-ins are in the audit, counted when they are many, and name nobody who is not a user", async (t) => {
  const { makeUser, signIn, audit, clock, users } = await startAuth(t, { signal });
  await makeUser("ann");
  await signIn("ann", "wrong-word-of-ann");
  await signIn("my-secret-password", "x");
  for (let n = 0; n < 500; n += 1) await signIn("ann", "wrong-word-of-ann", { address: "198.51.100.7" });
  await clock.advance(5_000);
  users.close();
  assert.deepEqual([...new Set(audit.map(({ action, verdict }) => `${action} ${verdict}`))], ["user.sign-in denied"]);
  assert.ok(audit.length >= 3 && audit.length < 80, `${audit.length} entries`);
  const said = inspect(audit, { depth: 5 });
  assert.doesNotMatch(said, /wrong-word|my-secret/);
  assert.match(said, /From 198\.51\.100\.7\. \d{2,3} times/);
  assert.deepEqual([audit[0]?.target, audit[1]?.target], ["ann", undefined]);
});

test("nothing that is shown of a user holds their password, nor does what is kept", async (t) => {
  const { users, store, signIn } = await startAuth(t, { signal, passwords: createPasswords() });
  const made = await users.create({ name: "ann", roles: viewer, by: "root" }, signal);
  assert.ok(typeof made !== "string");
  const word = made.password.reveal();
  const shown = JSON.stringify([users.get("ann"), users.list(), made]) + inspect([made, await signIn("ann", word)]);
  assert.doesNotMatch(shown, new RegExp(`${word}|argon2`));
  const { items } = await store.client.list(secrets, { namespace }, signal);
  const kept = items.map((secret) => decodeData(secret, "record.json") ?? "").join();
  assert.match(kept, /argon2id/);
  assert.match(kept, /"role":"viewer","peers":"all"/);
  assert.ok(!kept.includes(word));
});

test("there is one user of a name, and no more than a thousand in all", async (t) => {
  const { users, makeUser } = await startAuth(t, { signal });
  await makeUser("ann");
  assert.equal(await users.create({ name: "ann", roles: admin, by: "root" }, signal), "exists");
  for (let n = 1; n < 1_000; n += 1) await makeUser(`user-${n}`);
  assert.equal(await users.create({ name: "one-more", roles: viewer, by: "root" }, signal), "full");
  assert.equal(await users.delete("ann", signal), true);
  assert.equal(typeof (await makeUser("one-more")), "string");
});

test("a user is a principal with what they may do now", async (t) => {
  const { makeUser, users } = await startAuth(t, { signal });
  await makeUser("ann");
  const user = users.get("ann");
  assert.ok(user);
  assert.deepEqual(userPrincipal(user, "session:1"), {
    name: "ann",
    kind: "user",
    roles: viewer,
    credential: "session:1",
    mustChangePassword: true,
  });
  assert.equal(userPrincipal({ ...user, mustChangePassword: false }, "x").mustChangePassword, undefined);
});
