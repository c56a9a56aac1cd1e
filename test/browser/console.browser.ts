/** The console as people use it, in a real Chromium, over a whole agent on an embedded cluster. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Page } from "playwright-core";
import { Role } from "../../src/gen/fairlead/console/v1/access_pb.ts";
import { remoteApps } from "../../src/kube/resources.ts";
import { patience } from "../patience.ts";
import { startBrowser, type TestBrowser } from "./chromium.ts";
import { barriers, type ConsoleTown, signIn, signInFirst, startConsoleTown, visit } from "./console-visit.ts";
import { picture, screens } from "./legible.ts";

/** An app as somebody writes it with kubectl; its peer is none that is known, so that it is never ready. */
function writeApp({ town }: ConsoleTown, name: string, replicas = 1) {
  const metadata = { namespace: "default", name };
  const spec = { peer: "nowhere", image: "registry.example/web:1", replicas };
  return town.kube.client.create(remoteApps, remoteApps.parse({ metadata, spec }), patience());
}

/** The heading of a page, or of what lies over it. */
const heading = (page: Page, name: string) => page.getByRole("heading", { name, exact: true });

const row = (page: Page, name: string) => page.getByRole("row").filter({ hasText: name });

describe("the console", () => {
  let browser: TestBrowser;
  let at: ConsoleTown;
  before(async () => {
    [browser, at] = await Promise.all([startBrowser({ names: ["console.example"] }), startConsoleTown()]);
    const { page, ...ana } = await visit(browser, at.url);
    await page.goto(at.url);
    await signInFirst(page, "ana", await at.invite("ana"));
    await ana[Symbol.asyncDispose]();
  });
  after(async () => {
    await browser[Symbol.asyncDispose]();
    await at[Symbol.asyncDispose]();
  });

  test("has who comes with a first password change it, shows them what they came for, and lets nobody in after they have signed out", async () => {
    const given = await at.invite("ben");
    await using ben = await visit(browser, at.url);
    const { page } = ben;
    const wanted = `${at.url}/apps?q=shop&sort=-age`;
    await page.goto(wanted);
    await signIn(page, "ben", "not the password");
    await page.getByRole("alert").waitFor();
    await signInFirst(page, "ben", given);
    await heading(page, "Apps").waitFor();
    assert.equal(page.url(), wanted);
    assert.equal(await page.getByLabel("Filter by words").inputValue(), "shop");
    assert.match(await page.title(), /Apps · lisbon · Fairlead$/);
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByText("You have signed out.").waitFor();
    await page.reload();
    await page.getByRole("button", { name: "Sign in" }).waitFor();
  });

  test("shows a change made elsewhere without being loaded anew, and asks for nothing again and again", async () => {
    await using ana = await visit(browser, at.url);
    const { page } = ana;
    await page.goto(`${at.url}/apps`);
    await signIn(page, "ana");
    await heading(page, "Apps").waitFor();
    const asked: string[] = [];
    page.on("request", (request) => asked.push(request.url()));
    await writeApp(at, "written-elsewhere");
    await row(page, "written-elsewhere").waitFor();
    const ref = { namespace: "default", name: "written-elsewhere" };
    await at.town.client.apps.scaleApp({ ref, replicas: 7 });
    await row(page, "0/7").waitFor();
    await at.town.client.apps.deleteApp({ ref });
    await row(page, "written-elsewhere").waitFor({ state: "detached" });
    assert.deepEqual(asked, []);
  });

  test("says since when it is not connected, and what has happened meanwhile once the agent is back", async () => {
    await writeApp(at, "before-the-cut");
    await using ana = await visit(browser, at.url);
    const { page } = ana;
    await page.goto(`${at.url}/apps`);
    await signIn(page, "ana");
    await row(page, "before-the-cut").waitFor();
    await at.town.restart(async () => {
      await page.getByText(/^Not connected since \d\d:\d\d\.$/).waitFor();
      await row(page, "before-the-cut").locator("fl-status[stale]").waitFor();
      await writeApp(at, "during-the-cut");
    }, patience());
    await row(page, "during-the-cut").waitFor();
    await page.getByText(/^Not connected since/).waitFor({ state: "detached" });
    await row(page, "before-the-cut").locator("fl-status:not([stale])").waitFor();
  });

  test("goes by keys alone: the palette, the filter, the rows, the details, the sheet of keys, and back", async () => {
    for (const name of ["key-a", "key-b", "key-c"]) await writeApp(at, name);
    await using ana = await visit(browser, at.url);
    const { page } = ana;
    const { keyboard } = page;
    await page.goto(at.url);
    await signIn(page, "ana");
    await heading(page, "Overview").waitFor();
    await keyboard.press("Control+k");
    await page.getByRole("combobox").waitFor();
    await keyboard.type("apps");
    await keyboard.press("Enter");
    await heading(page, "Apps").waitFor();
    await keyboard.press("/");
    await keyboard.type("key-");
    await page.waitForURL(/q=key-/);
    await keyboard.press("Escape");
    await keyboard.press("j");
    await keyboard.press("j");
    await keyboard.press("j");
    await keyboard.press("k");
    await keyboard.press("Enter");
    await heading(page, "key-b").waitFor();
    assert.match(page.url(), /\/apps\?q=key-&app=default%2Fkey-b$/);
    await keyboard.press("?");
    await page.locator("fl-key-sheet").getByText("These keys").waitFor();
    await keyboard.press("Escape");
    await page.locator("fl-key-sheet").getByText("These keys").waitFor({ state: "hidden" });
    await page.goBack();
    await heading(page, "Overview").waitFor();
  });

  test("a link to one app, copied, shows that app to who signs in by it, and says so when there is none", async () => {
    await writeApp(at, "linked");
    await using ana = await visit(browser, at.url);
    const { page } = ana;
    await page.goto(`${at.url}/apps?app=default%2Flinked`);
    await signIn(page, "ana");
    await heading(page, "linked").waitFor();
    await page.goto(`${at.url}/apps?app=default%2Fnone`);
    await heading(page, "There is no such app").waitFor();
  });

  test("deletes an app only for who has typed its name", async () => {
    await writeApp(at, "to-be-deleted");
    await using ana = await visit(browser, at.url);
    const { page } = ana;
    await page.goto(`${at.url}/apps?app=default%2Fto-be-deleted`);
    await signIn(page, "ana");
    await page.getByRole("button", { name: "Delete" }).first().click();
    const dialog = page.locator("fl-confirm-name");
    await dialog.getByText("It runs nowhere.").waitFor();
    assert.equal(await dialog.getByRole("button", { name: "Delete" }).isDisabled(), true);
    await dialog.getByRole("textbox").fill("to-be-deleted");
    await dialog.getByRole("button", { name: "Delete" }).click();
    await heading(page, "There is no such app").waitFor();
  });

  test("tells who may only look, before they try, what they may not do and who can give it", async () => {
    await writeApp(at, "looked-at");
    const given = await at.invite("vera", Role.VIEWER);
    await using vera = await visit(browser, at.url);
    const { page } = vera;
    await page.goto(`${at.url}/apps?app=default%2Flooked-at`);
    await signInFirst(page, "vera", given);
    await page.getByRole("button", { name: "Delete" }).first().click();
    const alert = page.locator("fl-confirm-name").getByRole("alert");
    await alert.waitFor();
    assert.match(await alert.innerText(), /^You may not delete the app: .*Who can give it: .*ana/s);
  });

  test("where others can read what is sent, it lets nobody sign in by a password, and says where they can; a token still counts", async () => {
    const url = at.url.replace("localhost", "console.example");
    await using stranger = await visit(browser, url);
    const { page } = stranger;
    await page.goto(`${url}/apps?q=x`);
    await page.getByText("Nobody can sign in over this connection.").waitFor();
    const better = await page.getByRole("link", { name: /^Go to https:/ }).getAttribute("href");
    assert.equal(better, `${url.replace("http:", "https:")}/apps?q=x`);
    await page.getByRole("button", { name: "Use a token" }).click();
    await page.getByLabel("Token").fill("flt_not-a-token-at-all");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").waitFor();
    await page.getByLabel("Token").fill(at.town.token);
    await page.keyboard.press("Enter");
    await heading(page, "Apps").waitFor();
    assert.equal(await page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie])"), '[{},{},""]');
  });

  test("its first view is no more than 250 KiB", async () => {
    await using ana = await visit(browser, at.url);
    await ana.page.goto(at.url);
    await signIn(ana.page, "ana");
    await heading(ana.page, "Recently").waitFor();
    const kib = Math.round(ana.fetched() / 1024);
    assert.ok(kib > 50 && kib <= 250, `${kib} KiB`);
  });

  for (const { name: screen, ...options } of screens) {
    test(`has no barrier that axe finds, ${screen}`, async () => {
      await writeApp(at, `seen-${screen}`);
      await using ana = await visit(browser, at.url, options);
      const { page } = ana;
      const look = async (what: string): Promise<void> => {
        await picture(page, `console-${what}-${screen}`);
        assert.deepEqual(await barriers(page), [], what);
        const width = await page.evaluate<number>("document.documentElement.scrollWidth");
        assert.ok(width <= (options.viewport?.width ?? 0), `${what} is ${width} px wide`);
      };
      await page.goto(`${at.url}/apps`);
      await page.getByRole("button", { name: "Sign in" }).waitFor();
      await look("sign-in");
      await signIn(page, "ana");
      await row(page, `seen-${screen}`).waitFor();
      await look("apps");
      await row(page, `seen-${screen}`).click();
      await page.getByRole("heading", { name: `seen-${screen}` }).waitFor();
      await look("app");
      await page.goto(at.url);
      await heading(page, "Recently").waitFor();
      await look("overview");
      await page.keyboard.press("Control+k");
      await page.getByRole("combobox").waitFor();
      await look("palette");
      await page.keyboard.press("Escape");
      await page.getByRole("button", { name: /^Agent:/ }).click();
      await page.locator("fl-agent-sheet").getByText("audit").waitFor();
      await look("agent");
      await page.goto(`${at.url}/gallery`);
      await heading(page, "Icons").waitFor();
      await look("gallery");
    });
  }
});
