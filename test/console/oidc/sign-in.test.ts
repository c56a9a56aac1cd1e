import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { fastify } from "fastify";
import { silentLog } from "../../../src/base/log.ts";
import { SecretText } from "../../../src/base/secret-text.ts";
import type { SessionOwner } from "../../../src/console/auth/session-record.ts";
import { createOidc, type OidcSettings } from "../../../src/console/oidc/provider.ts";
import { createProviderFetch } from "../../../src/console/oidc/provider-fetch.ts";
import { type OidcVerdict, registerOidcRoutes } from "../../../src/console/sign-in/oidc-routes.ts";
import { selfSignedCertificate } from "../../../src/sandbox/certificate.ts";
import { createFakeClock } from "../../base/fake-clock.ts";
import { clientId, clientSecret, startProvider } from "./provider.ts";

/** A console's port with these two pages alone, a provider, and whoever comes by with a browser. */
async function world(changes: Partial<OidcSettings> = {}, tls?: Parameters<typeof startProvider>[0]) {
  const clock = createFakeClock(Date.now());
  const owners: SessionOwner[] = [];
  const verdicts: OidcVerdict[] = [];
  const provider = await startProvider(tls);
  const app = fastify();
  const settings: OidcSettings = {
    issuer: provider.issuer,
    clientId,
    clientSecret: async () => new SecretText(clientSecret),
    scopes: "openid profile",
    usernameClaim: "preferred_username",
    groupsClaim: "groups",
    trustEmail: false,
    ...changes,
  };
  registerOidcRoutes(app, {
    oidc: createOidc({ settings, clock }),
    ownerOf: ({ name, groups }) =>
      groups.includes("staff") ? { kind: "oidc", name, issuer: settings.issuer, groups: ["staff"] } : undefined,
    sessions: {
      async begin(owner) {
        owners.push(owner);
        return { id: "id", cookie: `id.${owners.length}`, maxAgeMs: 3_600_000 };
      },
    },
    consoleUrl: undefined,
    onSignIn: (verdict) => void verdicts.push(verdict),
    clock,
    log: silentLog,
  });
  await app.listen({ port: 0, host: "127.0.0.1" });
  const origin = `http://localhost:${(app.server.address() as AddressInfo).port}`;
  provider.register([`${origin}/sign-in/oidc/callback`]);
  return {
    ...{ clock, owners, verdicts, provider, origin },
    browser: () => createBrowser(tls?.cert),
    async [Symbol.asyncDispose]() {
      await app.close();
      await provider[Symbol.asyncDispose]();
    },
  };
}

interface Page {
  readonly url: string;
  readonly status: number;
  readonly location: string | undefined;
  readonly body: string;
}

/** Keeps cookies by host and port, as nobody does but who has several programs on one machine. `trusted` is a certificate in PEM. */
function createBrowser(trusted?: string) {
  const fetchTrusting = createProviderFetch(trusted === undefined ? undefined : async () => trusted);
  const jars = new Map<string, Map<string, string>>();
  async function get(url: string): Promise<Page> {
    const { origin, host } = new URL(url);
    const jar = jars.get(host) ?? new Map<string, string>();
    jars.set(host, jar);
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
    const headers = { cookie, accept: "application/json" };
    const answer = await fetchTrusting(url, { method: "GET", redirect: "manual", headers, body: undefined });
    for (const set of answer.headers.getSetCookie()) {
      const [pair = "", ...attributes] = set.split("; ");
      const [name = "", value = ""] = [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)];
      if (attributes.includes("Max-Age=0") || value === "") jar.delete(name);
      else jar.set(name, value);
    }
    const location = answer.headers.get("location");
    return {
      url,
      status: answer.status,
      location: location === null ? undefined : new URL(location, origin).href,
      body: await answer.text(),
    };
  }
  return {
    get,
    cookies: (origin: string) => jars.get(new URL(origin).host) ?? new Map<string, string>(),
    /** Follows redirects until `stop` says so of the next address, or there is none. */
    async walk(url: string, stop: (next: string) => boolean = () => false): Promise<Page> {
      let page = await get(url);
      for (let steps = 0; page.location !== undefined && !stop(page.location) && steps < 20; steps += 1) {
        page = await get(page.location);
      }
      return page;
    },
  };
}

const isCallback = (url: string): boolean => url.includes("/callback");

