import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { inspect } from "node:util";
import fc from "fast-check";
import { decide } from "../../../src/console/access/decide.ts";
import type { RoleBinding } from "../../../src/console/auth/principal.ts";
import { formatRoles, holdsAll, meet, parseRoles } from "../../../src/console/auth/role-bindings.ts";
import { mintToken } from "../../../src/console/auth/token.ts";
import { Role, Scope } from "../../../src/gen/fairlead/console/v1/access_pb.ts";
import { KubeError } from "../../../src/kube/errors.ts";
import { secrets } from "../../../src/kube/resources.ts";
import { decodeData } from "../../../src/kube/secret-data.ts";
import { patience, until } from "../../patience.ts";
import { admin, namespace, startAuth, viewer } from "./auth-world.ts";

const signal = patience();
const dayMs = 24 * 60 * 60_000;
const operator: readonly RoleBinding[] = [{ role: Role.OPERATOR, peers: ["west", "east"] }];

async function start(t: Parameters<typeof startAuth>[0]) {
  const world = await startAuth(t, { signal });
  const { tokens, clock, users } = world;
  const who = (text: string) =>
    tokens.way.authenticate(
      { authorization: `Bearer ${text}`, method: "GET", url: "http://here/", upgrade: false },
      signal,
    );
  async function make(name: string, roles = operator, o: { days?: number; owner?: string } = {}) {
    const user = o.owner === undefined ? undefined : users.get(o.owner);
    const made = await tokens.create(
      {
        name,
        description: "",
        roles,
        expiresAt: clock.now() + (o.days ?? 30) * dayMs,
        createdBy: "root",
        ...(user && { owner: { name: user.name, createdAt: user.createdAt } }),
      },
      signal,
    );
    if (typeof made === "string") throw new Error(made);
    return { id: made.token.id, text: made.secret.reveal() };
  }
  /** Who has chosen a password of their own, without which nothing of theirs counts. */
  async function settle(name: string, roles: readonly RoleBinding[]): Promise<void> {
    const made = await users.create({ name, roles, by: "root" }, signal);
    assert.ok(typeof made !== "string");
    const next = made.password.reveal().toUpperCase();
    const { SecretText } = await import("../../../src/base/secret-text.ts");
    const change = { name, address: "::1", current: made.password, next: new SecretText(next) };
    assert.ok((await users.changePassword(change, signal)).ok);
  }
  return { ...world, who, make, settle };
}

test("a token lets in whoever has it, as what it was made for, until it expires", async (t) => {
  const { make, who, clock, tokens } = await start(t);
  const { id, text } = await make("ci");
  const principal = await who(text);
  assert.deepEqual(principal, { name: "token/ci", kind: "token", roles: operator, credential: `token:${id}` });
  assert.deepEqual(tokens.way.present(`token:${id}`), principal);
  for (const other of [`${text}x`, text.slice(0, -1), mintToken().reveal(), "flt_", "", id, "x".repeat(5_000)]) {
    assert.equal(await who(other), undefined);
  }
  for (const other of ["token:", "token:x", id, "admin:x", ""]) assert.equal(tokens.way.present(other), undefined);
  await clock.advance(30 * dayMs);
  assert.equal(await who(text), undefined);
  assert.equal(tokens.way.present(`token:${id}`), undefined);
});

test("who shows a token that does not count is told why, and nobody else is", async (t) => {
  const { make, settle, users, clock, tokens } = await start(t);
  const whyNot = (text: string) => tokens.way.whyNot?.({ authorization: `Bearer ${text}` });
  await settle("ann", operator);
  const hers = await make("ci", operator, { owner: "ann" });
  await users.update("ann", { disabled: true }, signal);
  assert.match(whyNot(hers.text) ?? "", /^The token ci does not count now: its owner ann is disabled,/);
  const { text } = await make("nightly");
  await clock.advance(30 * dayMs);
  assert.match(whyNot(text) ?? "", /^The token nightly has expired: it counted until \d{4}-\d\d-\d\dT\d\d:\d\dZ\.$/);
  for (const other of [`${text}x`, text.slice(0, -1), mintToken().reveal(), ""]) assert.equal(whyNot(other), undefined);
});

