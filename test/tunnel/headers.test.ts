import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  cookieValues,
  type RequestRules,
  requestHeaders,
  responseHeaders,
  trailerPairs,
} from "../../src/tunnel/headers.ts";

const rules: RequestRules = {
  arrival: { scheme: "https", host: "web.example:8000", clientAddress: "::1" },
  consoleCookies: ["fairlead-app"],
  stripAuthorization: true,
};

function lower(raw: readonly string[]): Map<string, string[]> {
  const map = new Map<string, string[]>();
  for (let i = 0; i < raw.length; i += 2) {
    const name = String(raw[i]).toLowerCase();
    map.set(name, [...(map.get(name) ?? []), String(raw[i + 1])]);
  }
  return map;
}

describe("request headers", () => {
  test("say how the request came, quoting what needs it", () => {
    const sent = lower(requestHeaders(["Host", "evil"], { method: "GET", hasBody: false }, rules));
    assert.deepEqual(sent.get("host"), ["web.example:8000"]);
    assert.deepEqual(sent.get("forwarded"), ['for="[::1]";host="web.example:8000";proto=https']);
    assert.deepEqual(sent.get("x-forwarded-proto"), ["https"]);
    assert.equal(sent.has("x-forwarded-prefix"), false);
  });

  test("delimit the body exactly once, whatever Connection names", () => {
    const framing = (raw: string[], method: string) => {
      const sent = lower(requestHeaders(raw, { method, hasBody: raw.length > 0 }, rules));
      return [sent.get("content-length"), sent.get("transfer-encoding")];
    };
    assert.deepEqual(framing(["Content-Length", "5", "Connection", "content-length"], "POST"), [["5"], undefined]);
    assert.deepEqual(framing(["Transfer-Encoding", "chunked"], "POST"), [undefined, ["chunked"]]);
    assert.deepEqual(framing([], "POST"), [["0"], undefined]);
    assert.deepEqual(framing([], "GET"), [undefined, undefined]);
    assert.deepEqual(framing(["Content-Length", "5"], "GET"), [["5"], undefined]);
  });

  test("never carry a hop's own, a forged origin or a console cookie, in any spelling or order", () => {
    const name = fc.constantFrom(
      "Connection",
      "Keep-Alive",
      "TE",
      "Upgrade",
      "Proxy-Authorization",
      "Forwarded",
      "X_Forwarded-For",
      "x-forwarded-host",
      "Authorization",
      "Cookie",
      "X-Hop",
      "X-Kept",
      "Host",
      "HTTP2-Settings",
      "X-Real-IP",
    );
    const value = fc.constantFrom("x-hop, host, cookie", "trailers", "fairlead-app=1; a=2", "6.6.6.6", "X-Hop");
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value), { maxLength: 12 }), (list) => {
        const sent = lower(requestHeaders(list.flat(), { method: "GET", hasBody: false }, rules));
        for (const gone of [
          "connection",
          "keep-alive",
          "upgrade",
          "proxy-authorization",
          "authorization",
          "http2-settings",
          "x_forwarded-for",
          "x-real-ip",
        ]) {
          assert.equal(sent.has(gone), false, gone);
        }
        assert.deepEqual(sent.get("host"), ["web.example:8000"]);
        assert.deepEqual(sent.get("x-forwarded-for"), ["::1"]);
        assert.deepEqual(sent.get("x-forwarded-host"), ["web.example:8000"]);
        assert.deepEqual(sent.get("forwarded")?.length, 1);
        assert.ok(!(sent.get("cookie") ?? []).some((cookie) => cookie.includes("fairlead-app")));
        const hopNamed = list.some(([n, v]) => n === "Connection" && v.toLowerCase().includes("x-hop"));
        if (hopNamed) assert.equal(sent.has("x-hop"), false);
        const kept = list.filter(([n]) => n === "X-Kept").map(([, v]) => v);
        assert.deepEqual(sent.get("x-kept") ?? [], kept);
      }),
      { numRuns: 500 },
    );
  });
});

