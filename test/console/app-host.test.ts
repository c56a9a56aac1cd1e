import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createFakeClock } from "../base/fake-clock.ts";
import { admin, bearer, type ConsoleWorld, startConsole, token } from "./console-world.ts";

async function get(world: ConsoleWorld, url: string, headers: Record<string, string> = {}) {
  const { host, pathname, search } = new URL(url);
  return world.ask(pathname + search, { headers: { host, ...headers } });
}

function openAt(world: ConsoleWorld, name: string, path?: string): string {
  const opened = world.server.open({ namespace: "shop", name, ...(path !== undefined && { path }) }, admin);
  assert.ok(opened.ok, opened.ok ? "" : opened.problem.detail);
  return opened.url;
}

describe("an app's host", () => {
  test("lets a browser in by a one-time code and keeps it in by a cookie of that host alone", async () => {
    await using world = await startConsole();
    await world.run("web", (req, res) => res.end(`${req.url} for ${req.headers.host} cookie ${req.headers.cookie}`));
    const host = `web-shop-http.localhost:${world.port}`;
    assert.equal((await world.ask("/", { headers: { host } })).status, 401);

    const entered = await get(world, openAt(world, "web", "/a?b=c#d"));
    assert.equal(entered.status, 303);
    assert.equal(entered.headers.location, "/a?b=c#d");
    const [setCookie = ""] = entered.headers["set-cookie"] ?? [];
    assert.match(setCookie, /^fairlead-app=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax$/);
    const cookie = setCookie.split(";")[0] ?? "";
    const page = await world.ask("/a?b=c", { headers: { host, cookie: `own=1; ${cookie}` } });
    assert.equal(page.text, `/a?b=c for ${host} cookie own=1`);
  });

  test("takes a code once", async () => {
    await using world = await startConsole();
    await world.run("web", (_req, res) => res.end("in"));
    const url = openAt(world, "web");
    assert.equal((await get(world, url)).status, 303);
    const again = await get(world, url);
    assert.equal(again.status, 401);
    assert.equal(again.headers["set-cookie"], undefined);
  });

  test("takes no code for another host, and none that is older than 60 s", async () => {
    const clock = createFakeClock();
    await using world = await startConsole({ clock });
    await world.run("web", (_req, res) => res.end("web"));
    await world.run("other", (_req, res) => res.end("other"));
    const stolen = openAt(world, "web").replace("//web-", "//other-");
    assert.equal((await get(world, stolen)).status, 401);
    assert.equal((await get(world, stolen.replace("//other-", "//web-"))).status, 401, "it is used up by then");
    const late = openAt(world, "web");
    await clock.advance(60_001);
    assert.equal((await get(world, late)).status, 401);
  });

  test("takes no cookie of another host, and none of an app that was deleted and made again", async () => {
    await using world = await startConsole();
    const web = await world.run("web", (_req, res) => res.end("web"));
    await world.run("other", (_req, res) => res.end("other"));
    const cookie = await world.signIn("web");
    const at = (label: string) => world.ask("/", { headers: { host: `${label}.localhost:${world.port}`, cookie } });
    assert.equal((await at("web-shop-http")).status, 200);
    assert.equal((await at("other-shop-http")).status, 401);
    assert.equal((await at(`web-shop-${web.ports[0]?.number}`)).status, 401, "the same app by its other name");
    world.show({ ...web, uid: "another" });
    assert.equal((await at("web-shop-http")).status, 401);
  });

  test("finds the right one among tossed cookies of the same name", async () => {
    await using world = await startConsole();
    await world.run("web", (req, res) => res.end(String(req.headers.cookie)));
    const cookie = await world.signIn("web");
    const host = `web-shop-http.localhost:${world.port}`;
    // A browser keeps 180 cookies of a domain, and sends those of longer paths first.
    const tossed = "fairlead-app=tossed; ".repeat(180);
    const answer = await world.ask("/", { headers: { host, cookie: `${tossed}${cookie}; a=1` } });
    assert.equal(answer.text, "a=1");
  });

  test("keeps the app's own Authorization and strips a token of the console's, which opens nothing here", async () => {
    await using world = await startConsole();
    await world.run("web", (req, res) => res.end(String(req.headers.authorization)));
    const host = `web-shop-http.localhost:${world.port}`;
    assert.equal((await world.ask("/", { headers: { host, ...bearer } })).status, 401);
    const cookie = await world.signIn("web");
    const basic = await world.ask("/", { headers: { host, cookie, authorization: "Basic eDp5" } });
    assert.equal(basic.text, "Basic eDp5");
    const console = await world.ask("/", { headers: { host, cookie, authorization: `Bearer ${token}` } });
    assert.equal(console.text, "undefined");
  });

  test("refuses what another site's page does in the visitor's name, and lets links in", async () => {
    await using world = await startConsole();
    await world.run("web", (_req, res) => res.end("done"));
    const cookie = await world.signIn("web");
    const host = `web-shop-http.localhost:${world.port}`;
    const from = (headers: Record<string, string>, method = "GET") =>
      world.ask("/", { method, headers: { host, cookie, ...headers } }).then(({ status }) => status);
    const evil = "http://evil-shop-http.localhost:8000";
    assert.equal(await from({ origin: evil, "sec-fetch-site": "same-site", "sec-fetch-mode": "cors" }), 403);
    assert.equal(
      await from({ origin: evil, "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" }, "POST"),
      403,
    );
    assert.equal(await from({ origin: evil }, "POST"), 403);
    assert.equal(await from({ origin: "null" }, "POST"), 403);
    const navigate = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" };
    assert.equal(await from({ ...navigate, "sec-fetch-dest": "iframe" }), 403);
    assert.equal(await from({ ...navigate, "sec-fetch-dest": "document" }), 200);
    assert.equal(await from({ ...navigate, "sec-fetch-dest": "document" }, "POST"), 403);
    assert.equal(await from({ origin: `http://${host}`, "sec-fetch-site": "same-origin" }, "POST"), 200);
    assert.equal(await from({ origin: `http://${host}` }, "DELETE"), 200);
  });

  test("tells a browser that does not say who asks to name the app's own page, and to show it in no other", async () => {
    await using world = await startConsole();
    await world.run("web", (_req, res) => {
      res.setHeader("Content-Security-Policy", "script-src 'self'");
      res.setHeader("Referrer-Policy", "no-referrer");
      res.end("app");
    });
    const cookie = await world.signIn("web");
    const headers = { host: `web-shop-http.localhost:${world.port}`, cookie };
    const browser = { ...headers, "user-agent": "Mozilla/5.0", "upgrade-insecure-requests": "1" };
    const shielded = await world.ask("/", { headers: browser });
    assert.equal(shielded.headers["content-security-policy"], "script-src 'self', frame-ancestors 'self'");
    assert.equal(shielded.headers["referrer-policy"], "no-referrer, same-origin", "the last one counts");
    for (const plain of [headers, { ...browser, "sec-fetch-site": "none" }]) {
      const answer = await world.ask("/", { headers: plain });
      assert.equal(answer.headers["content-security-policy"], "script-src 'self'");
      assert.equal(answer.headers["referrer-policy"], "no-referrer");
    }
    const { "upgrade-insecure-requests": _, ...picture } = browser;
    assert.equal((await world.ask("/", { headers: picture })).status, 403);
  });

  test("never shows the console, and the console's host never shows an app", async () => {
    await using world = await startConsole();
    await world.run("web", (_req, res) => res.end("app"));
    const unknown = await world.ask("/apps/shop/web/http/", { headers: { host: "nothing-here.localhost", ...bearer } });
    assert.equal(unknown.status, 404);
    assert.equal(JSON.parse(unknown.text).error.code, "no-such-app");
    const page = await world.ask("/", { headers: { host: "nothing.localhost", accept: "text/html" } });
    assert.match(page.headers["content-type"] ?? "", /text\/html/);
    assert.match(page.text, /No app of this cluster is shown at nothing\.localhost/);
    const cookie = await world.signIn("web");
    const console = await world.ask("/", { headers: { host: "localhost", cookie } });
    assert.equal(console.status, 404);
    assert.match(String(console.headers["content-security-policy"]), /default-src 'none'.*frame-ancestors 'none'/);
  });

  test("keeps its own paths from the app, however they are written", async () => {
    await using world = await startConsole();
    let reached = 0;
    await world.run("web", (_req, res) => {
      reached += 1;
      res.end();
    });
    const cookie = await world.signIn("web");
    const host = `web-shop-http.localhost:${world.port}`;
    for (const path of [
      "/.fairlead",
      "/.fairlead/x",
      "//.fairlead/session",
      "/a/../.fairlead/session",
      "/%2efairlead/session",
    ]) {
      assert.equal((await world.ask(path, { headers: { host, cookie } })).status, 404, path);
    }
    assert.equal(reached, 0);
  });

  test("gives no address that would leave the host, and none for what cannot be shown", async () => {
    await using world = await startConsole();
    const app = await world.run("web", (_req, res) => res.end());
    for (const path of ["//evil.example", "/\\evil.example", "http://evil.example/", "/.//evil.example", "x"]) {
      const opened = world.server.open({ namespace: "shop", name: "web", path }, admin);
      assert.ok(!opened.ok, path);
    }
    world.show({ ...app, name: "db", ports: [{ name: "pg", number: 5432, appProtocol: "tcp" }] });
    const code = (asked: { name: string; port?: string }) => {
      const opened = world.server.open({ namespace: "shop", ...asked }, admin);
      return opened.ok ? "opened" : opened.problem.code;
    };
    assert.equal(code({ name: "none" }), "no-such-app");
    assert.equal(code({ name: "db" }), "no-such-port");
    assert.equal(code({ name: "db", port: "pg" }), "not-http");
    assert.equal(code({ name: "web", port: "nope" }), "no-such-port");
  });

  test("lead the way by which the caller came, else the one that the operator names, over TLS if that was", async () => {
    for (const { consoleUrl, ways, page } of [
      {
        consoleUrl: undefined,
        ways: [
          ["127.0.0.1:45678", false, "http://web-shop-http.localhost:45678"],
          ["console.example:8443", true, "https://web-shop-http.localhost:8443"],
          ["console.example", true, "https://web-shop-http.localhost"],
          ["fairlead", false, undefined],
        ],
        page: undefined,
      },
      {
        consoleUrl: "https://console.example:9443",
        ways: [
          ["127.0.0.1:45678", false, "http://web-shop-http.localhost:45678"],
          ["fairlead", false, "https://web-shop-http.localhost:9443"],
        ],
        page: "https://web-shop-http.localhost:9443/",
      },
      { consoleUrl: "https://console.example", ways: [], page: "https://web-shop-http.localhost/" },
    ] as const) {
      await using world = await startConsole({ consoleUrl });
      await world.run("web", (_req, res) => res.end());
      for (const [authority, secure, host] of ways) {
        const opened = world.server.open({ namespace: "shop", name: "web" }, admin, { authority, secure });
        assert.ok(opened.ok);
        assert.equal(opened.host, host ?? `http://web-shop-http.localhost:${world.port}`);
      }
      assert.equal(world.server.pageOf("shop", "web"), page ?? `http://web-shop-http.localhost:${world.port}/`);
    }
  });
});