test("a token that is revoked counts no more at once, here or by the Secret's deletion", async (t) => {
  const { make, who, tokens, store } = await start(t);
  const [one, two] = [await make("one"), await make("two")];
  assert.equal(await tokens.revoke(one.id, signal), true);
  assert.equal(await who(one.text), undefined);
  assert.equal(await tokens.revoke(one.id, signal), false);
  const { items } = await store.client.list(secrets, { namespace, labelSelector: "fairlead.dev/kind=token" }, signal);
  assert.equal(items.length, 1);
  await store.client.delete(secrets, { namespace, name: items[0]?.metadata.name ?? "" }, {}, signal);
  await until("it is heard of", async () => !(await who(two.text)));
  assert.equal(tokens.way.present(`token:${two.id}`), undefined);
});

test("nothing that is kept or shown of a token can be used", async (t) => {
  const { make, who, tokens, store } = await start(t);
  const { id, text } = await make("ci");
  const hash = createHash("sha256").update(text).digest("hex");
  const { items } = await store.client.list(secrets, { namespace }, signal);
  const kept = items.map((secret) => decodeData(secret, "record.json") ?? "").join() + JSON.stringify(items);
  const shown = JSON.stringify(tokens.list()) + inspect([tokens.list(), await who(text)], { depth: 9 });
  assert.ok(kept.includes(hash));
  assert.ok(!kept.includes(text) && !shown.includes(text) && !shown.includes(hash));
  assert.ok(!hash.startsWith(id) && !hash.includes(id));
  assert.equal(await who(hash), undefined);
});

test("a user's own token may no more than they, now, and nothing while they may not sign in", async (t) => {
  const { make, who, users, settle } = await start(t);
  await settle("ann", operator);
  const { text } = await make("anns", [{ role: Role.ADMIN, peers: ["west", "north"] }], { owner: "ann" });
  const roles = async () => (await who(text))?.roles;
  assert.deepEqual(await roles(), [{ role: Role.OPERATOR, peers: ["west"] }]);
  await users.update("ann", { roles: viewer }, signal);
  assert.deepEqual(await roles(), [{ role: Role.VIEWER, peers: ["west", "north"] }]);
  await users.update("ann", { roles: [{ role: Role.ADMIN, peers: ["south"] }] }, signal);
  assert.equal(await roles(), undefined);
  await users.update("ann", { roles: admin, disabled: true }, signal);
  assert.equal(await roles(), undefined);
  await users.update("ann", { disabled: false }, signal);
  assert.deepEqual(await roles(), [{ role: Role.ADMIN, peers: ["west", "north"] }]);
  await users.resetPassword("ann", signal);
  assert.equal(await roles(), undefined, "somebody else knows their password");
});

test("a user who is made anew under the same name has nothing of the tokens of the one before", async (t) => {
  const { make, who, users, settle, clock } = await start(t);
  await settle("ann", admin);
  const { text } = await make("anns", viewer, { owner: "ann" });
  assert.ok(await who(text));
  await users.delete("ann", signal);
  assert.equal(await who(text), undefined);
  await clock.advance(1);
  await settle("ann", admin);
  assert.equal(await who(text), undefined);
});

test("when it was used is kept, and written at most each five minutes", async (t) => {
  const { make, who, tokens, clock, store } = await start(t);
  const { text } = await make("ci");
  const usedAt = () => tokens.list()[0]?.usedAt;
  assert.equal(usedAt(), undefined);
  await clock.advance(1_000);
  for (let n = 0; n < 50; n += 1) await who(text);
  const first = await until("it is written", usedAt);
  assert.equal(first, clock.now());
  const version = async () => (await store.client.list(secrets, { namespace }, signal)).resourceVersion;
  const before = await version();
  await clock.advance(4 * 60_000);
  for (let n = 0; n < 50; n += 1) await who(text);
  assert.equal(await version(), before);
  await clock.advance(61_000);
  await who(text);
  await until("it is written again", () => usedAt() === clock.now());
});

