import assert from "node:assert/strict";
import { test } from "node:test";
import { Role } from "../../../src/gen/fairlead/console/v1/access_pb.ts";
import { createFakeClock } from "../../base/fake-clock.ts";
import { patience } from "../../patience.ts";
import { connectHttp2 } from "../http2-client.ts";
import { byToken, type Called, type SignInWorld, startSignIn } from "./world.ts";

const ana = { name: "ana", password: "correct horse battery" };
const minute = 60_000;

const open = (o: { consoleUrl?: string } = {}): Promise<SignInWorld> => startSignIn({ clock: createFakeClock(), ...o });

const withCookie = ({ cookie }: Called) => ({ headers: { cookie } });

test("who knows a password gets a cookie, by which they are known", async () => {
  await using t = await open();
  const signedIn = await t.call("SignIn", ana);
  assert.equal(signedIn.status, 200);
  assert.equal(signedIn.body.name, "ana");
  const { port } = t.console;
  const rules = "Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=604800";
  assert.match(signedIn.setCookie ?? "", new RegExp(`^__Host-fairlead-${port}=[\\w-]{22}\\.[\\w-]{43}; ${rules}$`));
  assert.equal((await t.call("ListPeers", {}, withCookie(signedIn))).status, 200);
  assert.equal((await t.call("ListPeers", {})).status, 401);
  assert.deepEqual(t.tried, ["ana 127.0.0.1"]);
  assert.deepEqual(t.audited, [{ action: "session.begin", actor: { person: "ana" }, target: "ana", verdict: "done" }]);
});

test("a wrong name and a wrong password are the same, and get no cookie", async () => {
  await using t = await open();
  const wrong = [
    { ...ana, password: "another of these" },
    { name: "mallory", password: ana.password },
    { name: "Ana", password: ana.password },
  ];
  const answers = await Promise.all(wrong.map((one) => t.call("SignIn", one)));
  for (const { status, body, setCookie } of answers) {
    assert.deepEqual([status, body.code, setCookie], [401, "unauthenticated", undefined]);
    assert.equal(body.message, answers[0]?.body.message);
  }
  assert.deepEqual(t.signIn.sessions.list(), []);
});

test("who has tried too often is told how long to wait", async () => {
  await using t = await open();
  t.wait = 7.2;
  const { status, body } = await t.call("SignIn", ana);
  assert.deepEqual([status, body.code], [429, "resource_exhausted"]);
  assert.match(body.message ?? "", /in 8 s/);
  assert.match(JSON.stringify(body.details), /"fairlead\.console\.v1\.RetryAfter"/);
});

test("a browser that has signed in before says so when it does again, and opens nothing by that", async () => {
  await using t = await open();
  const signedIn = await t.call("SignIn", ana);
  assert.equal(signedIn.mark, `__Host-fairlead-known-${t.console.port}=mark-of-ana`);
  const headers = { cookie: signedIn.mark };
  assert.equal((await t.call("ListPeers", {}, { headers })).status, 401);
  await t.call("SignIn", ana, { headers });
  assert.deepEqual(t.marks, [undefined, "mark-of-ana"]);
});

test("over a connection that others can read nobody signs in, nobody is known, and it is said where instead", async () => {
  await using t = await open();
  const { cookie } = await t.call("SignIn", ana);
  const page = `http://10.0.0.7:${t.console.port}`;
  const refused = await t.call("SignIn", ana, { page });
  assert.deepEqual([refused.status, refused.body.code, refused.setCookie], [400, "failed_precondition", undefined]);
  assert.match(refused.body.message ?? "", new RegExp(`https://10\\.0\\.0\\.7:${t.console.port}`));
  assert.equal(t.tried.length, 1, "the password was not even looked at");
  const options = await t.call("GetSignInOptions", {}, { page });
  assert.equal(options.body.password, undefined);
  assert.match(String(options.body.refused), /others can read/);
  assert.equal(options.body.betterUrl, `https://10.0.0.7:${t.console.port}`);
  assert.equal((await t.call("ListPeers", {}, { page, headers: { cookie } })).status, 401);
  const said = { "x-forwarded-proto": "https", forwarded: "proto=https" };
  assert.equal((await t.call("SignIn", ana, { page, headers: said })).status, 400, "whatever headers say");
  assert.equal((await t.call("ListPeers", {}, { page, ...byToken })).status, 200, "tokens are their owners' matter");
});

