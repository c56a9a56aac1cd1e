/**
 * Kubernetes' resource quantities: "500m", "1.5Gi", "1e3". One parser for all rules, exact, and as Kubernetes' own: rules of
 * `ParseQuantity` in k8s.io/apimachinery/pkg/api/resource/quantity.go.
 */

import type { Value } from "@bufbuild/protobuf/wkt";

/** A quantity in billionths of its unit, the finest step that Kubernetes knows. */
export type Quantity = bigint;

const nanosPerUnit = 10n ** 9n;
/** Binary quantities stop here in Kubernetes: 2^63 - 1 units. */
const mostBinary = (2n ** 63n - 1n) * nanosPerUnit;
/** Beyond this an exponent is nonsense, and its power would only cost memory. */
const mostExponent = 100;

/** Longer than any quantity that somebody means; the work grows with the square of it. */
const longestText = 256;

const grammar = /^([+-]?)(\d*)(?:\.(\d*))?((?:[KMGTPE]i)|[numkMGTPE]|[eE][+-]?\d+)?$/;
const decimalExponents: Record<string, number> = { n: -9, u: -6, m: -3, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };
const binaryShifts: Record<string, bigint> = { Ki: 10n, Mi: 20n, Gi: 30n, Ti: 40n, Pi: 50n, Ei: 60n };

/** Quantities by the names of what they are about, such as `requests.cpu`. What is missing is not bounded, or not asked for. */
export type Amounts = ReadonlyMap<string, Quantity>;

/** What is stored as a quantity in a message, where YAML may have a text or a number. Undefined when it is none. */
export function readQuantity(value: Value | undefined): Quantity | undefined {
  const kind = value?.kind;
  return kind?.case === "stringValue" || kind?.case === "numberValue" ? parseQuantity(kind.value) : undefined;
}

/**
 * As the API server keeps what is asked for and what bounds it: nothing finer than a thousandth, rounded away from zero
 * (SetDefaults_ResourceList in k8s.io/kubernetes/pkg/apis/core/v1/defaults.go).
 */
export function toThousandths(quantity: Quantity): Quantity {
  const step = nanosPerUnit / 1000n;
  const rest = quantity % step;
  if (rest === 0n) return quantity;
  return quantity - rest + (quantity > 0n ? step : -step);
}

/** A whole number as a quantity. */
export function wholeQuantity(count: number): Quantity {
  return BigInt(count) * nanosPerUnit;
}

/**
 * For people, and for Kubernetes in the form in which it would keep it: "500m", "2", "1Gi", "500M". What is counted in bytes
 * gets the largest binary suffix that divides it; everything else, and what none divides, the largest decimal one.
 */
export function formatQuantity(quantity: Quantity, name: string): string {
  if (quantity === 0n) return "0";
  if (quantity % (1024n * nanosPerUnit) === 0n && quantity <= mostBinary && countsBytes(name)) {
    return binary(quantity / nanosPerUnit);
  }
  let [digits, exponent] = [quantity, -9];
  while (digits % 1000n === 0n) [digits, exponent] = [digits / 1000n, exponent + 3];
  // There is no suffix beyond E: Kubernetes itself would write 1000E as 1.
  if (exponent > 18) return `${digits}e${exponent}`;
  return `${digits}${Object.entries(decimalExponents).find(([, power]) => power === exponent)?.[0] ?? ""}`;
}

function countsBytes(name: string): boolean {
  return /(^|[./])(memory|storage|ephemeral-storage)$/.test(name) || name.includes("hugepages-");
}

function binary(units: bigint): string {
  let [digits, suffix] = [units, ""];
  for (const next of Object.keys(binaryShifts)) {
    if (digits % 1024n !== 0n) break;
    [digits, suffix] = [digits / 1024n, next];
  }
  return `${digits}${suffix}`;
}

/**
 * Parses what a YAML field may hold: a text or a number. Undefined when it is no quantity. A suffix without digits is nothing
 * of it, unless Kubernetes takes its slow way, on which it is none: so it is for `Pi`, `Ei` and `e-10`, oddly. A value finer than a billionth
 * is rounded away from zero, so that something never becomes nothing.
 */
export function parseQuantity(input: unknown): Quantity | undefined {
  if (typeof input !== "string" && typeof input !== "number") return undefined;
  const text = String(input);
  if (text.length > longestText) return undefined;
  const match = grammar.exec(text);
  if (!match || text === "") return undefined;
  const [, sign = "", whole = "", fraction = "", suffix = ""] = match;
  const shift = binaryShifts[suffix];
  const exponent = shift === undefined ? decimalExponent(suffix) : 0;
  if (exponent === undefined) return undefined;
  if (whole === "" && fraction === "" && (exponent < -9 || (shift ?? 0n) >= 50n)) return undefined;
  const digits = BigInt(`0${whole}${fraction}`);
  const scaled = scale(digits << (shift ?? 0n), exponent - fraction.length + 9);
  const size = shift !== undefined && scaled > mostBinary ? mostBinary : scaled;
  return sign === "-" ? -size : size;
}

/** `digits` times ten to the power of `exponent`, rounded away from zero. */
function scale(digits: bigint, exponent: number): bigint {
  if (exponent >= 0) return digits * 10n ** BigInt(exponent);
  const divisor = 10n ** BigInt(-exponent);
  return (digits + divisor - 1n) / divisor;
}

function decimalExponent(suffix: string): number | undefined {
  if (suffix === "") return 0;
  const known = decimalExponents[suffix];
  if (known !== undefined) return known;
  const exponent = Number(suffix.slice(1));
  return Math.abs(exponent) <= mostExponent ? exponent : undefined;
}
