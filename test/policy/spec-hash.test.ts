import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { canonicalJson, hashSpec } from "../../src/policy/spec-hash.ts";
import { appOf } from "./given.ts";

test("the hash is of the canonical JSON text, as RFC 8785 writes it", () => {
  const app = appOf({ replicas: 2, image: "web:1", resources: { limits: { memory: "1Gi", cpu: 2 } } });
  const text = '{"image":"web:1","replicas":2,"resources":{"limits":{"cpu":2,"memory":"1Gi"}}}';
  assert.equal(hashSpec(app), createHash("sha256").update(text).digest("hex"));
});

test("the example of RFC 8785 comes out as it stands there", () => {
  const value = {
    numbers: [Number("333333333.33333329"), 1e30, 4.5, 2e-3, 1e-27],
    string: "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"/",
    literals: [null, true, false],
  };
  assert.equal(
    canonicalJson(value),
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
  );
});

test("keys are ordered by their UTF-16 code units, numbers among them", () => {
  const value = { "\ufb33": 1, "\ud83d\ude00": 2, "\u20ac": 3, "10": 4, "9": 5, "\r": 6, "\u0080": 7 };
  assert.equal(canonicalJson(value), '{"\\r":6,"10":4,"9":5,"\u0080":7,"€":3,"😀":2,"\ufb33":1}');
});

test("how a spec was spaced and ordered does not count, and everything that it says does", () => {
  assert.equal(hashSpec(appOf({ replicas: 1, command: ["a"] })), hashSpec(appOf({ command: ["a"], replicas: 1 })));
  const specs = [
    {},
    { replicas: 1 },
    { replicas: 2 },
    { args: ["a", "b"] },
    { args: ["b", "a"] },
    { command: ["a", "b"] },
    { env: [{ name: "A", value: "" }] },
    { env: [{ name: "A" }] },
    { resources: { limits: { cpu: 1 } } },
    { resources: { limits: { cpu: "1" } } },
    { resources: { requests: { cpu: 1 } } },
  ];
  assert.equal(new Set(specs.map((spec) => hashSpec(appOf(spec)))).size, specs.length);
});

test("canonical JSON reads back as the same value", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) =>
      assert.deepEqual(JSON.parse(canonicalJson(value)), JSON.parse(JSON.stringify(value))),
    ),
  );
});
