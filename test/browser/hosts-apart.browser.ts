/** What a real Chromium keeps apart between the console and the apps, and what of it is the doors' doing: cookies, frames, windows, storage, codes, names. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { BrowserContext, Page } from "playwright-core";
import { until } from "../patience.ts";
import { startBrowser, type TestBrowser } from "./chromium.ts";
import { type Landscape, ownPage, secret, startLandscape, type Way, ways } from "./landscape.ts";

/** A name of somebody else's that leads to this machine by now, though the page came from elsewhere. */
const rebound = "rebound.example";

const asksForPeers = `fetch("/fairlead.console.v1.PeerService/ListPeers", {
  method: "POST", headers: { "content-type": "application/json" }, body: "{}",
}).then(({ status }) => status)`;
const opensSession = `new Promise((resolve) => {
  const socket = new WebSocket(location.origin.replace("http", "ws") + "/session");
  socket.onopen = () => resolve("open");
  socket.onerror = () => resolve("refused");
})`;
const tosses = (domain: string, name: string): string => `
  for (const more of ["", "; Secure", "; Domain=${domain}", "; Domain=${domain}; Secure"]) {
    document.cookie = "${name}=tossed; Path=/" + more;
    document.cookie = "${name}=tossed; Path=/fairlead.console.v1.PeerService" + more;
  }`;

let browser: TestBrowser;
before(async () => {
  browser = await startBrowser({ names: ["apps.example", "*.apps.example", rebound] });
});
after(() => browser[Symbol.asyncDispose]());

for (const way of ways) describe(`hosts ${way.name}`, () => keepApart(way));