test("over TLS one signs in at any host", async () => {
  await using t = await open();
  const page = `https://10.0.0.7:${t.console.port}`;
  assert.deepEqual((await t.call("GetSignInOptions", {}, { page })).body, { password: true });
  const signedIn = await t.call("SignIn", ana, { page });
  assert.equal(signedIn.status, 200);
  const { cookie } = signedIn;
  assert.equal((await t.call("ListPeers", {}, { page, headers: { cookie } })).status, 200);
  assert.equal(
    (await t.call("ListPeers", {}, { page: page.replace("https", "http"), headers: { cookie } })).status,
    401,
  );
});

test("by HTTP/2 it is the same: what counts is what was spoken here, not the scheme that is said", async () => {
  await using t = await open();
  const path = "/fairlead.console.v1.SignInService/SignIn";
  const { port } = t.console;
  for (const [scheme, status] of [
    ["http", 400],
    ["https", 200],
  ] as const) {
    await using client = await connectHttp2(`${scheme}://127.0.0.1:${port}`);
    const headers = {
      ":scheme": "https",
      ":authority": `10.0.0.7:${port}`,
      origin: `https://10.0.0.7:${port}`,
      "content-type": "application/json",
    };
    const answer = await client.ask(path, headers, JSON.stringify(ana));
    assert.equal(answer.headers[":status"], status, scheme);
    assert.equal(answer.headers["set-cookie"]?.length, status === 200 ? 2 : undefined);
  }
  assert.deepEqual(t.tried, ["ana 127.0.0.1"]);
});

test("through an ingress that ends TLS one signs in under the console's address, if the page came over TLS", async () => {
  await using t = await open({ consoleUrl: "https://fairlead.example/" });
  const page = "http://fairlead.example";
  const ended = { origin: "https://fairlead.example" };
  const signedIn = await t.call("SignIn", ana, { page, headers: ended });
  assert.equal(signedIn.status, 200);
  assert.match(signedIn.setCookie ?? "", /^__Host-fairlead=/);
  const { cookie } = signedIn;
  assert.equal((await t.call("ListPeers", {}, { page, headers: { ...ended, cookie } })).status, 200);
  assert.equal((await t.call("SignIn", ana, { page })).status, 400, "the page was in clear");
  assert.equal((await t.call("ListPeers", {}, { page, headers: { cookie } })).status, 401);
});

test("only the console's own page signs in, and only it is known by the cookie", async () => {
  await using t = await open();
  const { port } = t.console;
  const { cookie } = await t.call("SignIn", ana);
  for (const headers of [
    { origin: undefined },
    { origin: "null" },
    { origin: "http://localhost:3000" },
    { origin: `http://evil.localhost:${port}` },
    { origin: `https://localhost:${port}` },
    { "sec-fetch-site": "same-site" },
    { "sec-fetch-site": "cross-site" },
  ]) {
    const name = JSON.stringify(headers);
    assert.equal((await t.call("SignIn", ana, { headers })).status, 400, name);
    assert.equal((await t.call("ListPeers", {}, { headers: { ...headers, cookie } })).status, 401, name);
    assert.equal((await t.call("SignOut", {}, { headers: { ...headers, cookie } })).status, 401, name);
  }
  assert.equal(t.tried.length, 1);
  assert.equal((await t.call("ListPeers", {}, { headers: { cookie } })).status, 200);
});

test("a token goes before a cookie, also a wrong one", async () => {
  await using t = await open();
  const { cookie } = await t.call("SignIn", ana);
  const headers = { cookie, authorization: "Bearer flt_wrong" };
  assert.equal((await t.call("ListPeers", {}, { headers })).status, 401);
});

