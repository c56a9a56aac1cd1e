/** What a person sees at a door when it is not the app: each of the pages, in both themes, on a phone and on a desk. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type ConsoleWorld, startConsole } from "../console/console-world.ts";
import { startBrowser, type TestBrowser } from "./chromium.ts";
import { illegible, picture, screens } from "./legible.ts";

const longName = "an-app-that-nobody-has-ever-heard-of-in-a-namespace-of-the-same";

/** What is asked, and what the page says. */
const pages: readonly {
  name: string;
  at(world: ConsoleWorld): string;
  says: readonly [heading: RegExp, command?: string];
}[] = [
  { name: "nothing", at: (world) => `http://localhost:${world.port}/`, says: [/^Nothing here$/] },
  {
    name: "no-such-app",
    at: (world) => `http://${longName}.localhost:${world.port}/`,
    says: [/^No such app$/, "fairlead app list -A"],
  },
  {
    name: "not-signed-in",
    at: (world) => `http://web-shop-http.localhost:${world.port}/`,
    says: [/^You are not signed in here$/, "fairlead app open web -n shop"],
  },
  {
    name: "used-up",
    at: (world) => `http://web-shop-http.localhost:${world.port}/.fairlead/session?code=x`,
    says: [/^This address has been used or is too old$/, "fairlead app open web -n shop"],
  },
  {
    name: "not-placed",
    at: (world) => `http://waiting-shop-http.localhost:${world.port}/`,
    says: [/^The app runs nowhere yet$/, "fairlead app get waiting -n shop"],
  },
  {
    name: "not-reached",
    at: (world) => `http://dead-shop-http.localhost:${world.port}/`,
    says: [/^The app cannot be reached$/, "fairlead app logs dead -n shop"],
  },
];

describe("the pages of doors", () => {
  let browser: TestBrowser;
  let world: ConsoleWorld;
  before(async () => {
    [browser, world] = await Promise.all([startBrowser(), startConsole()]);
    const door = { access: "Public" } as const;
    await world.run("web", (_req, res) => res.end());
    await world.run("dead", (req) => req.socket.destroy(), { door });
    const ports = [{ name: "http", number: 80 }];
    world.show({ namespace: "shop", name: "waiting", uid: "waiting", ports, door });
  });
  after(async () => {
    await browser[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });

  for (const { name: screen, ...options } of screens) {
    test(`can be read, ${screen}`, async () => {
      const visitor = await browser.visitor(options);
      const page = await visitor.newPage();
      for (const { name, at, says } of pages) {
        const asked: string[] = [];
        page.removeAllListeners("request");
        page.on("request", (request) => asked.push(new URL(request.url()).pathname));
        await page.goto(at(world));
        const [heading, command] = says;
        assert.match(await page.getByRole("heading", { level: 1 }).innerText(), heading, name);
        assert.match(await page.title(), heading);
        if (command !== undefined)
          assert.ok((await page.locator("code").allInnerTexts()).includes(command), `${name}: ${command}`);
        await picture(page, `door-${name}-${screen}`);
        assert.deepEqual(await illegible(page), [], name);
        assert.deepEqual(
          asked.filter((path) => path !== "/favicon.ico").length,
          1,
          "nothing beside the page is loaded",
        );
      }
      await visitor.close();
    });
  }
});
