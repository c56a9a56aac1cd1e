/**
 * The log as every room sees it; `telemetry/log.ts` makes one. It stands on the ground floor because rooms of the floor
 * above write to it too. Fields carry the facts and `msg` is a constant phrase, so that lines can be searched.
 */
export interface Log {
  debug(fields: object, msg: string): void;
  info(fields: object, msg: string): void;
  warn(fields: object, msg: string): void;
  error(fields: object, msg: string): void;
  /** A log that adds these fields to each of its lines. */
  child(fields: object, options?: ChildOptions): Log;
}

export interface ChildOptions {
  /** For what is a record and no remark: no level but "silent" keeps it quiet. */
  readonly always?: boolean;
}

/** Says nothing. For tests, and for callers who want no log. */
export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLog,
};
