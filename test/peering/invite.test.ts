import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import fc from "fast-check";
import { SecretText } from "../../src/base/secret-text.ts";
import {
  checkExpiry,
  decodeInvite,
  encodeInvite,
  hashToken,
  type Invite,
  makeToken,
} from "../../src/peering/invite.ts";

const invite: Invite = {
  urls: ["wss://fairlead.example.org/link"],
  relays: [],
  fingerprint: "ab".repeat(32),
  token: new SecretText("0123456789abcdef0123456789abcdef"),
  expiresAt: Date.UTC(2026, 10, 22),
  name: "aachen",
};
const line = encodeInvite(invite);

test("an invite is one line, and says what was put into it", () => {
  assert.match(line, /^fairlead-invite:v1:[A-Za-z0-9_-]+$/);
  assert.ok(line.length < 250);
  const read = decodeInvite(line);
  assert.deepEqual({ ...read, token: read.token.reveal() }, { ...invite, token: invite.token.reveal() });
});

test("the line of version 1 stays as it is", () => {
  // Golden: what one version writes the next must read.
  const golden =
    "fairlead-invite:v1:Ch93c3M6Ly9mYWlybGVhZC5leGFtcGxlLm9yZy9saW5rEiCrq6urq6urq6urq6urq6urq6urq6urq6urq6urq6urqxoQASNFZ4mrze8BI0VniavN7yCA4YjYBioGYWFjaGVu";
  assert.equal(line.slice(0, golden.length), golden);
  assert.equal(decodeInvite(line).name, "aachen");
});

test("an invite may name relays beside URLs or in their place, and one that names no way at all is refused", () => {
  for (const urls of [invite.urls, []]) {
    const relays = ["cd".repeat(32), "ef".repeat(32)];
    const read = decodeInvite(encodeInvite({ ...invite, urls, relays }));
    assert.deepEqual([read.urls, read.relays], [urls, relays]);
  }
  for (const relays of [[], ["cd"], ["cd".repeat(33)]]) {
    assert.throws(() => decodeInvite(encodeInvite({ ...invite, urls: [], relays })), { code: "bad-invite" });
  }
  const many = Array.from({ length: 20 }, (_, index) => index.toString(16).padStart(2, "0").repeat(32));
  assert.equal(decodeInvite(encodeInvite({ ...invite, relays: many })).relays.length, 8);
});

test("spaces, line breaks and quotes that a terminal or a mail adds do no harm", () => {
  const broken = `  "${line.slice(0, 40)}\r\n   ${line.slice(40, 80)}\n${line.slice(80)}" \n`;
  assert.equal(decodeInvite(broken).fingerprint, invite.fingerprint);
});

test("a line that was cut or mistyped anywhere is refused, and says that it is not whole", () => {
  fc.assert(
    fc.property(fc.integer({ min: 25, max: line.length - 1 }), (length) => {
      assert.throws(() => decodeInvite(line.slice(0, length)), {
        code: "bad-invite",
        message: /missing or was changed/,
      });
    }),
  );
  fc.assert(
    fc.property(fc.integer({ min: 19, max: line.length - 2 }), fc.constantFrom("A", "z", "7", "_"), (at, other) => {
      fc.pre(line[at] !== other);
      assert.throws(() => decodeInvite(line.slice(0, at) + other + line.slice(at + 1)), { code: "bad-invite" });
    }),
  );
});

test("what is no invite is refused with what to do", () => {
  for (const [text, message] of [
    ["", /There is no invite/],
    ["  \n ", /There is no invite/],
    ["hello", /not an invite/],
    ["wss://fairlead.example.org/link", /not an invite/],
    ["fairlead-invite:v2:AAAA", /Update the older/],
    ["fairlead-invite:v1:", /missing/],
    [`${line}!`, /characters that do not belong/],
    ["x".repeat(10_000), /too long/],
  ] as const) {
    assert.throws(() => decodeInvite(text), { name: "PeeringError", code: "bad-invite", message }, text.slice(0, 40));
  }
});

test("no error and no print of an invite shows its token", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: line.length }), (length) => {
      try {
        decodeInvite(line.slice(0, length));
      } catch (error) {
        assert.ok(!inspect(error).includes(line.slice(60, 80)));
      }
    }),
  );
  assert.ok(!inspect(decodeInvite(line)).includes(invite.token.reveal()));
  assert.ok(!JSON.stringify(decodeInvite(line)).includes(invite.token.reveal()));
});

test("no text makes reading fail otherwise than by a PeeringError", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const text = `fairlead-invite:v1:${Buffer.from(bytes).toString("base64url")}`;
      assert.throws(() => decodeInvite(text), { name: "PeeringError" });
    }),
    { numRuns: 500 },
  );
});

test("an expired invite says since when", () => {
  checkExpiry(invite, invite.expiresAt - 1);
  assert.throws(() => checkExpiry(invite, invite.expiresAt), {
    code: "refused",
    message: /expired at 2026-11-22T00:00:00.000Z/,
  });
});

test("tokens are 128 random bits, kept as a hash", () => {
  const [one, two] = [makeToken(), makeToken()];
  assert.match(one.reveal(), /^[0-9a-f]{32}$/);
  assert.notEqual(one.reveal(), two.reveal());
  assert.match(hashToken(one), /^[0-9a-f]{64}$/);
  assert.equal(hashToken(one), hashToken(new SecretText(one.reveal())));
});