test("cookies that another host has tossed here hide no session", async () => {
  await using t = await open();
  const { cookie } = await t.call("SignIn", ana);
  const [name] = cookie.split("=");
  const tossed = [`${name}=`, `${name}=${"A".repeat(22)}.${"A".repeat(43)}`, `${name}="x"`].join("; ");
  assert.equal((await t.call("ListPeers", {}, { headers: { cookie: `${tossed}; ${cookie}` } })).status, 200);
  assert.equal((await t.call("ListPeers", {}, { headers: { cookie: tossed } })).status, 401);
});

test("who signs out is known no more, and the cookie goes", async () => {
  await using t = await open();
  const [first, second] = [await t.call("SignIn", ana), await t.call("SignIn", ana)];
  const out = await t.call("SignOut", {}, withCookie(first));
  assert.equal(out.status, 200);
  assert.match(out.setCookie ?? "", /^__Host-fairlead-\d+=; .*Max-Age=0$/);
  assert.equal((await t.call("ListPeers", {}, withCookie(first))).status, 401);
  assert.equal((await t.call("ListPeers", {}, withCookie(second))).status, 200);
  assert.equal((await t.call("SignOut", {}, byToken)).setCookie, undefined);
  assert.deepEqual(
    t.audited.map(({ action }) => action),
    ["session.begin", "session.begin", "session.end"],
  );
});

test("who signs in again ends the session that their browser had", async () => {
  await using t = await open();
  const first = await t.call("SignIn", ana);
  const second = await t.call("SignIn", { name: "zoë", password: "staple of her own" }, withCookie(first));
  assert.equal((await t.call("ListPeers", {}, withCookie(first))).status, 401);
  assert.equal((await t.call("ListPeers", {}, withCookie(second))).status, 200);
  assert.deepEqual(
    t.signIn.sessions.list().map(({ user }) => user),
    ["zoë"],
  );
});

test("a new password ends all sessions but the one in which it was changed", async () => {
  await using t = await open();
  const [here, there] = [await t.call("SignIn", ana), await t.call("SignIn", ana)];
  const next = "a better one, at last";
  const change = (current: string, wanted: string) =>
    t.call("ChangePassword", { current, next: wanted }, withCookie(here));
  assert.deepEqual((await change("wrong", next)).body.code, "unauthenticated");
  assert.deepEqual((await change(ana.password, "short")).body.code, "invalid_argument");
  assert.equal((await t.call("ListPeers", {}, withCookie(there))).status, 200);
  const changed = await change(ana.password, next);
  assert.equal(changed.status, 200);
  assert.equal((await t.call("ListPeers", {}, withCookie(here))).status, 401);
  assert.equal((await t.call("ListPeers", {}, withCookie(there))).status, 401);
  assert.equal((await t.call("ListPeers", {}, withCookie(changed))).status, 200);
  assert.equal((await t.call("SignIn", ana)).status, 401);
  assert.equal((await t.call("SignIn", { ...ana, password: next })).status, 200);
  assert.equal(t.audited.filter(({ action }) => action === "user.change-password").length, 1);
});

test("who has no password here cannot change one", async () => {
  await using t = await open();
  const asked = await t.call("ChangePassword", { current: "x", next: "a better one, at last" }, byToken);
  assert.deepEqual([asked.status, asked.body.code], [400, "failed_precondition"]);
});