test("somebody signs in at the provider, and comes back with a session to where they wanted to go", async () => {
  await using t = await world();
  const browser = t.browser();
  const page = await browser.walk(`${t.origin}/sign-in/oidc?to=/peers/berlin%3Fa=b`, (next) =>
    next.includes("/peers/"),
  );
  assert.equal(page.status, 303);
  assert.equal(page.location, `${t.origin}/peers/berlin?a=b`);
  assert.deepEqual(t.owners, [{ kind: "oidc", name: "ana", issuer: t.provider.issuer, groups: ["staff"] }]);
  const { port } = new URL(t.origin);
  assert.deepEqual([...browser.cookies(t.origin)], [[`__Host-fairlead-${port}`, "id.1"]]);
  assert.deepEqual(t.verdicts, [{ person: "ana", address: "127.0.0.1" }]);
});

test("the provider is asked for a code, by PKCE, with a state and a nonce of this sign-in's own", async () => {
  await using t = await world();
  const asked = async (): Promise<URLSearchParams> => {
    const { location = "" } = await t.browser().get(`${t.origin}/sign-in/oidc`);
    assert.ok(location.startsWith(t.provider.issuer));
    return new URL(location).searchParams;
  };
  const [one, two] = [await asked(), await asked()];
  assert.equal(one.get("response_type"), "code");
  assert.equal(one.get("code_challenge_method"), "S256");
  assert.equal(one.get("redirect_uri"), `${t.origin}/sign-in/oidc/callback`);
  for (const name of ["state", "nonce", "code_challenge"]) {
    assert.ok((one.get(name) ?? "").length >= 43, name);
    assert.notEqual(one.get(name), two.get(name), name);
  }
});

test("nobody is led to another site in the end", async () => {
  await using t = await world();
  for (const to of [
    "//evil.example/",
    "https://evil.example/",
    "/\\evil.example",
    "\\\\evil.example",
    "/%09/evil.example",
    "x",
  ]) {
    const page = await t
      .browser()
      .walk(
        `${t.origin}/sign-in/oidc?to=${encodeURIComponent(to)}`,
        (next) => !next.includes("127.0.0.1") && !isCallback(next),
      );
    assert.equal(new URL(page.location ?? "").origin, t.origin, to);
  }
});

/** Everything up to the way back, which is then gone as the test wants. */
async function comeBack(t: Awaited<ReturnType<typeof world>>, change: (url: URL) => void = () => undefined) {
  const browser = t.browser();
  const page = await browser.walk(`${t.origin}/sign-in/oidc`, isCallback);
  const callback = new URL(page.location ?? "");
  change(callback);
  return { browser, callback, page: await browser.get(callback.href) };
}

function codeOf({ body }: Page): string {
  return JSON.parse(body).error.code;
}

test("a code opens once", async () => {
  await using t = await world();
  const browser = t.browser();
  const { location = "" } = await browser.walk(`${t.origin}/sign-in/oidc`, isCallback);
  const pending = new Map(browser.cookies(t.origin));
  assert.equal((await browser.get(location)).status, 303);
  assert.equal(codeOf(await browser.get(location)), "sign-in-expired");
  for (const [name, value] of pending) browser.cookies(t.origin).set(name, value);
  const again = await browser.get(location);
  assert.deepEqual([again.status, codeOf(again)], [403, "refused"]);
  assert.equal(t.owners.length, 1);
});

test("who did not begin the sign-in cannot end it", async () => {
  await using t = await world();
  const victim = t.browser();
  await victim.get(`${t.origin}/sign-in/oidc`);
  const { location = "" } = await t.browser().walk(`${t.origin}/sign-in/oidc`, isCallback);
  assert.equal(codeOf(await victim.get(location)), "sign-in-expired", "in a browser that has begun another");
  assert.equal(codeOf(await t.browser().get(location)), "sign-in-expired", "in one that has begun none");
  assert.equal(t.owners.length, 0);
});

test("a sign-in is under way for ten minutes", async () => {
  await using t = await world();
  const browser = t.browser();
  const { location = "" } = await browser.walk(`${t.origin}/sign-in/oidc`, isCallback);
  await t.clock.advance(600_000);
  assert.equal(codeOf(await browser.get(location)), "sign-in-expired");
});

