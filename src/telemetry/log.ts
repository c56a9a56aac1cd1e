/**
 * The agent's log: one JSON object a line, on standard error unless told otherwise. Secrets are masked by the name of
 * their field (`redact.ts`) and by their type (`SecretText`). The level changes live, for all children at once.
 */
import { type Logger, pino } from "pino";
import type { Log } from "../base/log.ts";
import type { LogLevel } from "./log-level.ts";
import { redactFields } from "./redact.ts";

const severity: Record<LogLevel, number> = { debug: 20, info: 30, warn: 40, error: 50, silent: 100 };

/** Under the level "silent" alone. */
const recordSeverity = 99;

/** `write` is given whole lines with their newline. */
export function createLog(o: {
  level: LogLevel;
  write?(line: string): void;
  /** Is given the same lines besides. */
  keep?(line: string): void;
}): Log & { setLevel(level: LogLevel): void } {
  const threshold = { severity: severity[o.level] };
  const written = o.write ? { write: o.write } : pino.destination({ fd: 2, sync: true });
  const { keep } = o;
  const destination = keep
    ? {
        write(line: string): void {
          written.write(line);
          keep(line);
        },
      }
    : written;
  const logger = pino(
    {
      level: "debug", // The threshold is ours, because pino's children keep the level that they were born with.
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: (shown) => shown }, // Errors are plain by then, and pino's own would write them again.
    },
    destination,
  );
  return {
    ...wrap(logger, threshold),
    setLevel(level) {
      threshold.severity = severity[level];
    },
  };
}

function wrap(logger: Logger, threshold: { severity: number }, always = false): Log {
  const writer =
    (level: "debug" | "info" | "warn" | "error") =>
    (fields: object, msg: string): void => {
      const weight = always ? recordSeverity : severity[level];
      if (weight >= threshold.severity) logger[level](redactFields(fields), msg);
    };
  return {
    debug: writer("debug"),
    info: writer("info"),
    warn: writer("warn"),
    error: writer("error"),
    child: (fields, options) => wrap(logger.child(redactFields(fields)), threshold, options?.always ?? always),
  };
}
