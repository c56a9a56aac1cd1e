/** Somebody who looks at the console in a real Chromium, and what their browser would complain about. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import axe from "axe-core";
import type { BrowserContextOptions, Page } from "playwright-core";
import { silentLog } from "../../src/base/log.ts";
import { buildTown, type Town } from "../../src/demo/town.ts";
import { Role } from "../../src/gen/fairlead/console/v1/access_pb.ts";
import { patience } from "../patience.ts";
import type { TestBrowser } from "./chromium.ts";

/** An agent on an embedded cluster, whose pods become ready by themselves. */
export interface ConsoleTown extends AsyncDisposable {
  readonly town: Town;
  /** As browsers have it who may sign in there. */
  readonly url: string;
  /** Makes somebody who may do everything, unless a lesser role is given, with the password that they change when they first sign in. */
  invite(name: string, role?: Role): Promise<string>;
}

export async function startConsoleTown(): Promise<ConsoleTown> {
  const directory = await mkdtemp(join(tmpdir(), "fairlead-test-"));
  const o = { directory, name: "lisbon", firstPort: 0, version: "0.0.1", log: silentLog, processes: false };
  const town = await buildTown(o, patience());
  return {
    town,
    url: town.consoleUrl.replace("127.0.0.1", "localhost"),
    async invite(name, role = Role.ADMIN) {
      const roles = [{ role, allPeers: true }];
      return (await town.client.access.createUser({ name, roles })).password;
    },
    async [Symbol.asyncDispose]() {
      await town.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export interface Visit extends AsyncDisposable {
  readonly page: Page;
  /** Whatever was asked of another origin than the console's. */
  readonly foreign: string[];
  /** Errors of scripts, and of the content security policy. */
  readonly complaints: string[];
  /** Bytes that came over the network, as they came. */
  fetched(): number;
}

/** What a browser writes down as an error though it is none of the page: refusals, which are answers, and connections that a test cuts. */
const expected =
  /status of 40[13]|Cross-Origin-Opener-Policy header has been ignored|ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE/;

export async function visit(browser: TestBrowser, url: string, options: BrowserContextOptions = {}): Promise<Visit> {
  const visitor = await browser.visitor(options);
  const page = await visitor.newPage();
  const foreign: string[] = [];
  const complaints: string[] = [];
  let bytes = 0;
  const { origin } = new URL(url);
  visitor.on("request", (request) => {
    if (!request.url().startsWith(origin)) foreign.push(request.url());
  });
  page.on("console", (message) => {
    if (message.type() === "error" && !expected.test(message.text())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error.stack ?? error)));
  const network = await visitor.newCDPSession(page);
  await network.send("Network.enable");
  network.on("Network.loadingFinished", ({ encodedDataLength }) => {
    bytes += encodedDataLength;
  });
  return {
    ...{ page, foreign, complaints },
    fetched: () => bytes,
    async [Symbol.asyncDispose]() {
      await visitor.close();
      assert.deepEqual(complaints, [], "the browser complained");
      assert.deepEqual(foreign, [], "something was asked of another origin");
    },
  };
}

const chosen = "a password of one's own";

/** With the password that somebody was given, which they change. */
export async function signInFirst(page: Page, name: string, given: string): Promise<void> {
  await signIn(page, name, given);
  await page.getByLabel("New password").fill(chosen);
  await page.getByLabel("The same again").fill(chosen);
  await page.keyboard.press("Enter");
  await page.getByRole("navigation").first().waitFor();
}

export async function signIn(page: Page, name: string, password = chosen): Promise<void> {
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill(password);
  await page.keyboard.press("Enter");
}

/** What axe finds, one line for each rule that is broken. */
export async function barriers(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  return page.evaluate<string[]>(`axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) =>
    violations.map(({ id, help, nodes }) => id + ": " + help + " — " + nodes.slice(0, 3).map(({ target, any }) => target.join(" ") + " " + any.map(({ message }) => message).join("; ")).join(" | ")))`);
}
