import assert from "node:assert/strict";
import { test } from "node:test";
import { findPort, httpScheme } from "../../src/tunnel/app-port.ts";

test("a port is found by number, by name, or as the first", () => {
  const ports = [{ name: "http", number: 80 }, { number: 9090 }];
  assert.equal(findPort(ports, undefined)?.number, 80);
  assert.equal(findPort(ports, "http")?.number, 80);
  assert.equal(findPort(ports, 9090)?.number, 9090);
  assert.equal(findPort(ports, "9090"), undefined, "a name is not a number");
  assert.equal(findPort([], undefined), undefined);
});

test("what is spoken on a port decides how it is reached", () => {
  assert.deepEqual(
    [undefined, "", "http", "ws", "https", "wss", "h2c", "kubernetes.io/h2c", "tcp", "udp", "redis"].map(httpScheme),
    ["http", "http", "http", "http", "https", "https", "h2c", "h2c", undefined, undefined, undefined],
  );
});