test("a store that fails keeps nobody out, and is not asked at each use", async (t) => {
  const { make, kept, users, clock } = await start(t);
  const { text } = await make("ci");
  let asked = 0;
  const { createTokens } = await import("../../../src/console/auth/tokens.ts");
  const warned: string[] = [];
  const line = (): void => undefined;
  const log = {
    debug: line,
    info: line,
    warn: (_: object, message: string) => warned.push(message),
    error: line,
    child: () => log,
  };
  const broken = createTokens({
    kept: {
      of: (...about) => ({
        ...kept.of(...about),
        change: () => {
          asked += 1;
          return Promise.reject(new KubeError({ status: 500, reason: "InternalError", message: "no" }));
        },
      }),
    },
    users,
    clock,
    log,
  });
  const authorization = `Bearer ${text}`;
  for (let n = 0; n < 20; n += 1) {
    assert.ok(
      await broken.way.authenticate({ authorization, method: "GET", url: "http://here/", upgrade: false }, signal),
    );
  }
  await broken.close();
  assert.deepEqual([asked, warned.length], [1, 1]);
});

test("two tokens that count have two names, and the oldest that has expired makes room for a new one", async (t) => {
  const { make, tokens, clock } = await start(t);
  await make("ci", viewer, { days: 1 });
  await assert.rejects(make("ci"), /exists/);
  for (let n = 1; n < 1_000; n += 1) await make(`t-${n}`);
  await assert.rejects(make("more"), /full/);
  await clock.advance(2 * dayMs);
  await make("ci");
  assert.equal(tokens.list().length, 1_000);
});

test("one owner takes no more than their part, and neither the names of others nor those of nobody", async (t) => {
  const { make, tokens, clock, settle, users } = await start(t);
  await settle("ann", admin);
  await settle("ben", admin);
  for (let n = 0; n < 50; n += 1) await make(`t-${n}`, viewer, { owner: "ann", days: n === 7 ? 1 : 30 });
  await assert.rejects(make("more", viewer, { owner: "ann" }), /full/);
  await make("t-1", viewer, { owner: "ben" });
  await make("t-1", viewer);
  await clock.advance(2 * dayMs);
  await make("more", viewer, { owner: "ann" });
  assert.equal(tokens.list().length, 52);
  await tokens.revokeOf("ann", signal);
  assert.deepEqual(
    tokens
      .list()
      .map(({ name, owner }) => [name, owner?.name])
      .sort(),
    [
      ["t-1", "ben"],
      ["t-1", undefined],
    ].sort(),
  );
  assert.ok(users.get("ann"));
});

const anyRoles = fc.array(
  fc.record({
    role: fc.constantFrom(Role.VIEWER, Role.OPERATOR, Role.ADMIN),
    peers: fc.oneof(fc.constant("all" as const), fc.uniqueArray(fc.constantFrom("a", "b", "c"), { minLength: 1 })),
  }),
  { maxLength: 4 },
);

function may(roles: readonly RoleBinding[], role: Role, concern: "all" | readonly string[]): boolean {
  const principal = { name: "x", kind: "user", roles, credential: "x" } as const;
  return decide(principal, { role, scope: concern === "all" ? Scope.AGENT : Scope.PEER }, { said: concern }).ok;
}

test("what two hold in common is what each may of every peer, and whoever holds all of another's may all that they may", () => {
  const roles = [Role.VIEWER, Role.OPERATOR, Role.ADMIN];
  const concerns = ["all", ["a"], ["b"], ["c"], ["d"], ["a", "b"]] as const;
  fc.assert(
    fc.property(anyRoles, anyRoles, (a, b) => {
      const both = meet(a, b);
      for (const role of roles) {
        for (const concern of concerns) {
          if (concern === "all" || concern.length === 1) {
            assert.equal(may(both, role, concern), may(a, role, concern) && may(b, role, concern));
          }
          if (holdsAll(a, b)) assert.ok(!may(b, role, concern) || may(a, role, concern));
        }
      }
      assert.ok(holdsAll(a, both) && holdsAll(b, both) && holdsAll(a, a));
      assert.equal(JSON.stringify(parseRoles(JSON.parse(JSON.stringify(formatRoles(a))))), JSON.stringify(a));
    }),
    { numRuns: 500 },
  );
});

test("what is kept of roles and is no binding makes all of them none", () => {
  for (const wrong of [
    undefined,
    null,
    {},
    "admin",
    [{ role: "root", peers: "all" }],
    [{ role: "viewer" }],
    [{ role: "viewer", peers: "some" }],
    [{ role: "viewer", peers: [1] }],
    [
      { role: "viewer", peers: "all" },
      { role: 3, peers: "all" },
    ],
  ]) {
    assert.equal(parseRoles(wrong), undefined);
  }
});
