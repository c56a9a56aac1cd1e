/** The host's audit as its log has it: the log is the record. */
import type { Log } from "../../../src/base/log.ts";

/** One line of the audit, as it is written. */
export interface AuditLine {
  readonly action: string;
  readonly verdict: string;
  readonly peer?: string;
  readonly fingerprint?: string;
  readonly rule?: string;
  readonly target?: string;
  readonly message?: string;
}

/** What an attack must have left in the audit. */
export interface Trace {
  readonly action: string;
  readonly verdict: string;
  /** The attacker unless said; null for who is no peer. */
  readonly peer?: string | null;
  readonly rule?: string;
}

export class AuditTrail {
  readonly lines: AuditLine[] = [];
  /** Lines at error: an attack must not find a defect. */
  readonly defects: string[] = [];

  /** To be given to the host. */
  readonly log: Log = this.#log(false);

  /** What of the traces of this attacker is not among the lines from `start` on, in words. */
  missing(traces: readonly Trace[], attacker: string, start: number): string[] {
    const lines = this.lines.slice(start);
    const missing = traces.filter(
      ({ peer = attacker, ...trace }) => !lines.some((line) => fits(line, { peer, ...trace })),
    );
    return missing.map((trace) => JSON.stringify(trace));
  }

  #log(isAudit: boolean): Log {
    const drop = (): void => undefined;
    const write = (fields: object): void => {
      if (isAudit) this.lines.push(lineOf(fields));
    };
    return {
      debug: drop,
      info: write,
      warn: write,
      error: (fields, msg) => this.defects.push(`${msg}: ${JSON.stringify(fields, errorsToo)}`),
      child: (fields) => this.#log(isAudit || "audit" in fields),
    };
  }
}

function lineOf(fields: object): AuditLine {
  const text = new Map(Object.entries(fields).map(([name, value]) => [name, String(value)]));
  const optional = (name: string) => (text.has(name) ? { [name]: text.get(name) } : {});
  return {
    action: text.get("action") ?? "",
    verdict: text.get("verdict") ?? "",
    ...optional("peer"),
    ...optional("fingerprint"),
    ...optional("rule"),
    ...optional("target"),
    ...optional("message"),
  };
}

function fits(line: AuditLine, { action, verdict, peer, rule }: Trace): boolean {
  return (
    line.action === action &&
    line.verdict === verdict &&
    line.peer === (peer ?? undefined) &&
    (rule === undefined || line.rule === rule)
  );
}

function errorsToo(_: string, value: unknown): unknown {
  return value instanceof Error ? value.stack : value;
}
