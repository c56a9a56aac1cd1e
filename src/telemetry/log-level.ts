/** How much is logged. Apart from the log itself, which is much to load for a command that reads settings. */

export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

export const logLevels: readonly LogLevel[] = ["debug", "info", "warn", "error", "silent"];
