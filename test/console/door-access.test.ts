import assert from "node:assert/strict";
import { argon2Sync, randomBytes } from "node:crypto";
import type { RequestListener } from "node:http";
import { describe, test } from "node:test";
import { createFakeClock } from "../base/fake-clock.ts";
import { until } from "../patience.ts";
import { admin, bearer, startConsole } from "./console-world.ts";

const host = { host: "web-shop-http.localhost" };
const ref = { namespace: "shop", name: "web" };

const tell: RequestListener = (req, res) => res.end(JSON.stringify(req.headers));

function basic(user: string, password: string): { authorization: string } {
  return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}` };
}

describe("an app whose door says who gets in", () => {
  test("is open to everybody when it is public, and its own Authorization and cookies are the app's", async () => {
    await using world = await startConsole();
    await world.run("web", tell, { door: { access: "Public" } });
    const foreign = { origin: "http://other.example", "sec-fetch-site": "cross-site" };
    const answer = await world.ask("/", {
      method: "POST",
      headers: { ...host, ...foreign, ...basic("a", "b"), cookie: "a=1; fairlead-app=2" },
    });
    assert.equal(answer.status, 200);
    const seen = JSON.parse(answer.text);
    assert.equal(seen.authorization, basic("a", "b").authorization);
    assert.equal(seen.cookie, "a=1");
    // A token of the console's is kept from it all the same.
    assert.equal(JSON.parse((await world.ask("/", { headers: { ...host, ...bearer } })).text).authorization, undefined);
    const opened = world.server.open(ref, admin);
    assert.ok(opened.ok && !opened.url.includes("code="));
    assert.equal((await world.ask("/apps/shop/web/http/")).status, 401, "the path door takes tokens as ever");
  });

  test("is for programs when it asks for a token, which the app never sees", async () => {
    await using world = await startConsole();
    const app = await world.run("web", tell);
    const cookie = await world.signIn("web");
    world.show({ ...app, door: { access: "Token" } });
    const none = await world.ask("/", { headers: { ...host, cookie } });
    assert.equal(none.status, 401);
    assert.match(none.headers["www-authenticate"] ?? "", /^Bearer/);
    assert.equal((await world.ask("/", { headers: { ...host, authorization: "Bearer flt_wrong" } })).status, 401);
    const answer = await world.ask("/", { headers: { ...host, ...bearer } });
    assert.equal(answer.status, 200);
    assert.equal(JSON.parse(answer.text).authorization, undefined);
    assert.equal(world.server.open(ref, admin).ok, false);
  });

  test("is for those with a password when it asks for one, in clear or hashed, which the app never sees", async () => {
    await using world = await startConsole();
    await world.run("web", tell, { door: { access: "Basic", basicAuthSecret: "people" } });
    const ask = (headers: Record<string, string>) => world.ask("/", { headers: { ...host, ...headers } });
    assert.equal((await ask(basic("ana", "secret"))).status, 503, "without the Secret nobody gets in");
    const nonce = randomBytes(16);
    const parameters = { message: "hashed", nonce, memory: 1024, passes: 1, parallelism: 1, tagLength: 32 };
    const text = (bytes: Buffer) => bytes.toString("base64").replace(/=+$/, "");
    const hash = `$argon2id$v=19$m=1024,t=1,p=1$${text(nonce)}$${text(argon2Sync("argon2id", parameters))}`;
    const auth = `# people\nbob:${hash}\neve:$2y$05$unknownkindofhash\n:\nnobody:\nhuge:$argon2id$v=19$m=99999999,t=1,p=1$AAAA$AAAAAAAAAAAAAAAAAAAAAAAA\n`;
    world.contents.set("Secret shop/people", { username: "ana", password: "secret", auth });
    const asked = await ask({});
    assert.equal(asked.status, 401);
    assert.equal(asked.headers["www-authenticate"], 'Basic realm="web", charset="UTF-8"');
    for (const good of [basic("ana", "secret"), basic("bob", "hashed"), basic("bob", "hashed")]) {
      const answer = await ask(good);
      assert.equal(answer.status, 200);
      assert.equal(JSON.parse(answer.text).authorization, undefined);
    }
    for (const [user, password] of [
      ["ana", "wrong"],
      ["bob", "secret"],
      ["bob", hash],
      ["eve", "$2y$05$unknownkindofhash"],
      ["eve", ""],
      ["nobody", ""],
      ["", ""],
      ["huge", "x"],
    ] as const) {
      assert.equal((await ask(basic(user, password))).status, 401, `${user}:${password}`);
    }
    assert.equal((await ask(bearer)).status, 401);
    // The browser would send the password along for any page that makes it ask.
    const foreign = await world.ask("/", {
      method: "POST",
      headers: { ...host, ...basic("ana", "secret"), origin: "http://evil.example", "sec-fetch-site": "cross-site" },
    });
    assert.equal(foreign.status, 403);
    world.contents.set("Secret shop/people", { username: "ana", password: "changed" });
    assert.equal((await ask(basic("ana", "secret"))).status, 401, "what was right before is not now");
    assert.ok(world.agents.audited.origin.some(({ actor }) => actor.person === "basic:ana"));
  });

  test("stops guessing after twenty wrong passwords, and lets in who was in", async () => {
    const clock = createFakeClock();
    await using world = await startConsole({ clock });
    await world.run("web", tell, { door: { access: "Basic", basicAuthSecret: "people" } });
    world.contents.set("Secret shop/people", { username: "ana", password: "secret" });
    const ask = async (password: string) =>
      (await world.ask("/", { headers: { ...host, ...basic("ana", password) } })).status;
    assert.equal(await ask("secret"), 200);
    for (let i = 0; i < 20; i += 1) assert.equal(await ask(`${i}`), 401);
    assert.equal(await ask("20"), 429);
    assert.equal(await ask("secret"), 200);
    clock.advance(1_000);
    assert.equal(await ask("21"), 401);
  });
});

