/**
 * Whether a fact that a peer says of itself is as a placement asks. What is asked for may begin with a comparison: amounts compare as
 * Kubernetes' quantities ("memory: >=16Gi"), versions by their numbers, as far as they are asked for ("kubernetes: >=1.30"). Pure.
 */
import { parseQuantity } from "../../policy/quantity.ts";

/** Of a fact that is several, with commas between, one has to be it. */
export function factMatches(said: string, wanted: string): boolean {
  const all = said.split(",");
  const [, operator, bound = ""] = /^(>=|<=|>|<) *(.+)$/.exec(wanted) ?? [];
  if (operator === undefined) return all.includes(wanted);
  return all.some((one) => {
    const order = isVersion(one) ? versionOrder(one, bound) : amountOrder(one, bound);
    if (order === undefined) return false;
    if (order === 0) return operator.endsWith("=");
    return order < 0 === operator.startsWith("<");
  });
}

/** What could be an amount is none: "1.30" of an unknown fact is less than two. */
function isVersion(text: string): boolean {
  return /^v\d/.test(text) || /^\d+\.\d+\.\d/.test(text);
}

/** 1.30.4 is 1.30, and neither more nor less than that. Undefined when they cannot be compared. */
function versionOrder(said: string, bound: string): number | undefined {
  const [has, asked] = [said, bound].map((text) =>
    /^v?(\d{1,9}(?:\.\d{1,9}){0,3})(?![\w.])/.exec(text)?.[1]?.split("."),
  );
  if (!has || !asked) return undefined;
  const differences = asked.map((part, index) => Number(has[index] ?? 0) - Number(part));
  return differences.find((difference) => difference !== 0) ?? 0;
}

function amountOrder(said: string, bound: string): number | undefined {
  const [has, asked] = [parseQuantity(said), parseQuantity(bound)];
  if (has === undefined || asked === undefined) return undefined;
  return has < asked ? -1 : Number(has > asked);
}
