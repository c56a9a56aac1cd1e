import assert from "node:assert/strict";
import { test } from "node:test";
import { proxyHeader } from "../../src/base/proxy-protocol.ts";

const start = "0d0a0d0a000d0a515549540a";

test("a connection over IPv4 is told by both its ends, also where sockets show it as IPv6", () => {
  const expected = `${start}2111000cc0a80001c0a8000bd4311538`;
  for (const clothes of ["", "::ffff:"]) {
    const header = proxyHeader(
      { address: `${clothes}192.168.0.1`, port: 54321 },
      { address: `${clothes}192.168.0.11`, port: 5432 },
    );
    assert.equal(header.toString("hex"), expected);
  }
});

test("a connection over IPv6 is told whole, however it is shortened", () => {
  const at = (address: string): string =>
    proxyHeader({ address, port: 1 }, { address: "::1", port: 2 }).toString("hex").slice(start.length);
  const rest = `${"00".repeat(15)}0100010002`;
  assert.equal(at("2001:db8::1:0:0:5"), `21210024${"20010db8000000000001000000000005"}${rest}`);
  assert.equal(at("1:2:3:4:5:6:7:8"), `21210024${"00010002000300040005000600070008"}${rest}`);
  assert.equal(at("fe80::1%eth0"), `21210024${"fe800000000000000000000000000001"}${rest}`);
});

test("where there is nobody to tell of, it says so", () => {
  const local = `${start}20000000`;
  const end = { address: "127.0.0.1", port: 1 };
  assert.equal(proxyHeader(undefined, undefined).toString("hex"), local);
  assert.equal(proxyHeader(end, { address: "::1", port: 1 }).toString("hex"), local, "no family has both");
  assert.equal(proxyHeader(end, { address: "nowhere", port: 1 }).toString("hex"), local);
});
