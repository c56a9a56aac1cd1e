import assert from "node:assert/strict";
import { test } from "node:test";
import { isOwnPage, judgeConnection } from "../../../src/console/sign-in/connection.ts";
import {
  pendingCookieName,
  readCookies,
  sessionCookieName,
  setPendingCookie,
  setSessionCookie,
} from "../../../src/console/sign-in/cookie.ts";

const consoleUrl = "https://fairlead.example/";

test("one signs in over TLS, on one's own machine, and by the console's address through what ends TLS before it", () => {
  const origins: [url: string, origin: string][] = [
    ["https://10.0.0.7:8000/x", "https://10.0.0.7:8000"],
    ["https://evil.example/x", "https://evil.example"],
    ["http://localhost:8000/x", "http://localhost:8000"],
    ["http://console.localhost:8000/x", "http://console.localhost:8000"],
    ["http://127.0.0.1:8000/x", "http://127.0.0.1:8000"],
    ["http://127.8.9.10/x", "http://127.8.9.10"],
    ["http://[::1]:8000/x", "http://[::1]:8000"],
    ["http://fairlead.example/x", "https://fairlead.example"],
  ];
  for (const [url, origin] of origins)
    assert.deepEqual(judgeConnection({ url }, consoleUrl), { ok: true, origin }, url);
});

test("in clear from elsewhere nobody signs in, and is told where instead", () => {
  const refused: [url: string, own: string | undefined, better: string][] = [
    ["http://10.0.0.7:8000/x", undefined, "https://10.0.0.7:8000"],
    ["http://10.0.0.7:8000/x", consoleUrl, "https://fairlead.example"],
    ["http://fairlead.example:8000/x", consoleUrl, "https://fairlead.example"],
    ["http://localhost.example/x", undefined, "https://localhost.example"],
    ["http://127.0.0.1.example/x", undefined, "https://127.0.0.1.example"],
    ["http://notlocalhost/x", undefined, "https://notlocalhost"],
    ["http://0.0.0.0:8000/x", undefined, "https://0.0.0.0:8000"],
    ["http://[::ffff:7f00:1]/x", undefined, "https://[::ffff:7f00:1]"],
  ];
  for (const [url, own, better] of refused) {
    const judged = judgeConnection({ url }, own);
    assert.ok(!judged.ok, url);
    assert.equal(judged.better, better);
    assert.match(judged.why, /others can read/);
  }
});

const call = {
  url: "https://fairlead.example/fairlead.console.v1.PeerService/ListPeers",
  method: "POST",
  upgrade: false,
};
const own = "https://fairlead.example";

test("the console's own page may use the cookie", () => {
  for (const said of [
    { origin: own },
    { origin: own, fetchSite: "same-origin" },
    { method: "GET", fetchSite: "same-origin" },
    { method: "GET", fetchSite: "none" },
    { method: "GET", upgrade: true, origin: own },
    { method: "GET", upgrade: true, origin: own, fetchSite: "same-origin" },
    { url: call.url.replace("https:", "http:"), origin: own },
    { url: "http://localhost:8000/x", origin: "http://localhost:8000" },
  ]) {
    assert.equal(isOwnPage({ ...call, ...said }, consoleUrl), true, JSON.stringify(said));
  }
});

test("no other page may, and nobody who says nothing", () => {
  for (const said of [
    {},
    { origin: "null" },
    { origin: "" },
    { origin: "https://web-shop-http.fairlead.example" },
    { origin: "https://fairlead.example:8443" },
    { origin: "http://fairlead.example" },
    { origin: "https://fairlead.example.evil.example" },
    { origin: own, fetchSite: "same-site" },
    { origin: own, fetchSite: "cross-site" },
    { fetchSite: "same-origin" },
    { fetchSite: "none" },
    { method: "GET" },
    { method: "GET", fetchSite: "same-site" },
    { method: "GET", fetchSite: "cross-site" },
    { method: "GET", fetchSite: "Same-Origin" },
    { method: "GET", upgrade: true },
    { method: "GET", upgrade: true, fetchSite: "same-origin" },
    { method: "GET", upgrade: true, origin: "https://evil.example" },
    // In clear, by whatever name that is not one's own machine's.
    { url: "http://10.0.0.7:8000/x", origin: "http://10.0.0.7:8000", fetchSite: "same-origin" },
    { url: "http://10.0.0.7:8000/x", method: "GET", fetchSite: "same-origin" },
    { url: "/x", method: "GET", fetchSite: "same-origin" },
    // Of the page that was in clear, before what ends TLS.
    { url: call.url.replace("https:", "http:"), origin: "http://fairlead.example" },
    { url: "http://localhost:8000/x", origin: "http://localhost:3000" },
    { url: "http://localhost:8000/x", origin: "https://localhost:8000" },
  ]) {
    assert.equal(isOwnPage({ ...call, ...said }, consoleUrl), false, JSON.stringify(said));
  }
});

test("cookies are for this very host and its own pages, and each port has its own", () => {
  const set = setSessionCookie("https://fairlead.example", "value", 5_999);
  assert.equal(set, "__Host-fairlead=value; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=5");
  const pending = setPendingCookie("http://localhost:8000", "value", 0);
  assert.equal(pending, "__Host-fairlead-oidc-8000=value; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0");
  assert.equal(sessionCookieName("http://localhost:8000"), "__Host-fairlead-8000");
  assert.equal(pendingCookieName("https://fairlead.example"), "__Host-fairlead-oidc");
  const header = Array.from({ length: 9 }, (_, n) => `__Host-fairlead=${n}`).join("; ");
  assert.deepEqual(readCookies(`${header}; __Host-fairlead-8000=other`, "__Host-fairlead"), ["0", "1", "2", "3"]);
  assert.deepEqual(readCookies(undefined, "__Host-fairlead"), []);
});
