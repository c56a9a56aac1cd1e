/**
 * A page of an app that means ill, in a real Chromium of somebody who is signed in at the console and at other apps. Each thing that it
 * may try is seen to work where nobody stands in the way, and then fails at the console and at every other app.
 */
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import type { BrowserContext, Page, Response } from "playwright-core";
import { type Attempt, attempts } from "./attempts.ts";
import { startBrowser, type TestBrowser } from "./chromium.ts";
import { type Landscape, type Place, startLandscape, type Way, ways } from "./landscape.ts";

/** What is there to be had, and where. */
const targets: readonly { name: string; place: Place; path: string }[] = [
  { name: "the console's API", place: "console", path: "/fairlead.console.v1.PeerService/ListPeers" },
  { name: "the console's path to an app", place: "console", path: "/apps/shop/web/http/path" },
  { name: "the console's path to a peer", place: "console", path: "/peers/there/services/shop/web/80/path" },
  { name: "the console's door for sessions", place: "console", path: "/session" },
  { name: "another app", place: "web", path: "/path" },
  { name: "another app with a password", place: "basic", path: "/path" },
];

let browser: TestBrowser;
before(async () => {
  browser = await startBrowser({ names: ["apps.example", "*.apps.example"] });
});
after(() => browser[Symbol.asyncDispose]());

describe("the page of an app that means ill", { concurrency: ways.length }, () => {
  for (const way of ways) describe(way.name, { concurrency: 1 }, () => tryAll(way));
});

function tryAll(way: Way): void {
  const isSecure = way.scheme === "https" || way.domain === "localhost";
  let land: Landscape;
  let visitor: BrowserContext;
  let page: Page;
  before(async () => {
    land = await startLandscape(way);
    visitor = await browser.visitor();
    page = await land.visit(visitor);
  });
  beforeEach(() => page.goto(land.origins.evil));
  after(async () => {
    await visitor.close();
    await land[Symbol.asyncDispose]();
  });

  test("can do, where nobody stands in the way, whatever is tried below", async () => {
    const failed: string[] = [];
    for (const attempt of attempts) {
      if (attempt.secure && !isSecure) continue;
      const { got, reached } = await tryAt(land, page, attempt, attempt.worksAt, "/path");
      if (got === null && reached.length === 0) failed.push(attempt.name);
    }
    assert.deepEqual(failed, []);
  });

  test("can do all of it at its own host, where it is an app like any other", async () => {
    const failed: string[] = [];
    for (const attempt of attempts) {
      if (attempt.secure && !isSecure) continue;
      const { got, reached } = await tryAt(land, page, attempt, "evil", "/own");
      if (got === null && reached.length === 0) failed.push(attempt.name);
    }
    // A sandbox is foreign to its own host too; and a worker made of text does not say whose it is, where browsers say nothing else.
    const foreign = ["writes from a sandbox, whose origin is null"];
    if (!isSecure) foreign.push("runs it in a worker that it imports it into");
    assert.deepEqual(failed, foreign);
  });

  test("gets nothing of the console or of another app, and nothing gets there", async (t) => {
    for (const target of targets) {
      await t.test(target.name, async () => {
        await page.goto(land.origins.evil);
        const succeeded: unknown[] = [];
        for (const attempt of attempts) {
          const { got, reached, accepted } = await tryAt(land, page, attempt, target.place, target.path);
          const followed = attempt.asLink === true && !isSecure;
          if (got !== null || (!followed && reached.length + accepted.length > 0)) {
            succeeded.push({ name: attempt.name, got, reached, accepted });
          }
        }
        assert.deepEqual(succeeded, []);
      });
    }
  });
}

interface Tried {
  /** What the page could read; null when that was nothing. */
  readonly got: string | null;
  /** What came to somebody else than the page's own app. */
  readonly reached: readonly string[];
  /** What the victim's host answered with success. */
  readonly accepted: readonly string[];
}

async function tryAt(land: Landscape, page: Page, attempt: Attempt, place: Place, path: string): Promise<Tried> {
  const at = land.origins[place];
  const accepted: string[] = [];
  const onResponse = (response: Response): void => {
    if (response.url().startsWith(`${at}/`) && response.ok()) accepted.push(`${response.status()} ${response.url()}`);
  };
  land.seen.length = 0;
  page.on("response", onResponse);
  const whole = path + (attempt.suffix ?? "");
  const [atText, pathText] = [JSON.stringify(at), JSON.stringify(whole)];
  // What one attempt left behind is nothing that the next one got.
  const got: string | null = await page.evaluate(`
    delete globalThis.got;
    document.body.replaceChildren();
    (async (at, path) => { ${attempt.script} })(${atText}, ${pathText}).catch(() => null)`);
  page.off("response", onResponse);
  const reached = land.seen.filter((line) => (place === "evil" ? line.includes(whole) : !line.startsWith("evil ")));
  return { got, reached, accepted };
}
