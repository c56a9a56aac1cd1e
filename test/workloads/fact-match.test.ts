/** Facts of peers against what placements ask for. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { factMatches } from "../../src/workloads/origin/fact-match.ts";

const cases: readonly [said: string, wanted: string, matches: boolean][] = [
  ["amd64,arm64", "arm64", true],
  ["amd64,arm64", "arm", false],
  ["amd64,arm64", "amd64,arm64", false],
  ["64Gi", ">=64Gi", true],
  ["65536Mi", ">=64Gi", true],
  ["65535Mi", ">=64Gi", false],
  ["65536Mi", ">64Gi", false],
  ["65536Mi", "<=64Gi", true],
  ["7.9", ">= 8", false],
  ["8", ">7900m", true],
  ["12", "<12", false],
  ["9", "<12", true],
  ["3,12", ">=10", true],
  ["v1.34.4", ">=1.30", true],
  ["v1.9.1", ">=1.30", false],
  ["v1.30.5-gke.1014001", "<=1.30", true],
  ["v1.30.5-gke.1014001", ">1.30", false],
  ["v1.30.5+k3s1", ">=v1.30.6", false],
  ["0.10.0", ">0.9", true],
  ["0.1.0", ">=1", false],
  ["v2", ">=1.30.1", true],
  ["eu-west-1", ">=eu", false],
  ["16Gi", ">=much", false],
  ["v1.34.4", ">=many", false],
  ["", ">=0", false],
  ["aws", "=aws", false],
];

for (const [said, wanted, matches] of cases) {
  test(`"${said}" is ${matches ? "" : "not "}what "${wanted}" asks for`, () => {
    assert.equal(factMatches(said, wanted), matches);
  });
}

test("of any two numbers exactly one of less, equal and more is so", () => {
  const numbers = fc.oneof(
    fc.nat().map(String),
    fc.tuple(fc.nat(20), fc.nat(20), fc.nat(20)).map((parts) => `v${parts.join(".")}`),
  );
  fc.assert(
    fc.property(numbers, numbers, (said, bound) => {
      const [less, most, least, more] = ["<", "<=", ">=", ">"].map((operator) => factMatches(said, operator + bound));
      if (said.startsWith("v") !== bound.startsWith("v")) return;
      assert.equal(Number(less) + Number(more) + Number(most && least), 1);
      assert.equal(most, less || (most && least));
      assert.equal(least, more || (most && least));
    }),
  );
});

test("whatever a peer says, and is asked for, there is an answer", () => {
  fc.assert(fc.property(fc.string(), fc.string(), (said, wanted) => typeof factMatches(said, wanted) === "boolean"));
});
