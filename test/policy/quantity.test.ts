import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatQuantity, parseQuantity } from "../../src/policy/quantity.ts";

const unit = 10n ** 9n;

test("quantities mean what `kubectl create quota --dry-run` says they mean", () => {
  // The right side was printed by kubectl 1.34 for the left one.
  const pairs: [string, string][] = [
    ["0.5", "500m"],
    ["1024Mi", "1Gi"],
    [".5", "500m"],
    ["+", "0"],
    [".", "0"],
    ["1.", "1"],
    ["0.0000000001", "1n"],
    ["9.5Ei", "9223372036854775807"],
    ["8Ei", "9223372036854775807"],
    ["-1.5", "-1500m"],
    ["0Ki", "0"],
    ["1.5Ki", "1536"],
    ["1e3", "1k"],
    ["1E3", "1000"],
    ["1E", "1000P"],
    ["1e-3", "1m"],
    ["12e6", "12M"],
  ];
  for (const [left, right] of pairs) assert.equal(parseQuantity(left), parseQuantity(right), `${left} is ${right}`);
  assert.equal(parseQuantity("500M"), 500_000_000n * unit, "M is a million, and no milli");
  assert.equal(parseQuantity("500m"), unit / 2n);
  assert.equal(parseQuantity(1), unit);
  assert.equal(parseQuantity(0.1), unit / 10n);
});

test("quantities are written as Kubernetes would keep them, and read back as the same", () => {
  const pairs: [string, string, string][] = [
    ["0", "0", "0"],
    ["0.5", "500m", "500m"],
    ["1500m", "1500m", "1500m"],
    ["2000m", "2", "2"],
    ["1000", "1k", "1k"],
    ["1024", "1024", "1Ki"],
    ["500M", "500M", "500M"],
    ["512Mi", "536870912", "512Mi"],
    ["1048576Ki", "1073741824", "1Gi"],
    ["1n", "1n", "1n"],
    ["1000E", "1e21", "1e21"],
    ["-1500m", "-1500m", "-1500m"],
  ];
  for (const [text, cpu, memory] of pairs) {
    const quantity = parseQuantity(text) ?? assert.fail(text);
    assert.equal(formatQuantity(quantity, "requests.cpu"), cpu, text);
    for (const name of ["memory", "limits.memory", "requests.storage", "ephemeral-storage", "hugepages-2Mi"]) {
      assert.equal(formatQuantity(quantity, name), memory, text);
    }
  }
  fc.assert(
    fc.property(
      fc.bigInt({ min: -(10n ** 32n), max: 10n ** 32n }),
      fc.constantFrom("cpu", "memory"),
      (quantity, name) => {
        assert.equal(parseQuantity(formatQuantity(quantity, name)), quantity);
      },
    ),
  );
});

test("what is no quantity is none", () => {
  for (const text of [
    "",
    "M",
    "1MM",
    "1 Gi",
    "1KiB",
    "1kb",
    "0x10",
    "1e",
    "1e+",
    "--1",
    "1.2.3",
    "Infinity",
    "1e9999999",
    "１",
    "Pi",
    "+Ei",
    ".e-10",
  ]) {
    // "M" is zero millions to Kubernetes, and so to us.
    if (text === "M") assert.equal(parseQuantity(text), 0n);
    else assert.equal(parseQuantity(text), undefined, text);
  }
  for (const value of [null, undefined, {}, [], true, Number.NaN]) assert.equal(parseQuantity(value), undefined);
});

test("a quantity is its digits times its suffix, exactly, rounded away from zero below a billionth", () => {
  const powers: Record<string, [bigint, bigint]> = {
    n: [1n, 10n ** 9n],
    u: [1n, 10n ** 6n],
    m: [1n, 1000n],
    "": [1n, 1n],
    k: [1000n, 1n],
    M: [10n ** 6n, 1n],
    G: [10n ** 9n, 1n],
    e2: [100n, 1n],
    "E-2": [1n, 100n],
    Ki: [1024n, 1n],
    Mi: [1024n ** 2n, 1n],
    Gi: [1024n ** 3n, 1n],
  };
  const digits = fc.integer({ min: 0, max: 999_999 });
  fc.assert(
    fc.property(
      digits,
      fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 12 }),
      fc.constantFrom(...Object.keys(powers)),
      (whole, fraction, suffix) => {
        const [times = 1n, by = 1n] = powers[suffix] ?? [];
        const numerator = BigInt(`${whole}${fraction.join("")}`) * times * unit;
        const denominator = by * 10n ** BigInt(fraction.length);
        const expected = numerator / denominator + (numerator % denominator > 0n ? 1n : 0n);
        const text = `${whole}${fraction.length > 0 ? `.${fraction.join("")}` : ""}${suffix}`;
        assert.equal(parseQuantity(text), expected, text);
        assert.equal(parseQuantity(`-${text}`), -expected, `-${text}`);
      },
    ),
  );
});
