/**
 * Whether the agent is alive and ready. A check answers at once, from what its room knows: a probe must never wait for
 * what it judges. Health is the age of the oldest unfinished work, not a flag that somebody once set.
 */
import { errorText } from "../base/error-text.ts";

/** Undefined when all is well; else one sentence that says what is not, and what would mend it. */
export type Check = () => string | undefined;

export interface HealthReport {
  ok: boolean;
  checks: { name: string; ok: boolean; problem?: string }[];
}

export interface Health {
  /** Not alive means: only a new process can help. Such checks are rare. */
  addLiveness(name: string, check: Check): void;
  /** Not ready means: send nothing here now. */
  addReadiness(name: string, check: Check): void;
  livez(): HealthReport;
  readyz(): HealthReport;
}

export function createHealth(): Health {
  const liveness = new Map<string, Check>();
  const readiness = new Map<string, Check>();
  return {
    addLiveness: (name, check) => void liveness.set(name, check),
    addReadiness: (name, check) => void readiness.set(name, check),
    livez: () => report(liveness),
    readyz: () => report(readiness),
  };
}

/** A check that fails while the oldest unfinished work is older than `limitMs` milliseconds. */
export function ageCheck(oldestPendingMs: () => number, limitMs: number): Check {
  return () => {
    const ageMs = oldestPendingMs();
    if (ageMs <= limitMs) return undefined;
    return `Work has been waiting for ${Math.round(ageMs / 1000)} s; at most ${Math.round(limitMs / 1000)} s is normal.`;
  };
}

function report(checks: ReadonlyMap<string, Check>): HealthReport {
  const results = [...checks].map(([name, check]) => {
    const problem = ask(check);
    return problem === undefined ? { name, ok: true } : { name, ok: false, problem };
  });
  return { ok: results.every((result) => result.ok), checks: results };
}

/** A check that throws is a failed check, not a failed probe. */
function ask(check: Check): string | undefined {
  try {
    return check();
  } catch (error) {
    return `The check itself failed: ${errorText(error)}`;
  }
}