describe("an app whose door says how fast", () => {
  test("answers 429 with Retry-After to what comes beyond its requests a second, at either door", async () => {
    const clock = createFakeClock();
    await using world = await startConsole({ clock });
    const app = await world.run("web", tell, { door: { access: "Public", requestsPerSecond: 3 } });
    const ask = async () => (await world.ask("/", { headers: host })).status;
    assert.deepEqual([await ask(), await ask(), await ask(), await ask()], [200, 200, 200, 429]);
    const late = await world.ask("/apps/shop/web/http/", { headers: bearer });
    assert.equal(late.status, 429);
    assert.equal(late.headers["retry-after"], "1");
    assert.equal(JSON.parse(late.text).error.code, "too-many-requests");
    clock.advance(400);
    assert.deepEqual([await ask(), await ask()], [200, 429]);
    world.show({ ...app, door: { access: "Public" } });
    assert.equal(await ask(), 200);
  });

  test("slows its bytes down to what it says, and a break still looks like one", async () => {
    await using world = await startConsole();
    const body = randomBytes(1_500_000);
    let gone = false;
    let breakOff = (): void => undefined;
    await world.run(
      "web",
      (req, res) => {
        if (req.url === "/wait") {
          res.write("first");
          res.once("close", () => {
            gone = true;
          });
        } else if (req.url === "/break") {
          res.write("half");
          breakOff = () => req.socket.destroy();
        } else res.end(body);
      },
      { door: { access: "Public", bytesPerSecond: 1_000_000 } },
    );
    const startedAt = performance.now();
    const answer = await fetch(`http://127.0.0.1:${world.port}/apps/shop/web/http/`, { headers: bearer });
    assert.deepEqual(Buffer.from(await answer.arrayBuffer()), body);
    assert.ok(performance.now() - startedAt > 1_000);
    const broken = await fetch(`http://127.0.0.1:${world.port}/apps/shop/web/http/break`, { headers: bearer });
    breakOff();
    await assert.rejects(broken.text());
    const leaving = new AbortController();
    const { signal } = leaving;
    await fetch(`http://127.0.0.1:${world.port}/apps/shop/web/http/wait`, { headers: bearer, signal });
    leaving.abort();
    await until("the app notices that its client has gone", () => gone);
    await until("nothing is left at the host", () => world.agents.host.exit.size === 0);
  });
});
