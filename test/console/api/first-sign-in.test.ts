/** A whole agent, as the first person meets it: the password from the Secret, another one, and what follows. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { createFairleadClient } from "../../../src/client/index.ts";
import { Role } from "../../../src/gen/fairlead/console/v1/access_pb.ts";
import { secrets } from "../../../src/kube/resources.ts";
import { decodeData } from "../../../src/kube/secret-data.ts";
import { patience } from "../../patience.ts";
import { type ApiWorld, startApi } from "./world.ts";

suite("the first person who signs in", { timeout: 120_000 }, () => {
  let world: ApiWorld;
  before(async () => {
    world = await startApi();
  });
  after(() => world[Symbol.asyncDispose]());

  /** As the console's own page would. The answer's cookies take the place of those before. */
  class Browser {
    readonly #cookies = new Map<string, string>();

    async call(method: string, request: object = {}): Promise<{ status: number; body: Record<string, unknown> }> {
      const { consoleUrl } = world.town;
      const answer = await fetch(`${consoleUrl}/fairlead.console.v1.${method}`, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          origin: consoleUrl,
          cookie: [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; "),
        },
        body: JSON.stringify(request),
      });
      for (const line of answer.headers.getSetCookie()) {
        const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
        this.#cookies.set(name, value);
      }
      const body: Record<string, unknown> = JSON.parse(await answer.text());
      return { status: answer.status, body };
    }
  }

  const read = async (key: string): Promise<string | undefined> => {
    const ref = { namespace: "fairlead-system", name: "fairlead-first-admin" };
    const secret = await world.town.kube.client.get(secrets, ref, patience());
    return secret && decodeData(secret, key);
  };

  const next = "sparrows over the harbour";

  test("is admin, may do nothing but change their password, and everything after that", async () => {
    const browser = new Browser();
    const password = await read("password");
    assert.equal((await browser.call("SignInService/SignIn", { name: "admin", password: `${password}x` })).status, 401);
    const signedIn = await browser.call("SignInService/SignIn", { name: "admin", password });
    assert.deepEqual([signedIn.status, signedIn.body.mustChangePassword], [200, true]);
    assert.equal((await browser.call("AccessService/WhoAmI")).body.mustChangePassword, true);
    const token = { name: "early", roles: [{ role: "ROLE_ADMIN", allPeers: true }] };
    for (const [method, request] of [
      ["PeerService/ListPeers", {}],
      ["AccessService/ListUsers", {}],
      ["AccessService/ListTokens", {}],
      ["AccessService/CreateToken", token],
      ["AccessService/ListBrowserSessions", {}],
      ["AccessService/RevokeBrowserSession", { id: "x" }],
    ] as const) {
      const { body } = await browser.call(method, request);
      assert.deepEqual(
        [body.code, /Change your password/.test(String(body.message))],
        ["failed_precondition", true],
        method,
      );
    }
    const other = new Browser();
    await other.call("SignInService/SignIn", { name: "admin", password });
    const changed = await browser.call("SignInService/ChangePassword", { current: password, next });
    assert.equal(changed.status, 200, JSON.stringify(changed.body));
    assert.equal((await other.call("AccessService/WhoAmI")).status, 401, "what was signed in elsewhere has ended");
    assert.equal((await browser.call("PeerService/ListPeers")).status, 200);
    const own = await browser.call("AccessService/CreateToken", { ...token, name: "own" });
    const mine = createFairleadClient({ transport: world.transport, token: String(own.body.secret) });
    const roles = [{ role: Role.ADMIN, allPeers: true }];
    const child = await mine.access.createToken({
      name: "child",
      roles,
      withoutOwner: true,
      lifetimeSeconds: 150_000_000n,
    });
    assert.equal(child.token?.owner, "admin", "what a user's token makes is the user's, whatever it asks for");
    assert.equal(child.token?.expiresAt, (own.body.token as { expiresAt: string }).expiresAt);
    for (const name of ["own", "child"]) await browser.call("AccessService/RevokeToken", { token: name });
    const ownerless = await browser.call("AccessService/CreateToken", { ...token, withoutOwner: true });
    assert.equal(ownerless.status, 200, JSON.stringify(ownerless.body));
    assert.equal(await read("password"), undefined, "the Secret holds none any more");
    assert.match((await read("used")) ?? "", /changed/);
  });

  test("sees where they are signed in, and a session that is ended elsewhere is over at once", async () => {
    const [here, there] = [new Browser(), new Browser()];
    for (const browser of [here, there]) await browser.call("SignInService/SignIn", { name: "admin", password: next });
    const { body } = await there.call("AccessService/ListBrowserSessions");
    const sessions: unknown = body.browserSessions;
    assert.ok(Array.isArray(sessions) && sessions.length >= 2);
    const mine = sessions.filter((session: { current?: boolean }) => session.current === true);
    assert.deepEqual(
      [mine.length, mine[0].user, mine[0].kind, mine[0].address],
      [1, "admin", "CALLER_KIND_USER", "127.0.0.1"],
    );
    assert.equal((await here.call("AccessService/RevokeBrowserSession", { id: mine[0].id })).status, 200);
    assert.equal((await there.call("AccessService/WhoAmI")).status, 401);
    assert.equal((await here.call("AccessService/WhoAmI")).status, 200);
  });

  test("takes no right from themselves, and somebody who is given less has less at once, in the session that they have", async () => {
    const root = createFairleadClient({ transport: world.transport, token: world.town.token });
    const browser = new Browser();
    await browser.call("SignInService/SignIn", { name: "admin", password: next });
    for (const [method, request] of [
      ["UpdateUser", { name: "admin", disabled: true }],
      ["UpdateUser", { name: "admin", roles: { values: [{ role: "ROLE_VIEWER", allPeers: true }] } }],
      ["DeleteUser", { name: "admin" }],
    ] as const) {
      const { body } = await browser.call(`AccessService/${method}`, request);
      assert.deepEqual([body.code, /Ask another admin/.test(String(body.message))], ["failed_precondition", true]);
    }
    const values = [{ role: Role.VIEWER, allPeers: true }];
    await root.access.updateUser({ name: "admin", roles: { values } });
    assert.equal((await browser.call("AccessService/ListUsers")).status, 403);
    assert.equal((await browser.call("PeerService/ListPeers")).status, 200);
    const own = await browser.call("AccessService/CreateToken", {
      name: "mine",
      roles: [{ role: "ROLE_VIEWER", allPeers: true }],
    });
    assert.equal(own.status, 200, JSON.stringify(own.body));
    assert.deepEqual([(own.body.token as { owner: string }).owner], ["admin"]);
    const { tokens } = await root.access.listTokens({});
    assert.deepEqual(
      tokens.map(({ name, owner }) => [name, owner]),
      [
        ["mine", "admin"],
        ["early", ""],
      ],
    );
    const seen = await browser.call("AccessService/ListTokens");
    assert.deepEqual(
      (seen.body.tokens as { name: string }[]).map(({ name }) => name),
      ["mine"],
    );
    assert.equal((await browser.call("AccessService/RevokeToken", { token: "early" })).status, 404);
    const more = { name: "more", roles: [{ role: "ROLE_VIEWER", allPeers: true }], withoutOwner: true };
    assert.equal((await browser.call("AccessService/CreateToken", more)).status, 403);
    const { tokensLeft } = await root.access.updateUser({ name: "admin", disabled: true });
    assert.deepEqual(tokensLeft, ["early"]);
    assert.equal((await browser.call("AccessService/WhoAmI")).status, 401);
    const client = createFairleadClient({ transport: world.transport, token: String(own.body.secret) });
    await assert.rejects(client.access.whoAmI({}), /mine does not count now: its owner admin is disabled/);
    await root.access.updateUser({ name: "admin", disabled: false });
    await client.access.whoAmI({});
    assert.deepEqual((await root.access.resetPassword({ name: "admin" })).tokensLeft, ["early"]);
    assert.deepEqual(
      (await root.access.listTokens({})).tokens.map(({ name }) => name),
      ["early"],
      "own ones are gone",
    );
    assert.deepEqual((await root.access.deleteUser({ name: "admin" })).tokensLeft, ["early"]);
  });
});
