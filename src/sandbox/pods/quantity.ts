const factors: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** The number that a Kubernetes quantity means, in cores or bytes; NaN for what is none. */
export function parseQuantity(value: string | number): number {
  if (typeof value === "number") return value;
  const match = /^([+-]?[0-9.]+)(?:([eE][+-]?[0-9]+)|([KMGTPE]i|[numkMGTPE]))?$/.exec(value);
  if (!match) return Number.NaN;
  const [, digits = "", exponent = "", suffix = ""] = match;
  return Number(digits + exponent) * (factors[suffix] ?? Number.NaN);
}
