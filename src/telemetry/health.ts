/**
 * Whether the agent is alive and ready. A check answers at once, from what its room knows: a probe must never wait for
 * what it judges. Health is the age of the oldest unfinished work, not a flag that somebody once set.
 */
import { errorText } from "../base/error-text.ts";

/** Undefined when all is well; else one sentence that says what is not, and what would mend it. */
export type Check = () => string | undefined;

export interface HealthReport {
  ok: boolean;
  checks: HealthCheck[];
}

export interface HealthCheck {
  readonly name: string;
  readonly ok: boolean;
  readonly problem?: string;
  /** Of what has work. */
  readonly work?: WorkAge;
}

/** How old the oldest unfinished work is, and beyond which age something is wrong, in milliseconds. */
export interface WorkAge {
  readonly oldestMs: number;
  readonly limitMs: number;
}

export interface Health {
  /** Not alive means: only a new process can help. Such checks are rare. */
  addLiveness(name: string, check: Check): void;
  /** Not ready means: send nothing here now. */
  addReadiness(name: string, check: Check): void;
  /** Not ready while the oldest unfinished work is older than this, in milliseconds. */
  addWork(name: string, oldestPendingMs: () => number, limitMs: number): void;
  livez(): HealthReport;
  readyz(): HealthReport;
}

export function createHealth(): Health {
  const liveness = new Map<string, Judged>();
  const readiness = new Map<string, Judged>();
  return {
    addLiveness: (name, check) => void liveness.set(name, { check }),
    addReadiness: (name, check) => void readiness.set(name, { check }),
    addWork(name, oldestPendingMs, limitMs) {
      const age = (): WorkAge => ({ oldestMs: oldestPendingMs(), limitMs });
      readiness.set(name, { check: ageCheck(oldestPendingMs, limitMs), age });
    },
    livez: () => report(liveness),
    readyz: () => report(readiness),
  };
}

interface Judged {
  readonly check: Check;
  readonly age?: () => WorkAge;
}

function ageCheck(oldestPendingMs: () => number, limitMs: number): Check {
  return () => {
    const ageMs = oldestPendingMs();
    if (ageMs <= limitMs) return undefined;
    return `Work has been waiting for ${Math.round(ageMs / 1000)} s; at most ${Math.round(limitMs / 1000)} s is normal.`;
  };
}

function report(checks: ReadonlyMap<string, Judged>): HealthReport {
  const results = [...checks].map(([name, { check, age }]): HealthCheck => {
    const problem = ask(check);
    const work = age && ageOf(age);
    return problem === undefined ? { name, ok: true, ...work } : { name, ok: false, problem, ...work };
  });
  return { ok: results.every((result) => result.ok), checks: results };
}

/** Of work whose age cannot be told nothing is said but its check. */
function ageOf(age: () => WorkAge): { work?: WorkAge } {
  try {
    return { work: age() };
  } catch {
    return {};
  }
}

/** A check that throws is a failed check, not a failed probe. */
function ask(check: Check): string | undefined {
  try {
    return check();
  } catch (error) {
    return `The check itself failed: ${errorText(error)}`;
  }
}
