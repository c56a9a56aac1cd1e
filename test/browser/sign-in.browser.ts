/** Signing in with a real Chromium: by a password and at a provider of another site, at each of the addresses that a console has. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { after, before, describe, test } from "node:test";
import { createServer as createTlsServer } from "node:tls";
import { systemClock } from "../../src/base/clock.ts";
import { SecretText } from "../../src/base/secret-text.ts";
import { createPageSource } from "../../src/console/pages/page-source.ts";
import { servePages } from "../../src/console/pages/pages.ts";
import { issueServerLeaf } from "../../src/identity/leaf.ts";
import { authority } from "../console/console-world.ts";
import { clientId, clientSecret, startProvider } from "../console/oidc/provider.ts";
import { startSignIn } from "../console/sign-in/world.ts";
import { startBrowser, type TestBrowser } from "./chromium.ts";

let browser: TestBrowser;
before(async () => {
  browser = await startBrowser({ names: ["apps.example"] });
});
after(() => browser[Symbol.asyncDispose]());

/** A call as the console's page makes it: its status and what it says. */
const calls = (method: string, message: object): string => `
  fetch("/fairlead.console.v1.${method}", {
    method: "POST", headers: { "content-type": "application/json" }, body: ${JSON.stringify(JSON.stringify(message))},
  }).then(async (answer) => ({ status: answer.status, body: await answer.json() }))`;

