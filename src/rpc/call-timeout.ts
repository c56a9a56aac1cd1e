/** The time-out that a caller names in a header. Pure. */

/** Node's timers know no longer ones: they would end the call at once, and print a warning for each. Milliseconds. */
const longestMs = 2 ** 31 - 1;

const unitsMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 0.001, n: 0.000001 };

/**
 * What to put in place of a `grpc-timeout` or `connect-timeout-ms` that is beyond all timers, 24 days; undefined for any
 * other value, sense or nonsense.
 */
export function boundedTimeout(value: string | null | undefined): string | undefined {
  const [, digits, unit] = /^(\d{1,10})([HMSmun]?)$/.exec(value ?? "") ?? [];
  if (digits === undefined || Number(digits) * (unitsMs[unit || "m"] ?? 1) <= longestMs) return undefined;
  return unit ? `${Math.floor(longestMs / 1000)}S` : String(longestMs);
}

/** The headers by which protocols name a time-out. */
export const timeoutHeaders = ["grpc-timeout", "connect-timeout-ms"] as const;
