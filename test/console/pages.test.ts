/** How the console's pages are served: to anybody, quickly, and in the way of nothing else. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from "node:zlib";
import { systemClock } from "../../src/base/clock.ts";
import { createPageSource } from "../../src/console/pages/page-source.ts";
import { servePages } from "../../src/console/pages/pages.ts";
import { AppService } from "../../src/gen/fairlead/console/v1/app_service_pb.ts";
import { bearer, startConsole } from "./console-world.ts";
import { connectHttp2 } from "./http2-client.ts";

const index = "<!doctype html><title>console</title>";
const script = `export const text = "${"x".repeat(2_000)}";`;

describe("the console's pages", () => {
  const directory = mkdtempSync(join(tmpdir(), "fairlead-test-"));
  before(() => {
    mkdirSync(join(directory, "assets"));
    writeFileSync(join(directory, "pages.json"), JSON.stringify({ pages: ["/", "/apps", "/peers/:peer"] }));
    writeFileSync(join(directory, "index.html"), index);
    writeFileSync(join(directory, "assets/main-ABC.js"), script);
    writeFileSync(join(directory, "assets/main-ABC.js.br"), brotliCompressSync(script));
    writeFileSync(join(directory, "assets/main-ABC.js.gz"), gzipSync(script));
    writeFileSync(join(directory, "assets/secret.key"), "no page");
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  const folder = pathToFileURL(`${directory}/`);
  const start = (more: Parameters<typeof startConsole>[0] = {}) =>
    startConsole({
      ...more,
      pages: (app) =>
        servePages(app, { ...createPageSource({ folder, builder: new URL("none.ts", folder) }), clock: systemClock }),
    });

  test("each page is one document, under a policy that lets it load nothing of others", async () => {
    await using world = await start();
    for (const path of ["/", "/apps", "/apps?q=x", "/peers/berlin"]) {
      const { status, text, headers } = await world.ask(path);
      assert.deepEqual([status, text], [200, index], path);
      assert.equal(headers["cache-control"], "no-cache");
      assert.equal(headers["content-type"], "text/html; charset=utf-8");
      const policy = String(headers["content-security-policy"]);
      assert.match(policy, /^default-src 'none'; script-src 'self'; style-src 'self';/);
      assert.match(policy, /frame-ancestors 'none'; require-trusted-types-for 'script'/);
      assert.doesNotMatch(policy, /unsafe|\*|https?:/);
      const again = await world.ask(path, { headers: { "if-none-match": headers.etag ?? "" } });
      assert.deepEqual([again.status, again.text], [304, ""]);
    }
  });

  test("what a page loads is kept by browsers for ever, and comes in the smallest form that they take", async () => {
    await using world = await start();
    const ask = (accept?: string) =>
      fetchRaw(world.port, "/assets/main-ABC.js", accept === undefined ? {} : { "accept-encoding": accept });
    const plain = await ask();
    assert.equal(plain.headers["content-encoding"], undefined);
    assert.equal(plain.headers["cache-control"], "public, max-age=31536000, immutable");
    assert.equal(plain.headers["content-type"], "text/javascript; charset=utf-8");
    assert.equal(plain.headers.vary, "Accept-Encoding");
    const brotli = await ask("gzip, deflate, br;q=0.9");
    assert.equal(brotliDecompressSync(brotli.body).toString(), script);
    const gzip = await ask("gzip, br;q=0");
    assert.equal(gunzipSync(gzip.body).toString(), script);
    assert.equal(new Set([plain, brotli, gzip].map(({ headers }) => headers.etag)).size, 3);
  });

  test("HEAD says the same without a body, over HTTP/1.1 and HTTP/2", async () => {
    await using world = await start();
    const head = await world.ask("/apps", { method: "HEAD" });
    assert.deepEqual([head.status, head.headers["content-length"], head.text], [200, String(index.length), ""]);
    await using client = await connectHttp2(`http://127.0.0.1:${world.port}`);
    const two = await client.ask("/apps", {});
    assert.deepEqual([two.headers[":status"], two.body.toString()], [200, index]);
  });

  test("nothing else is in their way: unknown calls, doors, the document of the API, and what is no page answer as before", async () => {
    await using world = await start({ routes: (router) => void router.service(AppService, {}) });
    await world.run("web", (_req, res) => res.end("the app"));
    assert.equal((await world.ask("/apps/shop/web/http/", { headers: bearer })).text, "the app");
    assert.equal((await world.ask("/peers/berlin/kubernetes/")).status, 401);
    assert.equal((await world.ask("/openapi.yaml")).headers["content-type"], "application/yaml; charset=utf-8");
    for (const path of [
      "/nothing",
      "/apps/",
      "/app",
      "/assets/none.js",
      "/assets/secret.key",
      "/assets/../index.html",
      "/pages.json",
      "/fairlead.console.v1.None/None",
    ]) {
      const { status, headers } = await world.ask(path);
      assert.equal(status, 404, path);
      assert.match(headers["content-type"] ?? "", /^application\/json/, path);
    }
    assert.equal((await world.ask("/", { method: "POST" })).status, 404);
    const host = `web-shop-http.localhost:${world.port}`;
    assert.doesNotMatch((await world.ask("/", { headers: { host } })).text, /console/, "an app's host has none of it");
  });
});

/** The body as it came. */
async function fetchRaw(port: number, path: string, headers: Record<string, string>) {
  const req = request({ host: "127.0.0.1", port, path, headers, agent: false }).end();
  const [res] = (await once(req, "response")) as [IncomingMessage];
  const body = Buffer.concat(await res.toArray());
  return { headers: res.headers, body };
}
