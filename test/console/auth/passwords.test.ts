import assert from "node:assert/strict";
import { argon2Sync } from "node:crypto";
import { test } from "node:test";
import { SecretText } from "../../../src/base/secret-text.ts";
import type { FairLinePlaces } from "../../../src/console/auth/fair-line.ts";
import { type Asker, createPasswords, mintPassword, unfitPassword } from "../../../src/console/auth/passwords.ts";
import { patience } from "../../patience.ts";

const signal = patience();
const word = new SecretText("correct horse battery");
const ann = { account: "ann" };
const fit = (text: string, name = "ann"): boolean => unfitPassword(new SecretText(text), name) === undefined;

test("what is kept of a password is argon2id with OWASP's parameters and a salt of its own, and only that password fits it", async () => {
  const passwords = createPasswords();
  const [kept = "", other = ""] = await Promise.all([
    passwords.hash(word, "ann", signal),
    passwords.hash(word, "ann", signal),
  ]);
  assert.notEqual(kept, other);
  const [, salt = "", hash = ""] = /^\$argon2id\$v=19\$m=19456,t=2,p=1\$([\w+/]{22})\$([\w+/]{43})$/.exec(kept) ?? [];
  const expected = argon2Sync("argon2id", {
    message: word.reveal(),
    nonce: Buffer.from(salt, "base64"),
    memory: 19_456,
    passes: 2,
    parallelism: 1,
    tagLength: 32,
  });
  assert.deepEqual(Buffer.from(hash, "base64"), expected);
  assert.equal(await passwords.isKept(word, kept, ann, signal), true);
  assert.equal(await passwords.isKept(new SecretText("correct horse batterz"), kept, ann, signal), false);
});

test("a hash that the reference implementation makes is understood", async () => {
  // Of test.c in the reference implementation: two passes over 64 MiB, "password" and "somesalt".
  const hash = argon2Sync("argon2id", {
    message: "password",
    nonce: "somesalt",
    memory: 65_536,
    passes: 2,
    parallelism: 1,
    tagLength: 32,
  });
  assert.equal(hash.toString("hex"), "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7");
  const base64 = (bytes: Buffer): string => bytes.toString("base64").replace(/=+$/, "");
  const kept = `$argon2id$v=19$m=65536,t=2,p=1$${base64(Buffer.from("somesalt"))}$${base64(hash)}`;
  assert.equal(await createPasswords().isKept(new SecretText("password"), kept, ann, signal), true);
});

test("what is kept in any other form fits nothing, and is computed at no other price", async () => {
  const passwords = createPasswords();
  const kept = (await passwords.hash(word, "ann", signal)) ?? "";
  for (const wrong of [
    "",
    "x",
    word.reveal(),
    kept.replace("argon2id", "argon2i"),
    kept.replace("m=19456", "m=4194304"),
    kept.replace("t=2", "t=200"),
    kept.replace("m=19456", "m=0"),
    kept.replace("p=1", "p=0"),
    `${kept}x=`,
    `${kept}\n`,
  ]) {
    assert.equal(await passwords.isKept(word, wrong, ann, signal), false, wrong);
  }
  assert.equal(await passwords.isKept(word, undefined, ann, signal), false);
});

test("the same characters are the same password, however the keyboard composes them", async () => {
  const passwords = createPasswords();
  const kept = await passwords.hash(new SecretText("Caf\u00e9 au lait, s'il"), "ann", signal);
  assert.equal(await passwords.isKept(new SecretText("Cafe\u0301 au lait, s'il"), kept, ann, signal), true);
});

