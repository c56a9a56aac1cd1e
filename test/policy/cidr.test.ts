import assert from "node:assert/strict";
import { BlockList, isIP } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import {
  type Cidr,
  contains,
  formatCidr,
  isSameAddress,
  parseAddress,
  parseCidr,
  sizeOf,
} from "../../src/policy/cidr.ts";

/** The simplest that can be: an address as a text of its bits. */
function bitsOf({ family, base }: Cidr): string {
  return base.toString(2).padStart(family === 4 ? 32 : 128, "0");
}

/** Few different bits, so that blocks often lie within one another. */
const blocks = fc
  .record({
    family: fc.constantFrom(4 as const, 6 as const),
    bits: fc.array(fc.constantFrom("0", "0", "0", "1"), { minLength: 128, maxLength: 128 }),
    prefix: fc.nat(128),
  })
  .map(({ family, bits, prefix }): Cidr => {
    const length = family === 4 ? 32 : 128;
    const fixed = Math.min(prefix, length);
    return { family, base: BigInt(`0b${bits.slice(0, fixed).join("").padEnd(length, "0")}`), prefix: fixed };
  });

test("a block holds another exactly when its fixed bits are the first bits of the other", () => {
  fc.assert(
    fc.property(blocks, blocks, fc.boolean(), (one, other, inside) => {
      const inner = inside && one.family === other.family ? narrowed(one, other) : other;
      const expected =
        one.family === inner.family &&
        one.prefix <= inner.prefix &&
        bitsOf(one).slice(0, one.prefix) === bitsOf(inner).slice(0, one.prefix);
      assert.equal(contains(one, inner), expected);
      if (inner.prefix > one.prefix) assert.equal(contains(inner, one), false, "nor does any hold a larger one");
      const list = new BlockList();
      const [address = "", prefix] = formatCidr(one).split("/");
      list.addSubnet(address, Number(prefix), one.family === 4 ? "ipv4" : "ipv6");
      const first = formatCidr(inner).split("/")[0] ?? "";
      if (one.family === inner.family && one.prefix <= inner.prefix) {
        assert.equal(list.check(first, inner.family === 4 ? "ipv4" : "ipv6"), expected, "Node says so too");
      }
    }),
    { numRuns: 1_000 },
  );
});

/** A block within `outer` that takes its other bits from `from`. */
function narrowed(outer: Cidr, from: Cidr): Cidr {
  const prefix = Math.max(outer.prefix, from.prefix);
  const bits = `${bitsOf(outer).slice(0, outer.prefix)}${bitsOf(from).slice(outer.prefix, prefix)}`;
  return { family: outer.family, base: BigInt(`0b0${bits.padEnd(bitsOf(outer).length, "0")}`), prefix };
}

test("a block is written so that it reads back as the same, and as Node writes it", () => {
  fc.assert(
    fc.property(blocks, (block) => {
      const text = formatCidr(block);
      assert.deepEqual(parseCidr(text), block, text);
      const address = text.split("/")[0] ?? "";
      assert.equal(isIP(address), block.family);
      const canonical =
        block.family === 4
          ? new URL(`http://${address}`).hostname
          : new URL(`http://[${address}]`).hostname.slice(1, -1);
      assert.equal(address, canonical);
    }),
    { numRuns: 1_000 },
  );
});

test("an address is read as Node reads it", () => {
  const text = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.stringMatching(/^[0-9a-f:.]{2,20}$/),
    fc.constantFrom(
      "::",
      "::1",
      "1::",
      "1::2",
      ":::",
      "1:2:3:4:5:6:7:8",
      "1:2:3:4:5:6:7::",
      "1:2:3:4:5:6:7::8",
      "::ffff:1.2.3.4",
      "1.2.3.4::",
      "1:2:3:4:5:6:1.2.3.4",
    ),
    fc.constantFrom("01.2.3.4", "1.2.3", "1.2.3.256", "1.2.3.4.5", "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "g::"),
  );
  fc.assert(
    fc.property(text, (one) => assert.equal(parseAddress(one)?.family ?? 0, isIP(one), one)),
    { numRuns: 2_000 },
  );
});

test("what is no block is none: also when an address has bits beyond its prefix", () => {
  for (const text of [
    "",
    "10.0.0.0",
    "10.0.0.0/",
    "10.0.0.0/33",
    "10.0.0.1/8",
    "10.0.0.0/08",
    "10.0.0/8",
    "::/129",
    "fd00::1/8",
    "x/8",
    "10.0.0.0/8 ",
    "/8",
  ]) {
    assert.equal(parseCidr(text), undefined, JSON.stringify(text));
  }
  assert.deepEqual(parseCidr("0.0.0.0/0"), { family: 4, base: 0n, prefix: 0 });
  assert.deepEqual(parseCidr("::/0"), { family: 6, base: 0n, prefix: 0 });
  assert.equal(sizeOf({ family: 4, prefix: 24 }), 256n);
});

test("an address is the same in each of its spellings, and what is none is like nothing", () => {
  for (const other of ["FD00::1", "fd00:0::1", "fd00:0:0:0:0:0:0:1", "fd00::0.0.0.1"])
    assert.ok(isSameAddress("fd00::1", other), other);
  for (const [one, other] of [
    ["fd00::1", "fd00::2"],
    ["10.0.0.1", "::10.0.0.1"],
    ["host", "host"],
    ["", ""],
  ] as const) {
    assert.equal(isSameAddress(one, other), false, one);
  }
});