function keepApart(way: Way): void {
  let land: Landscape;
  let visitor: BrowserContext;
  let page: Page;
  const isSecure = way.scheme === "https" || way.domain === "localhost";
  const cookieName = way.scheme === "https" ? "__Host-fairlead-app" : "fairlead-app";
  before(async () => {
    land = await startLandscape(way);
    visitor = await browser.visitor();
    page = await land.visit(visitor);
  });
  after(async () => {
    await visitor.close();
    await land[Symbol.asyncDispose]();
  });

  test("keep their cookies to themselves, and no app is shown one of the console's or of a door", async () => {
    assert.equal(await page.evaluate("document.cookie"), "own-evil=1", "no other, and not its own session");
    const cookies = await visitor.cookies();
    const wide = cookies.filter(({ domain }) => domain.startsWith(".") && !domain.startsWith(".careless."));
    assert.deepEqual(wide, [], "what an app sets for more than its host is dropped");
    const sessions = cookies.filter(({ name }) => name === cookieName);
    assert.equal(sessions.length, 2);
    for (const { httpOnly, sameSite, secure } of sessions) {
      assert.deepEqual([httpOnly, sameSite, secure], [true, "Lax", way.scheme === "https"]);
    }
    for (const origin of [land.origins.web, land.origins.basic, land.origins.evil]) await page.goto(origin);
    const shown = land.credentials.join("\n");
    assert.match(shown, /own-web=1/);
    for (const hidden of [land.consoleCookie, cookieName, "Basic ", ...sessions.map(({ value }) => value)]) {
      assert.ok(!shown.includes(hidden), hidden);
    }
  });

  test("let the console's own page in by its cookie, which no page can read, where a browser keeps it at all", async () => {
    const own = await visitor.newPage();
    await own.goto(land.origins.console + ownPage);
    assert.equal(await own.evaluate("document.cookie"), "");
    const cookies = await visitor.cookies(land.origins.console);
    const { port } = new URL(land.origins.console);
    assert.deepEqual(
      cookies.map(({ name, httpOnly, secure, sameSite }) => ({ name, httpOnly, secure, sameSite })),
      isSecure ? [{ name: `__Host-fairlead-${port}`, httpOnly: true, secure: true, sameSite: "Strict" }] : [],
    );
    assert.equal(await own.evaluate(asksForPeers), isSecure ? 200 : 401);
    assert.equal(await own.evaluate(opensSession), isSecure ? "open" : "refused");
    for (const origin of [land.origins.web, land.origins.evil, land.origins.careless]) {
      await own.goto(origin);
      const { host } = new URL(land.origins.console);
      await own.evaluate(tosses(host.replace(/:\d+$/, ""), `__Host-fairlead-${port}`));
    }
    await own.goto(land.origins.console + ownPage);
    assert.equal(await own.evaluate(asksForPeers), isSecure ? 200 : 401, "whatever other hosts have set");
    await own.close();
  });

  test("hide no session and open no door by cookies that a page tosses at the others", async () => {
    const victim = await browser.visitor();
    const evil = await land.visit(victim);
    const mine = (await victim.cookies(land.origins.evil)).find(({ name }) => name === cookieName)?.value ?? "";
    const path = "/a/b/c/d/e/f/g/h/i/j/k/l";
    // The cookies of longer paths come first.
    const paths = path.split("/").map((_, index, all) => all.slice(0, index + 1).join("/") || "/");
    const cookies = paths.map(
      (at) => `${cookieName}=${mine}; Domain=${way.domain}; Path=${at}; ${way.scheme === "https" ? "Secure" : ""}`,
    );
    await evil.evaluate(`for (const cookie of ${JSON.stringify(cookies)}) document.cookie = cookie`);
    const tossed = (await victim.cookies(land.origins.web + path)).filter(({ value }) => value === mine);
    // No cookie is for all of localhost, and none by the name that is kept in TLS is for more than a host.
    assert.equal(tossed.length, isSecure ? 0 : paths.length);

    const other = await victim.newPage();
    assert.equal((await other.goto(land.origins.web + path))?.status(), 200);
    assert.equal(land.seen.at(-1), `web GET ${path}`);
    const stranger = await browser.visitor();
    await stranger.addCookies(tossed);
    await stranger.addCookies([
      { name: cookieName, value: mine, url: land.origins.web, secure: way.scheme === "https" },
    ]);
    const outside = await stranger.newPage();
    assert.equal((await outside.goto(land.origins.web + path))?.status(), 401, "one app's session opens no other");
    await stranger.close();
    await victim.close();
  });

  test("show nothing of the console, of a door's own pages or of another app in a frame", async () => {
    const { console, web, basic } = land.origins;
    const urls = [
      console,
      `${console}/apps/shop/web/http/`,
      `${console}/peers/there/kubernetes/`,
      `${console}/nothing`,
      `${web}/`,
      `${web}/.fairlead/session?code=x`,
      `${basic}/`,
    ];
    for (const url of urls) {
      await page.goto(land.origins.evil);
      await page.evaluate(`new Promise((done) => {
        const frame = Object.assign(document.createElement("iframe"), { src: ${JSON.stringify(url)}, onload: done });
        document.body.append(frame);
      })`);
      // The page knows of its frame's end before the browser's driver does.
      const shown = (): string => page.frames()[1]?.url() ?? "";
      await until("the frame shows something", () => !["", "about:blank"].includes(shown()));
      assert.match(shown(), /^chrome-error:/, url);
    }
    await page.goto(land.origins.web);
    await page.evaluate(
      `new Promise((done) => document.body.append(Object.assign(document.createElement("iframe"), { src: "/own", onload: done })))`,
    );
    assert.equal(await page.frameLocator("iframe").locator("body").innerText(), secret, "its own page may");
  });

  test("give a page no hold on the windows that it opens", async () => {
    for (const [url, severed] of [
      [`${land.origins.console}/`, isSecure],
      [`${land.origins.console}/peers/there/kubernetes/`, isSecure],
      [`${land.origins.web}/.fairlead/session?code=x`, isSecure],
      [`${land.origins.web}/`, false],
    ] as const) {
      await page.goto(land.origins.evil);
      const opening = page.waitForEvent("popup");
      await page.evaluate(`globalThis.opened = window.open(${JSON.stringify(url)}); void 0`);
      const popup = await opening;
      await popup.waitForURL(url);
      const read = `(() => { try { return opened.document.body.innerText } catch (error) { return error.name } })()`;
      const got = await page.evaluate(read);
      assert.ok(got === "SecurityError" || got === "TypeError" || got === "", `${url}: ${got}`);
      if (severed) assert.equal(await popup.evaluate("window.opener"), null, url);
      await popup.close();
    }
  });

  test("share no storage, no channel and no worker", async () => {
    const other = await visitor.newPage();
    await other.goto(land.origins.web);
    await other.evaluate(`
      localStorage.setItem("kept", "by web");
      globalThis.channel = new BroadcastChannel("news");
      channel.onmessage = ({ data }) => channel.postMessage("answer to " + data);
      new Promise((done) => { const open = indexedDB.open("kept"); open.onsuccess = () => done(); })`);
    await page.goto(land.origins.evil);
    const found = await page.evaluate(`(async () => {
      const channel = new BroadcastChannel("news");
      const heard = [];
      channel.onmessage = ({ data }) => heard.push(data);
      channel.postMessage("evil");
      const worker = new SharedWorker(URL.createObjectURL(new Blob([""])), "shared");
      const databases = (await indexedDB.databases()).map(({ name }) => name);
      return { kept: localStorage.getItem("kept"), databases, heard, caches: globalThis.caches ? await caches.keys() : [] };
    })()`);
    assert.deepEqual(found, { kept: null, databases: [], heard: [], caches: [] });
    assert.equal(await other.evaluate(`localStorage.getItem("kept")`), "by web");
    await other.close();
  });

  test("take a one-time code at its own host alone, and let no page see one", async () => {
    const code = new URL(land.open("web")).search;
    const before = await visitor.cookies();
    // A page that got hold of a code has the whole window go there.
    for (const [origin, status] of [
      [land.origins.evil, 401],
      [land.origins.web, 401],
      [land.origins.console, 404],
    ] as const) {
      const url = `${origin}/.fairlead/session${code}`;
      await page.goto(land.origins.evil);
      const answered = page.waitForResponse(url);
      await page.evaluate(`location.href = ${JSON.stringify(url)}; void 0`);
      assert.equal((await answered).status(), status, "by the first it is used up");
      await page.waitForURL(url);
    }
    assert.deepEqual(await visitor.cookies(), before, "nobody was let in, and nobody out");

    const other = await visitor.newPage();
    await other.goto(land.origins.careless);
    await other.evaluate(`location.href = ${JSON.stringify(land.open("web"))}; void 0`);
    await other.waitForURL(`${land.origins.web}/`);
    const told = await other.evaluate(
      `JSON.stringify([location.href, document.referrer, performance.getEntries(), history.length])`,
    );
    assert.doesNotMatch(String(told), /code=/);
    assert.ok(!land.seen.some((line) => line.includes("code=")));
    await other.close();
  });

  test("answer a page of a name that was made to lead here with nothing but that nobody is known", async () => {
    // The page came from its own server, and its name leads here from now on: it is the console's by name, and may do what it likes.
    const guest = await browser.visitor({ bypassCSP: true });
    const other = await guest.newPage();
    await other.goto(`${way.scheme}://${rebound}:${land.world.port}/`);
    const ask = (path: string, init: string) =>
      other.evaluate(
        `fetch(${JSON.stringify(path)}, ${init}).then(async (answer) => [answer.status, await answer.text()])`,
      ) as Promise<[number, string]>;
    const call = `{ method: "POST", headers: { "content-type": "application/json" }, body: "{}" }`;
    for (const path of [
      "/fairlead.console.v1.PeerService/ListPeers",
      "/fairlead.console.v1.PeerService/RemovePeer",
      "/peers/there/services/shop/web/80/",
      "/apps/shop/web/http/",
      "/session",
    ]) {
      const [status, text] = await ask(path, call);
      assert.equal(status, 401, path);
      assert.doesNotMatch(text, /there|shop|web/, path);
    }
    const closed = await other.evaluate(
      `new Promise((done) => { new WebSocket("/session").onclose = ({ code }) => done(code); })`,
    );
    assert.equal(closed, 1006);
    assert.deepEqual(
      land.seen.filter((line) => line.startsWith("console")),
      [],
    );
    await guest.close();
  });

  test("count the same name in clear and over TLS for two, on the one port", async () => {
    const otherScheme = way.scheme === "https" ? "http:" : "https:";
    const swap = (url: string): string => url.replace(/^https?:/, otherScheme);
    const other = await visitor.newPage();
    const clear = await other.goto(swap(`${land.origins.web}/swapped`));
    // A session that began in clear is no session over TLS, and a browser keeps the other for TLS alone.
    assert.equal(clear?.status(), 401);
    await other.goto(swap(land.open("evil")));
    land.seen.length = 0;
    const got = await other.evaluate(`(async () => {
      const read = [];
      for (const method of ["GET", "POST"]) {
        for (const mode of ["cors", "no-cors"]) {
          await fetch(${JSON.stringify(`${land.origins.web}/swapped`)}, { method, mode, credentials: "include" })
            .then(async (answer) => answer.type !== "opaque" && answer.ok && read.push(await answer.text()), () => undefined);
        }
      }
      return read;
    })()`);
    assert.deepEqual(got, []);
    assert.deepEqual(
      land.seen.filter((line) => !line.startsWith("evil")),
      [],
    );
    await other.close();
  });
}
