import type { Verdict } from "./finding.ts";

/** Pure. Versions as in "0.1.0"; `whose` as in "the peer" or "the agent". */
export function judgeVersion(ours: string, theirs: string | undefined, whose: string): Verdict {
  const evidence = [`${ours} here, ${theirs ?? "unknown"} there`];
  if (!theirs) {
    return { level: "ok", check: "version", summary: `${whose} has not said which version it is`, evidence };
  }
  if (ours === theirs)
    return { level: "ok", check: "version", summary: `${whose} is of the same version, ${ours}`, evidence };
  const [a, b] = [partsOf(ours), partsOf(theirs)];
  // Before 1.0 a minor version may break.
  const isFar = a[0] !== b[0] || (a[0] === 0 && a[1] !== b[1]);
  const older = compare(a, b) < 0 ? "this one" : whose;
  const remedy = `Upgrade ${older}: what the newer one knows and the older does not is refused, with its name.`;
  if (isFar) {
    const summary = `${whose} is of version ${theirs}, ours is ${ours}: one may lack what the other asks for`;
    return { level: "warning", check: "version", summary, evidence, remedy };
  }
  return { level: "ok", check: "version", summary: `${whose} is of version ${theirs}, close to ours`, evidence };
}

function partsOf(version: string): [number, number, number] {
  const [major = 0, minor = 0, patch = 0] = version.split(/[.+-]/).map((part) => Number.parseInt(part, 10) || 0);
  return [major, minor, patch];
}

function compare(a: readonly number[], b: readonly number[]): number {
  return a.map((part, index) => part - (b[index] ?? 0)).find((difference) => difference !== 0) ?? 0;
}