test("whom a provider calls as a user of this agent is called is somebody else, and ends with the rules and the provider", async () => {
  const oidc = {
    ...{
      name: "the tests",
      clientId: "fairlead",
      scopes: "openid",
      usernameClaim: "email",
      groupsClaim: "groups",
      trustEmail: false,
    },
    issuer: "https://id.example",
    roles: [{ group: "staff", role: "viewer" as const }],
  };
  await using t = await startSignIn({ clock: createFakeClock(), settings: { oidc, kubernetes: undefined } });
  const begin = async (groups: string[], issuer = oidc.issuer): Promise<string> => {
    const from = { address: "", userAgent: "" };
    const owner = { kind: "oidc", name: "ana", issuer, groups } as const;
    return (await t.signIn.sessions.begin(owner, from, patience())).cookie;
  };
  const known = t.signIn.sessions.authenticate(await begin(["staff"]));
  assert.deepEqual(
    { ...known, credential: "" },
    { name: "oidc:ana", kind: "oidc", roles: [{ role: Role.VIEWER, peers: "all" }], credential: "" },
  );
  assert.equal(t.signIn.sessions.authenticate(await begin(["others"])), undefined);
  assert.equal(t.signIn.sessions.authenticate(await begin(["staff"], "https://another.example")), undefined);
  const headers = { cookie: `__Host-fairlead-${t.console.port}=${await begin(["staff"])}` };
  const change = await t.call("ChangePassword", { current: ana.password, next: "a better one, at last" }, { headers });
  assert.equal(change.body.code, "failed_precondition");
});

test("the cookie is made anew with an answer, each quarter of an hour", async () => {
  const clock = createFakeClock();
  await using t = await startSignIn({ clock });
  const signedIn = await t.call("SignIn", ana);
  await clock.advance(15 * minute - 1);
  assert.equal((await t.call("ListPeers", {}, withCookie(signedIn))).setCookie, undefined);
  await clock.advance(1);
  const many = await Promise.all(Array.from({ length: 5 }, () => t.call("ListPeers", {}, withCookie(signedIn))));
  assert.ok(many.every(({ status }) => status === 200));
  const fresh = many.filter(({ setCookie }) => setCookie !== undefined);
  assert.equal(fresh.length, 1);
  const [next] = fresh;
  assert.match(
    next?.setCookie ?? "",
    /^__Host-fairlead-\d+=[\w.-]+; Path=\/; Secure; HttpOnly; SameSite=Strict; Max-Age=603900$/,
  );
  assert.equal((await t.call("ListPeers", {}, next && withCookie(next))).status, 200);
  assert.equal((await t.call("ListPeers", {}, withCookie(signedIn))).status, 200);
  await clock.advance(30_000);
  assert.equal(
    (await t.call("ListPeers", {}, withCookie(signedIn))).status,
    401,
    "and what it was before ends the session",
  );
  assert.equal((await t.call("ListPeers", {}, next && withCookie(next))).status, 401);
  assert.deepEqual(t.audited.at(-1)?.rule, "session/replayed");
});

test("a store that is away makes no cookie anew, and costs nobody their answer", async () => {
  const clock = createFakeClock();
  await using t = await startSignIn({ clock });
  const signedIn = await t.call("SignIn", ana);
  await clock.advance(15 * minute);
  t.kept.failure = new Error("The API server is away.");
  const answer = await t.call("ListPeers", {}, withCookie(signedIn));
  assert.deepEqual([answer.status, answer.setCookie], [200, undefined]);
  t.kept.failure = undefined;
  assert.notEqual((await t.call("ListPeers", {}, withCookie(signedIn))).setCookie, undefined);
});

test("no answer, error or record has a password or what a cookie says", async () => {
  await using t = await open();
  const signedIn = await t.call("SignIn", ana);
  const [, secret = "?"] = signedIn.cookie.split(".");
  const wrong = await t.call("SignIn", { ...ana, password: "a-wrong-one" });
  const long = await t.call("SignIn", { name: "x".repeat(300), password: "a-wrong-one" });
  assert.equal(long.body.code, "invalid_argument");
  const shown = [signedIn.body, wrong.body, long.body, t.audited, t.kept.list(), t.signIn.sessions.list()];
  for (const one of shown) {
    const text = JSON.stringify(one);
    assert.ok(!text.includes(ana.password) && !text.includes("a-wrong-one") && !text.includes(secret), text);
  }
});