test("an answer that is not to this question is refused: the state, the code, the issuer that it names", async () => {
  await using t = await world();
  const changes: [code: string, change: (url: URL) => void][] = [
    ["sign-in-expired", (url) => url.searchParams.set("state", "another")],
    ["sign-in-expired", (url) => url.searchParams.delete("state")],
    ["refused", (url) => url.searchParams.set("code", "another")],
    ["refused", (url) => url.searchParams.delete("code")],
    ["refused", (url) => url.searchParams.set("iss", "https://id.evil.example")],
    ["refused", (url) => url.searchParams.delete("iss")],
    ["refused", (url) => url.searchParams.append("state", "twice")],
  ];
  for (const [code, change] of changes) {
    const { page } = await comeBack(t, change);
    assert.equal(codeOf(page), code, change.toString());
  }
  assert.equal(t.owners.length, 0);
  const refused = changes.filter(([code]) => code === "refused").length;
  assert.equal(t.verdicts.filter((verdict) => verdict.refused === "refused").length, refused);
});

test("what the provider itself refuses is said", async () => {
  await using t = await world();
  const { page } = await comeBack(t, (url) => {
    url.searchParams.delete("code");
    url.searchParams.set("error", "access_denied");
  });
  assert.deepEqual([page.status, codeOf(page)], [403, "refused"]);
});

test("an ID token for another question, of another issuer, for another client, too old, or signed by nobody is refused", async () => {
  await using t = await world();
  const browser = t.browser();
  const begun = await browser.get(`${t.origin}/sign-in/oidc`);
  const asked = new URL(begun.location ?? "");
  asked.searchParams.set("nonce", "another");
  const { location = "" } = await browser.walk(asked.href, isCallback);
  assert.equal(codeOf(await browser.get(location)), "refused", "nonce");

  const forge =
    (claims: object, keepSignature = true) =>
    (body: string) => {
      const answer = JSON.parse(body);
      const [head = "", payload = "", signature] = String(answer.id_token).split(".");
      const said = { ...JSON.parse(Buffer.from(payload, "base64url").toString()), ...claims };
      const forged = Buffer.from(JSON.stringify(said)).toString("base64url");
      const none = Buffer.from('{"alg":"none"}').toString("base64url");
      return JSON.stringify({
        ...answer,
        id_token: [keepSignature ? head : none, forged, keepSignature ? signature : ""].join("."),
      });
    };
  const forgeries = {
    claim: forge({ preferred_username: "root" }),
    unsigned: forge({}, false),
    issuer: forge({ iss: "https://id.evil.example" }),
    audience: forge({ aud: "another" }),
    expired: forge({ exp: 1 }),
    missing: (body: string) => JSON.stringify({ ...JSON.parse(body), id_token: undefined }),
    garbled: (body: string) => body.slice(1),
    endless: (body: string) => `${body}${" ".repeat(2 * 1024 * 1024)}`,
  };
  for (const [name, forgery] of Object.entries(forgeries)) {
    t.provider.tampered.set("/token", forgery);
    const { page } = await comeBack(t);
    assert.notEqual(page.status, 303, name);
    assert.doesNotMatch(page.body, /eyJ|secret/, name);
  }
  assert.equal(t.owners.length, 0);
  t.provider.tampered.clear();
  assert.equal((await comeBack(t)).page.status, 303);
});

test("a signature by a key that is not the provider's is refused", async () => {
  await using t = await world();
  t.provider.tampered.set("/jwks", (body) => {
    const said = JSON.parse(body);
    for (const key of said.keys)
      if (key.n) key.n = generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey.export({ format: "jwk" }).n;
    return JSON.stringify(said);
  });
  assert.equal(codeOf((await comeBack(t)).page), "refused");
  assert.equal(t.owners.length, 0);
});

test("whom no rule gives a role is told so, and has no session", async () => {
  await using t = await world();
  t.provider.person = { sub: "2", preferred_username: "mallory", groups: ["others"] };
  const { page, browser } = await comeBack(t);
  assert.deepEqual([page.status, codeOf(page)], [403, "no-role"]);
  assert.match(page.body, /mallory/);
  assert.deepEqual(t.verdicts, [{ person: "mallory", address: "127.0.0.1", refused: "no-role" }]);
  assert.equal(browser.cookies(t.origin).size, 0);
});

test("an address that is not said to be verified is nobody's name, and neither is nothing", async () => {
  await using t = await world({ usernameClaim: "email", scopes: "openid profile" });
  for (const email of [
    { email: "ana@example.com", email_verified: false },
    { email: "ana@example.com" },
    { email: "" },
    { email: ["x"] },
    {},
  ]) {
    t.provider.person = { sub: "3", groups: ["staff"], ...email };
    assert.equal(codeOf((await comeBack(t)).page), "no-name", JSON.stringify(email));
  }
  t.provider.person = { sub: "3", groups: ["staff"], email: "ana@example.com", email_verified: true };
  assert.equal((await comeBack(t)).page.status, 303);
  assert.equal(t.owners[0]?.name, "ana@example.com");
  await using trusting = await world({ usernameClaim: "email", trustEmail: true });
  trusting.provider.person = { sub: "3", groups: ["staff"], email: "ana@example.com" };
  assert.equal((await comeBack(trusting)).page.status, 303);
});