test("a few are computed at once, a few wait, and who comes then is told so at once", async () => {
  const passwords = createPasswords({ atOnce: 1, places: { most: 2, ofAccount: 2, ofNetwork: 2 } });
  const leave = new AbortController();
  const first = passwords.hash(word, "ann", signal);
  const second = passwords.isKept(word, undefined, ann, signal);
  const third = passwords.isKept(word, undefined, ann, leave.signal);
  assert.equal(await passwords.isKept(word, undefined, ann, signal), "busy");
  leave.abort(new Error("gone"));
  await assert.rejects(third, /gone/);
  const instead = passwords.isKept(word, undefined, ann, signal);
  assert.deepEqual([typeof (await first), await second, await instead], ["string", false, false]);
  await assert.rejects(passwords.hash(word, "ann", leave.signal), /gone/);
  assert.equal(typeof (await passwords.hash(word, "ann", signal)), "string", "the place is free again");
});

/** In which order passwords are computed for those who come at once, one at a time. */
async function turnsOf(waiters: readonly Asker[], places: FairLinePlaces) {
  const passwords = createPasswords({ atOnce: 1, places });
  const ended: string[] = [];
  await Promise.all(
    waiters.map(async (who) => {
      const answer = await passwords.isKept(word, undefined, who, signal);
      ended.push(answer === "busy" ? `${who.account} busy` : who.account);
    }),
  );
  return ended;
}

test("a browser that is known waits in a line of its own, which comes first and has an end, too", async () => {
  const known = (account: string): Asker => ({ account, isKnown: true });
  const waiters = [{ account: "first" }, { account: "a" }, { account: "b" }, { account: "c" }];
  const places = { most: 2, ofAccount: 2, ofNetwork: 2 };
  assert.deepEqual(await turnsOf([...waiters, known("d"), known("e"), known("f")], places), [
    ...["c busy", "f busy", "first", "d", "e", "a", "b"],
  ]);
});

test("who tries one account from many networks keeps nobody of another waiting for more than a turn", async () => {
  const many = Array.from({ length: 50 }, (_, i) => ({ account: "mallory", network: `192.0.2.${i}` }));
  const places = { most: 32, ofAccount: 4, ofNetwork: 16 };
  for (const isKnown of [false, true]) {
    const ended = await turnsOf(
      [...many, { account: "ann" }].map((one) => ({ ...one, isKnown })),
      places,
    );
    const computed = ended.filter((one) => !one.endsWith("busy"));
    assert.deepEqual(computed.indexOf("ann"), 2, "one is computed, and one of mallory's comes first");
    assert.equal(computed.length, 6, "four wait while one is computed");
  }
});

test("who tries many accounts from one network leaves places to others", async () => {
  const many = Array.from({ length: 50 }, (_, i) => ({ account: `a${i}`, network: "192.0.2.1" }));
  const ended = await turnsOf([...many, { account: "ann", network: "192.0.2.2" }], {
    ...{ most: 32, ofAccount: 4, ofNetwork: 16 },
  });
  assert.equal(ended.at(-1), "ann");
  assert.equal(ended.filter((one) => !one.endsWith("busy")).length, 18);
});

test("a password is long, and neither its owner's name nor one letter over and over; nothing else is asked of it", () => {
  for (const text of [
    "correct horse",
    "ЖЖЖяяяъъъэээ",
    "              a b c",
    `${"x".repeat(1_020)}abcd`,
    "annannann-k4w9z7",
  ]) {
    assert.ok(fit(text), text);
  }
  for (const text of ["", "short", "elevenchars", `${"x".repeat(1_021)}abcd`, "aaaaaaaaaaaaaaaa", "abababababababab"]) {
    assert.ok(!fit(text), text);
  }
  assert.ok(!fit("ann.example.com", "ann.example.com"));
  assert.ok(!fit("Ann.Example.Com12", "ann.example.com"));
  assert.ok(!fit("\u{1f600}\u{1f601}\u{1f602}\u{1f603}\u{1f604}"), "characters are counted, not what they take");
});

test("one that is made for somebody fits, and is another each time", () => {
  const made = Array.from({ length: 50 }, () => mintPassword().reveal());
  assert.equal(new Set(made).size, 50);
  for (const text of made) {
    assert.match(text, /^([a-km-np-z2-9]{4}-){4}[a-km-np-z2-9]{4}$/);
    assert.ok(fit(text));
  }
});
