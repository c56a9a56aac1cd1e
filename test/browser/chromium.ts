/** A real Chromium, Debian's, driven by its own protocol: what a page can do and read there is decided by nobody here. */
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium } from "playwright-core";

/** Of one test file: it starts once, and each test has a context, which shares nothing with another's. */
export interface TestBrowser extends AsyncDisposable {
  /** A person with a browser of their own: no cookies, no cache, nothing registered. It goes when the browser does. */
  visitor(options?: BrowserContextOptions): Promise<BrowserContext>;
}

/** What each wait for a page may take, in milliseconds: a busy machine is slow, and nothing here measures. */
const patienceMs = 120_000;

/**
 * `names` are domains beside `*.localhost` that lead to this machine, such as "apps.example" and "*.apps.example". Certificates are
 * believed, whoever signed them, as they would be of a CA that the person trusts.
 */
export async function startBrowser(o: { names?: readonly string[] } = {}): Promise<TestBrowser> {
  const rules = (o.names ?? []).map((name) => `MAP ${name} 127.0.0.1`).join(", ");
  const browser: Browser = await chromium.launch({
    executablePath: findChromium(),
    timeout: patienceMs,
    args: [
      "--no-sandbox", // There is none for root.
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--ignore-certificate-errors",
      ...(rules === "" ? [] : [`--host-resolver-rules=${rules}`]),
    ],
  });
  return {
    async visitor(options = {}) {
      const context = await browser.newContext(options);
      context.setDefaultTimeout(patienceMs);
      return context;
    },
    [Symbol.asyncDispose]: () => browser.close(),
  };
}

function findChromium(): string {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const found = folders.map((folder) => join(folder, "chromium")).find((path) => existsSync(path));
  if (found === undefined) throw new Error("There is no chromium on PATH: `apt-get install chromium` brings it.");
  return found;
}
