import assert from "node:assert/strict";
import { test } from "node:test";
import { isKeptOut } from "../../src/policy/kept-out.ts";

test("no peer is led to the agent itself, to node metadata or to what is no machine, in whatever form the address comes", () => {
  const never = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "169.254.169.254",
    "169.254.20.10",
    "100.100.100.200",
    "192.0.0.192",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "::ffff:127.0.0.1",
    "::ffff:a9fe:a9fe",
    "::ffff:10.0.0.7",
    "::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::7f00:1",
    "fe80::1",
    "fd00:ec2::254",
    "ff02::1",
    "localhost",
    "metadata.google.internal",
    "0177.0.0.1",
    "2130706433",
    "0x7f.1",
    "fe80::1%eth0",
    "",
  ];
  for (const address of never) assert.ok(isKeptOut(address), address);
});

test("what is in a cluster, in its network or in the internet is nothing of that", () => {
  for (const address of ["10.0.0.7", "192.168.1.1", "172.16.0.1", "100.64.0.1", "1.1.1.1", "fd00::7", "2001:db8::1"]) {
    assert.ok(!isKeptOut(address), address);
  }
  assert.ok(!isKeptOut("64:ff9b::a00:7"));
});
