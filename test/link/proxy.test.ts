import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { LinkError } from "../../src/link/error.ts";
import { isLinkTarget, parseLinkUrl } from "../../src/link/link-url.ts";
import { chooseProxy } from "../../src/link/proxy.ts";

const httpProxy = "http://plain.example:3128";
const httpsProxy = "https://secure.example";

function proxied(url: string, noProxy = ""): boolean {
  return chooseProxy(new URL(url), { httpProxy, httpsProxy, noProxy }) !== undefined;
}

test("ws goes through HTTP_PROXY, wss through HTTPS_PROXY, and neither through what is not set", () => {
  assert.equal(chooseProxy(new URL("ws://a.example/link"), { httpProxy, httpsProxy })?.host, "plain.example:3128");
  assert.equal(chooseProxy(new URL("wss://a.example/link"), { httpProxy, httpsProxy })?.host, "secure.example");
  assert.equal(chooseProxy(new URL("wss://a.example/link"), { httpProxy }), undefined);
  assert.equal(chooseProxy(new URL("ws://a.example/link"), { httpProxy: "" }), undefined);
  assert.equal(chooseProxy(new URL("ws://a.example/link"), { httpProxy: "proxy:3128" })?.href, "http://proxy:3128/");
});

test("this machine is never reached through a proxy", () => {
  for (const host of ["localhost", "x.localhost", "127.0.0.1", "127.9.9.9", "[::1]"])
    assert.ok(!proxied(`ws://${host}:1/`), host);
});

test("NO_PROXY exempts hosts, domains, addresses and networks, with a port where one is given", () => {
  const cases: [rule: string, url: string, exempt: boolean][] = [
    ["*", "ws://a.example/", true],
    ["example", "ws://a.example/", true],
    ["a.example", "ws://a.example/", true],
    ["A.Example", "ws://a.example/", true],
    ["a.example.", "ws://a.example./", true],
    ["a.example", "ws://b.a.example/", true],
    ["a.example", "ws://ba.example/", false],
    [".a.example", "ws://a.example/", false],
    [".a.example", "ws://b.a.example/", true],
    ["*.a.example", "ws://b.a.example/", true],
    ["a.example:8001", "ws://a.example:8001/", true],
    ["a.example:8001", "ws://a.example/", false],
    ["a.example:443", "wss://a.example/", true],
    ["10.0.0.1", "ws://10.0.0.1/", true],
    ["0.0.1", "ws://10.0.0.1/", false],
    ["10.0.0.0/8", "ws://10.200.1.1/", true],
    ["10.0.0.0/8", "ws://11.0.0.1/", false],
    ["10.0.0.0/99", "ws://10.0.0.1/", false],
    ["10.0.0.0/8", "ws://ten.example/", false],
    ["2001:db8::/32", "ws://[2001:db8:1::1]/", true],
    ["[2001:db8::1]:80", "ws://[2001:db8::1]/", true],
    ["2001:db8::1", "ws://[2001:db8::1]/", true],
    ["2001:db8::/32", "ws://10.0.0.1/", false],
    [" b.example , a.example ", "ws://a.example/", true],
    [",,", "ws://a.example/", false],
    [".svc,.cluster.local", "ws://agent.fairlead.svc/", true],
  ];
  for (const [rule, url, exempt] of cases) assert.equal(!proxied(url, rule), exempt, `${rule} for ${url}`);
});

test("a NO_PROXY of any text breaks nothing", () => {
  fc.assert(fc.property(fc.string(), fc.domain(), (rule, host) => void proxied(`ws://${host}/`, rule)));
});

test("a proxy that is no URL is refused, and what may be its password is not repeated", () => {
  for (const text of ["socks5://u:geheim@h:1", "http://", "http://u:geheim@:1", "::geheim::"]) {
    assert.throws(
      () => chooseProxy(new URL("ws://a.example/"), { httpProxy: text }),
      (error: Error) => error instanceof LinkError && error.code === "proxy" && !error.message.includes("geheim"),
      text,
    );
  }
});

test("a peer's URL may be given in the ways that people write it", () => {
  const cases: [string, string][] = [
    ["wss://h.example/link", "wss://h.example/link"],
    ["https://h.example", "wss://h.example/link"],
    ["http://h.example:8001/", "ws://h.example:8001/link"],
    ["wss://h.example/prefix", "wss://h.example/prefix/link"],
    ["wss://h.example/prefix/link/", "wss://h.example/prefix/link"],
    ["wss://h.example/dislink", "wss://h.example/dislink/link"],
    ["ws://[::1]:8001/link?a=b#c", "ws://[::1]:8001/link?a=b"],
  ];
  for (const [text, url] of cases) assert.equal(parseLinkUrl(text).href, url, text);
  for (const text of ["", "h.example", "ftp://h", "file:///link", "wss://", "wss://user:geheim@h.example/link"]) {
    assert.throws(
      () => parseLinkUrl(text),
      (error: Error) => error instanceof LinkError && error.code === "bad-url" && !error.message.includes("geheim"),
      text,
    );
  }
});

test("the peer port knows one path, below any prefix", () => {
  for (const target of ["/link", "/a/b/link", "/link?x"]) assert.ok(isLinkTarget(target), target);
  for (const target of [undefined, "", "*", "/", "/link/", "/linked", "/dislink", "/?/link", "link"]) {
    assert.ok(!isLinkTarget(target), target);
  }
});
