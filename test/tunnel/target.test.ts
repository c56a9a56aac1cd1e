import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { findPort, httpScheme, parsePort } from "../../src/tunnel/app-port.ts";
import { readTarget, writeTarget } from "../../src/tunnel/target.ts";

const name = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?$/);
const port = fc.option(fc.oneof(fc.integer({ min: 1, max: 65535 }), fc.constantFrom("http", "p2p", "a-b")), {
  nil: undefined,
});

test("a target comes out of the wire as it went in", () => {
  fc.assert(
    fc.property(name, name, port, (namespace, app, choice) => {
      const target = { namespace, name: app, ...(choice !== undefined && { port: choice }) };

      assert.deepEqual(readTarget(writeTarget(target)), { ok: true, target });
    }),
  );
});

test("text that names no port is none", () => {
  for (const text of ["", "0", "65536", "080", "Web", "a/b", "1:2", "-1"]) {
    assert.equal(parsePort(text), undefined, text);
  }
});

test("a port is found by number, by name, or as the first", () => {
  const ports = [{ name: "http", number: 80 }, { number: 9090 }];
  assert.equal(findPort(ports, undefined)?.number, 80);
  assert.equal(findPort(ports, "http")?.number, 80);
  assert.equal(findPort(ports, 9090)?.number, 9090);
  assert.equal(findPort(ports, "9090"), undefined, "a name is not a number");
  assert.equal(findPort([], undefined), undefined);
  assert.equal(parsePort("9090"), 9090);
});

test("what is spoken on a port decides how it is reached", () => {
  assert.deepEqual(
    [undefined, "", "http", "ws", "https", "wss", "h2c", "kubernetes.io/h2c", "tcp", "udp", "redis"].map(httpScheme),
    ["http", "http", "http", "http", "https", "https", "h2c", "h2c", undefined, undefined, undefined],
  );
});