interface Called {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

async function world(o: { withPages?: boolean } = {}) {
  const provider = await startProvider();
  const t = await startSignIn({
    clock: systemClock,
    domain: "apps.example",
    ...(o.withPages && { pages: (app) => servePages(app, { ...createPageSource(), clock: systemClock }) }),
    settings: {
      oidc: {
        issuer: provider.issuer,
        name: "the tests",
        clientId,
        clientSecret: async () => new SecretText(clientSecret),
        scopes: "openid profile",
        usernameClaim: "preferred_username",
        groupsClaim: "groups",
        trustEmail: false,
        roles: [{ group: "staff", role: "viewer" }],
      },
      kubernetes: undefined,
    },
  });
  const { port } = t.console;
  const origins = [`http://localhost:${port}`, `http://127.0.0.1:${port}`, `https://apps.example:${port}`];
  provider.register(origins.map((origin) => `${origin}/sign-in/oidc/callback`));
  return {
    ...{ t, provider, port, origins },
    async [Symbol.asyncDispose]() {
      await t[Symbol.asyncDispose]();
      await provider[Symbol.asyncDispose]();
    },
  };
}

describe("a person with a browser", () => {
  test("signs in by a password where nobody else can read, is known by a cookie that no page reads, and signs out", async () => {
    await using w = await world();
    for (const origin of w.origins) {
      const visitor = await browser.visitor({ bypassCSP: true });
      const page = await visitor.newPage();
      const call = (method: string, message: object = {}) => page.evaluate<Called>(calls(method, message));
      await page.goto(origin);
      const options = await call("SignInService/GetSignInOptions");
      assert.deepEqual(options.body, { password: true, provider: "the tests", providerPath: "/sign-in/oidc" });
      assert.equal((await call("PeerService/ListPeers")).status, 401);
      const signedIn = await call("SignInService/SignIn", { name: "ana", password: "correct horse battery" });
      assert.equal(signedIn.status, 200, origin);
      assert.equal((await call("PeerService/ListPeers")).status, 200, origin);
      assert.equal(await page.evaluate("document.cookie"), "");
      await page.reload();
      assert.equal((await call("PeerService/ListPeers")).status, 200, "also after the page was loaded anew");
      assert.equal((await call("SignInService/SignOut")).status, 200);
      assert.equal((await call("PeerService/ListPeers")).status, 401);
      const left = (await visitor.cookies()).map(({ name }) => name);
      assert.deepEqual(left, [`__Host-fairlead-known-${w.port}`]);
      await visitor.close();
    }
  });

  test("does not sign in in clear, and is told where instead", async () => {
    await using w = await world();
    const visitor = await browser.visitor({ bypassCSP: true });
    const page = await visitor.newPage();
    await page.goto(`http://apps.example:${w.port}`);
    const message = { name: "ana", password: "correct horse battery" };
    const refused = await page.evaluate<Called>(calls("SignInService/SignIn", message));
    assert.equal(refused.status, 400);
    assert.match(String(refused.body.message), new RegExp(`https://apps\\.example:${w.port}`));
    const answer = await page.goto(`http://apps.example:${w.port}/sign-in/oidc`);
    assert.equal(answer?.status(), 403);
    assert.match(await page.innerText("main"), /https:\/\/apps\.example/);
    assert.deepEqual(await visitor.cookies(), []);
    await visitor.close();
  });

  test("signs in through what ends TLS before the console, and not where that passes on what came in clear", async (context) => {
    const { certPem, keyPem } = issueServerLeaf(authority, [{ dns: "apps.example" }], Date.now(), 3_600_000);
    let behind = 0;
    const passOn = (socket: Socket): void => {
      const onward = connect(behind, "127.0.0.1");
      socket.on("error", () => onward.destroy()).pipe(onward);
      onward.on("error", () => socket.destroy()).pipe(socket);
    };
    const ending = createTlsServer({ cert: certPem, key: keyPem.reveal() }, passOn).listen(0, "127.0.0.1");
    const passing = createServer(passOn).listen(0, "127.0.0.1");
    context.after(() => {
      ending.close();
      passing.close();
    });
    await Promise.all([once(ending, "listening"), once(passing, "listening")]);
    const portOf = (server: Server): number => (server.address() as AddressInfo).port;
    const consoleUrl = `https://apps.example:${portOf(ending)}/`;
    await using t = await startSignIn({ clock: systemClock, consoleUrl });
    behind = t.console.port;
    const visitor = await browser.visitor({ bypassCSP: true });
    const page = await visitor.newPage();
    const call = (method: string, message: object = {}) => page.evaluate<Called>(calls(method, message));
    const ana = { name: "ana", password: "correct horse battery" };
    await page.goto(`http://apps.example:${portOf(passing)}`);
    const refused = await call("SignInService/SignIn", ana);
    assert.equal(refused.status, 400);
    assert.ok(String(refused.body.message).includes(consoleUrl.slice(0, -1)));
    await page.goto(consoleUrl);
    assert.equal((await call("SignInService/SignIn", ana)).status, 200);
    assert.equal((await call("PeerService/ListPeers")).status, 200);
    await page.goto(`http://apps.example:${portOf(passing)}`);
    assert.equal((await call("PeerService/ListPeers")).status, 401);
    await visitor.close();
  });

  test("signs in at a provider of another site, and comes back known", async () => {
    await using w = await world();
    for (const origin of w.origins) {
      const visitor = await browser.visitor({ bypassCSP: true });
      const page = await visitor.newPage();
      const answer = await page.goto(`${origin}/sign-in/oidc?to=/somewhere%3Fa`);
      assert.equal(page.url(), `${origin}/somewhere?a`);
      assert.equal(answer?.status(), 404, "a page that is none");
      assert.equal((await page.evaluate<Called>(calls("PeerService/ListPeers", {}))).status, 200, origin);
      const cookies = (await visitor.cookies(origin)).filter(({ name }) => name.startsWith("__Host-fairlead"));
      assert.deepEqual(
        cookies.map(({ name, sameSite, secure, httpOnly }) => ({ name, sameSite, secure, httpOnly })),
        [{ name: `__Host-fairlead-${w.port}`, sameSite: "Strict", secure: true, httpOnly: true }],
      );
      await visitor.close();
    }
    assert.deepEqual(
      w.t.signIn.sessions.list().map(({ kind, user }) => `${kind} ${user}`),
      ["oidc oidc:ana", "oidc oidc:ana", "oidc oidc:ana"],
    );
  });

  test("goes by the console's own page to the provider, and is where they wanted to be when they come back", async () => {
    await using w = await world({ withPages: true });
    const visitor = await browser.visitor();
    const page = await visitor.newPage();
    const [wanted] = w.origins.map((origin) => `${origin}/apps?q=shop`);
    await page.goto(wanted ?? "");
    await page.getByRole("link", { name: "Sign in with the tests" }).click();
    await page.getByTitle("Sign out (oidc:ana").waitFor();
    assert.equal(page.url(), wanted);
    await visitor.close();
  });
});