test("cookies of the console go to no app and come from none, whatever port their names have", () => {
  const own = ["__Host-fairlead", "__Host-fairlead-8000", "__Host-fairlead-oidc-8443", "fairlead-app"];
  const apps = ["__Host-fairleads", "fairlead", "x__Host-fairlead", "fairlead-apple"];
  const cookie = [...own, ...apps].map((name) => `${name}=1`).join("; ");
  const consoleCookies = ["__Host-fairlead", "fairlead-app"];
  const sent = lower(
    requestHeaders(["Cookie", cookie], { method: "GET", hasBody: false }, { ...rules, consoleCookies }),
  );
  assert.deepEqual(sent.get("cookie"), [apps.map((name) => `${name}=1`).join("; ")]);
  const set = [...own, "fairlead-apple"].flatMap((name) => ["Set-Cookie", `${name}=1; Path=/`]);
  const came = responseHeaders(set, { consoleCookies, host: "web.example" });
  assert.deepEqual(lower(came).get("set-cookie"), ["fairlead-apple=1; Path=/"]);
});

describe("response headers", () => {
  const answer = { consoleCookies: ["fairlead-app"], host: "web.example" };

  test("lose what Connection names, but for what the message means", () => {
    const raw = [
      "Connection",
      "x-a, content-type, content-length",
      "X-A",
      "1",
      "Content-Type",
      "text/html",
      "Content-Length",
      "5",
    ];
    assert.deepEqual(responseHeaders(raw, answer), ["Content-Type", "text/html", "Content-Length", "5"]);
    const both = ["Transfer-Encoding", "chunked", "Content-Length", "5"];
    assert.deepEqual(responseHeaders(both, answer), [], "of two lengths the parser went by the chunks");
  });

  test("come after a body only when they change nothing that was said before it", () => {
    const raw = [
      "X-Sum",
      "1",
      "Content-Length",
      "9",
      "Set-Cookie",
      "a=1",
      "X-Forwarded-For",
      "6.6.6.6",
      "Connection",
      "x",
      "grpc-status",
      "0",
    ];
    assert.deepEqual(trailerPairs(raw), [
      ["X-Sum", "1"],
      ["grpc-status", "0"],
    ]);
  });

  test("set no cookie that reaches beyond the app", () => {
    const set = (value: string): boolean => responseHeaders(["Set-Cookie", value], answer).length > 0;
    for (const good of ["a=1", "a=1; Path=/x; Secure; HttpOnly", "domain=1", "a=domain=x", "__Secure-a=1; Secure"]) {
      assert.ok(set(good), good);
    }
    for (const bad of [
      "a=1; Domain=example",
      "a=1;domain=example",
      "a=1;  DOMAIN = .example",
      "a=1; domain",
      "__Host-a=1",
      "__host-a=1",
      " __Host-a=1",
      "=__Host-a=1",
      "__Host-a",
      "fairlead-app=1",
    ]) {
      assert.ok(!set(bad), bad);
    }
  });

  test("keep redirects under the prefix, and leave those to elsewhere alone", () => {
    const location = (value: string, prefix?: string) =>
      responseHeaders(["Location", value], { ...answer, ...(prefix !== undefined && { prefix }) })[1];
    assert.equal(location("/a?b", "/apps/x"), "/apps/x/a?b");
    assert.equal(location("http://web.example/a", "/apps/x"), "http://web.example/apps/x/a");
    assert.equal(location("a/b", "/apps/x"), "a/b");
    assert.equal(location("//other/a", "/apps/x"), "//other/a");
    assert.equal(location("https://web.example.evil/a", "/apps/x"), "https://web.example.evil/a");
    assert.equal(location("/a"), "/a");
  });
});

test("all cookies of a name are found, and none by a name that only looks like it", () => {
  assert.deepEqual(cookieValues("a=1; b=x=y; a=2;a = 3; aa=4; a", "a"), ["1", "2", "3"]);
  assert.deepEqual(cookieValues("b=x=y", "b"), ["x=y"]);
  assert.deepEqual(cookieValues(undefined, "a"), []);
});
