/**
 * Our reading of quantities against the API server's own, by objects that are sent to be tried and never stored. Left out is
 * what Kubernetes' parser takes and ours refuses on purpose: texts of more than 256 characters, exponents beyond 100, and
 * blanks around, which are of JSON and not of the quantity. And what Kubernetes itself writes wrongly: 1000E becomes 1.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import fc from "fast-check";
import { formatQuantity, parseQuantity, type Quantity, toThousandths } from "../../src/policy/quantity.ts";
import { type Answer, type Api, connectApi } from "./api.ts";

const kubeconfig = process.env.KUBECONFIG_A;
if (!kubeconfig) throw new Error("KUBECONFIG_A must name the kubeconfig of a cluster to test against");

/** The same on each run, so that a failure can be looked at again. */
const seed = 20_260_101;

const suffixes = [
  "",
  "n",
  "u",
  "m",
  "k",
  "M",
  "G",
  "T",
  "P",
  "E",
  "Ki",
  "Mi",
  "Gi",
  "Ti",
  "Pi",
  "Ei",
  "e0",
  "e3",
  "E2",
  "e-3",
  "E-9",
  "e+6",
  "e-12",
  "e18",
];
const digits = fc.oneof(
  fc.stringMatching(/^[0-9]{1,4}$/),
  fc.stringMatching(/^[0-9]{5,25}$/),
  fc.constantFrom("0", "00", "1", "1024", "1000", "9223372036854775807", "9223372036854775808"),
);
const written = fc
  .record({
    sign: fc.constantFrom("", "", "", "+", "-"),
    whole: digits,
    fraction: fc.oneof(
      fc.constantFrom("", "", ".", ".5", ".000000001", ".0000000001", ".9999999999"),
      fc.stringMatching(/^\.[0-9]{1,12}$/),
    ),
    suffix: fc.constantFrom(...suffixes),
  })
  .map(({ sign, whole, fraction, suffix }) => `${sign}${whole}${fraction}${suffix}`);
const nonsense = fc.oneof(
  fc.stringMatching(/^[0-9.+eEkKMGTPimnu-]{1,8}$/),
  fc.constantFrom(
    "",
    "M",
    ".",
    "+",
    "-",
    "1MM",
    "1KiB",
    "1kb",
    "0x10",
    "1e",
    "1e+",
    "--1",
    "1.2.3",
    "Infinity",
    "NaN",
    "1 Gi",
    "1_000",
    "1,5",
    "１",
    "1K",
    "1mi",
    "1ki",
    "1e3Ki",
    "1e1.5",
    ".Ki",
    "1.Gi",
    "-.5m",
  ),
);
const numbers = fc.oneof(fc.integer({ min: -10, max: 1_000_000 }), fc.double({ min: 1e-20, max: 1e21, noNaN: true }));

/** 1000E, in billionths. */
const endOfSuffixes = 10n ** 30n;

let api: Api;

before(async () => {
  api = connectApi(await readFile(kubeconfig, "utf8"));
});
after(() => api.close());

function attempt(plural: string, spec: object): Promise<Answer> {
  const body = { metadata: { generateName: "quantities-" }, spec };
  return api.ask("POST", `/api/v1/namespaces/default/${plural}`, { body, query: { dryRun: "All" } });
}

/** What the API server makes of a quantity: its own spelling, undefined when it is none, or that it is less than nothing. */
async function spelt(value: string | number): Promise<string | "negative" | undefined> {
  const { status, body } = await attempt("resourcequotas", { hard: { "requests.cpu": value } });
  if (status === 400) return undefined;
  if (status === 422 && /greater than or equal to 0/.test(body.message)) return "negative";
  assert.equal(status, 201, `${JSON.stringify(value)}: ${body.message}`);
  return body.spec.hard["requests.cpu"];
}

async function compare(value: string | number): Promise<void> {
  const [ours, theirs] = [parseQuantity(value), await spelt(value)];
  const shown = JSON.stringify(value);
  if (theirs === undefined) assert.equal(ours, undefined, `${shown} is no quantity to the API server`);
  else if (theirs === "negative")
    assert.ok(ours !== undefined && ours < 0n, `${shown} is less than nothing to the API server`);
  else if (ours !== undefined && ours >= endOfSuffixes) assert.ok(parseQuantity(theirs) !== undefined);
  else
    assert.equal(
      ours === undefined ? ours : toThousandths(ours),
      parseQuantity(theirs),
      `${shown} is ${theirs} to the API server`,
    );
}

describe("quantities", () => {
  it("are taken, refused and valued as the API server does", async () => {
    const values = [
      ...fc.sample(written, { numRuns: 300, seed }),
      ...fc.sample(nonsense, { numRuns: 150, seed }),
      ...fc.sample(numbers, { numRuns: 50, seed }),
    ];
    await each([...new Set(values)], compare);
  });

  it("are in the order in which the API server has them", async () => {
    const positive = written.filter((text) => (parseQuantity(text) ?? -1n) >= 0n);
    await each(fc.sample(fc.tuple(positive, positive), { numRuns: 100, seed }), async ([min, max]) => {
      const { status, body } = await attempt("limitranges", {
        limits: [{ type: "Container", min: { cpu: min }, max: { cpu: max } }],
      });
      const [least, most] = [kept(min), kept(max)];
      assert.equal(status, least <= most ? 201 : 422, `${min} up to ${max}: ${body.message}`);
    });
  });

  it("are written as the API server keeps them", async () => {
    const quantities = fc.sample(written, { numRuns: 200, seed }).flatMap((text): Quantity[] => {
      const quantity = parseQuantity(text);
      // Beyond 2^63 - 1 units the API server keeps what it was given.
      return quantity !== undefined && quantity >= 0n && quantity < 2n ** 63n * 10n ** 9n
        ? [toThousandths(quantity)]
        : [];
    });
    const texts = quantities.flatMap((quantity) => [
      formatQuantity(quantity, "cpu"),
      formatQuantity(quantity, "memory"),
    ]);
    const hard = Object.fromEntries([...new Set(texts)].map((text, index) => [`requests.example.org/q${index}`, text]));
    const { status, body } = await attempt("resourcequotas", { hard });
    assert.equal(status, 201, body.message);
    assert.deepEqual(body.spec.hard, hard);
    for (const quantity of quantities) {
      for (const name of ["cpu", "memory"]) assert.equal(parseQuantity(formatQuantity(quantity, name)), quantity);
    }
  });
});

function kept(text: string): Quantity {
  return toThousandths(parseQuantity(text) ?? assert.fail(text));
}

/** Eight at a time. */
async function each<T>(items: readonly T[], check: (item: T) => Promise<void>): Promise<void> {
  const left = items.values();
  const worker = async (): Promise<void> => {
    for (const item of left) await check(item);
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}