test("a provider that is away, broken or another one is said to be, and asked again later", async () => {
  await using t = await world();
  const path = "/.well-known/openid-configuration";
  for (const change of [() => "{", (body: string) => body.replaceAll(t.provider.issuer, "https://id.evil.example")]) {
    t.provider.tampered.set(path, change);
    const page = await t.browser().get(`${t.origin}/sign-in/oidc`);
    assert.deepEqual([page.status, codeOf(page)], [502, "provider-down"]);
    await t.clock.advance(3_000);
  }
  t.provider.tampered.clear();
  const browser = t.browser();
  const { location = "" } = await browser.walk(`${t.origin}/sign-in/oidc`, isCallback);
  await t.provider.stop();
  const page = await browser.get(location);
  assert.deepEqual([page.status, codeOf(page)], [502, "provider-down"]);
  assert.match(page.body, /ECONNREFUSED/);
});

test("a name with what nobody sees in it is nobody's", async () => {
  await using t = await world();
  for (const name of ["ana\u202e", "a\u200bna", "ana\n", "\ufeffana"]) {
    t.provider.person = { sub: "4", preferred_username: name, groups: ["staff"] };
    assert.equal(codeOf((await comeBack(t)).page), "no-name", JSON.stringify(name));
  }
});

test("a secret of the client that has changed counts with the next sign-in", async () => {
  let secret = clientSecret;
  await using t = await world({ clientSecret: async () => new SecretText(secret) });
  assert.equal((await comeBack(t)).page.status, 303);
  secret = "another";
  assert.equal(codeOf((await comeBack(t)).page), "refused");
  secret = clientSecret;
  assert.equal((await comeBack(t)).page.status, 303);
});

test("a wrong secret of the client is refused by the provider", async () => {
  await using t = await world({ clientSecret: async () => new SecretText("another") });
  const { page } = await comeBack(t);
  assert.equal(codeOf(page), "refused");
  assert.doesNotMatch(page.body, /another/);
});

test("strangers cannot make the agent ask the provider without end, and keep nobody from beginning", async () => {
  await using t = await world();
  const one = t.browser();
  const { location = "" } = await one.walk(`${t.origin}/sign-in/oidc`, isCallback);
  const pending = new Map(one.cookies(t.origin));
  const { searchParams } = new URL(location);
  searchParams.set("code", "guessed");
  const guess = async (): Promise<number> => {
    const browser = t.browser();
    await browser.get(`${t.origin}/nothing`);
    for (const [name, value] of pending) browser.cookies(t.origin).set(name, value);
    return (await browser.get(`${t.origin}/sign-in/oidc/callback?${searchParams}`)).status;
  };
  const statuses: number[] = [];
  for (let n = 0; n < 60; n += 1) statuses.push(await guess());
  assert.deepEqual(
    [403, 429].map((status) => statuses.filter((one) => one === status).length),
    [50, 10],
  );
  assert.equal((await t.browser().get(`${t.origin}/sign-in/oidc`)).status, 303);
  await t.clock.advance(1_000);
  assert.equal((await one.get(location)).status, 303);
});

test("a provider with a CA of its own is asked under the roots that are given, read anew each time, and under no others", async () => {
  const { keyPem: key, certPem: cert } = selfSignedCertificate(Date.now());
  let roots = selfSignedCertificate(Date.now()).certPem;
  await using t = await world({ ca: async () => roots }, { key, cert });
  const refused = await t.browser().get(`${t.origin}/sign-in/oidc`);
  assert.deepEqual([refused.status, codeOf(refused)], [502, "provider-down"]);
  assert.match(refused.body, /self-signed/);
  roots = cert;
  await t.clock.advance(5_000);
  const page = await t.browser().walk(`${t.origin}/sign-in/oidc?to=/peers`, (next) => next.endsWith("/peers"));
  assert.equal(page.status, 303);
  assert.deepEqual(t.owners, [{ kind: "oidc", name: "ana", issuer: t.provider.issuer, groups: ["staff"] }]);
});
