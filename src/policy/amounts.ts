/** Sums of quantities by name. Pure. */
import type { Amounts, Quantity } from "./quantity.ts";

export const noAmounts: Amounts = new Map();

export function addAmounts(a: Amounts, b: Amounts): Amounts {
  const sum = new Map(a);
  for (const [name, quantity] of b) sum.set(name, (sum.get(name) ?? 0n) + quantity);
  return sum;
}

/** `a` without `b`; what becomes nothing is left out, so that what was added and taken away again leaves no trace. */
export function subtractAmounts(a: Amounts, b: Amounts): Amounts {
  const rest = new Map(a);
  for (const [name, quantity] of b) {
    const left = (rest.get(name) ?? 0n) - quantity;
    if (left === 0n) rest.delete(name);
    else rest.set(name, left);
  }
  return rest;
}

export function timesAmounts(amounts: Amounts, count: number, rename: (name: string) => string): Map<string, Quantity> {
  return new Map([...amounts].map(([name, quantity]) => [rename(name), quantity * BigInt(count)]));
}
