import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type BrowserRequest, mayUseCookie } from "../../src/console/doors/same-host.ts";

const host = "web-shop-http.apps.example:8000";
const browser = "Mozilla/5.0 (X11; Linux x86_64)";

function may(request: Partial<BrowserRequest>): boolean {
  return mayUseCookie({ method: "GET", host, upgrade: false, ...request });
}

describe("a browser that does not say who asks, as in clear", () => {
  const inClear = (request: Partial<BrowserRequest>): boolean => may({ userAgent: browser, ...request });

  test("is let in for the app's own page, which its Referer or its Origin names, however it is written", () => {
    assert.ok(inClear({ referer: `http://${host}/page?a=b` }));
    assert.ok(inClear({ referer: `HTTP://${host.toUpperCase()}/` }));
    assert.ok(inClear({ origin: `http://${host}`, method: "POST" }));
    assert.ok(inClear({ origin: `http://${host}`, upgrade: true }));
  });

  test("is let in to open a page, which a link does", () => {
    assert.ok(inClear({ upgradeInsecure: "1" }));
    assert.ok(inClear({ upgradeInsecure: "1", method: "HEAD", referer: "http://evil.apps.example/" }));
    assert.ok(!inClear({ upgradeInsecure: "1", method: "POST" }));
    assert.ok(!inClear({ upgradeInsecure: "1", upgrade: true }));
  });

  test("is let in for nobody else's page, and for none that does not say whose it is", () => {
    assert.ok(!inClear({}));
    assert.ok(!inClear({ referer: "http://evil.apps.example:8000/" }));
    assert.ok(!inClear({ referer: `http://evil.apps.example/${host}/` }));
    assert.ok(!inClear({ referer: `http://${host}.evil.example/` }));
    assert.ok(!inClear({ origin: "http://evil.apps.example:8000" }), "also to read only");
    assert.ok(!inClear({ origin: "http://evil.apps.example:8000", upgradeInsecure: "1", referer: `http://${host}/` }));
    assert.ok(!inClear({ origin: "null", referer: `http://${host}/` }));
  });
});

test("a program that is no browser says what it was told to, and is let in", () => {
  assert.ok(may({}));
  assert.ok(may({ userAgent: "curl/8.5.0", method: "PUT" }));
  assert.ok(!may({ userAgent: "curl/8.5.0", origin: "http://evil.apps.example:8000" }));
});

test("a browser that says who asks is believed, whatever else it sends", () => {
  const own = { userAgent: browser, fetchSite: "same-origin", fetchMode: "no-cors", fetchDest: "image" };
  assert.ok(may(own));
  assert.ok(!may({ ...own, fetchSite: "same-site", referer: `http://${host}/`, upgradeInsecure: "1" }));
});
