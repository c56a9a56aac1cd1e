/** What every command that talks to an agent does alike: find it, call it, close it. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { parseDuration } from "../base/duration.ts";
import type { AgentSession } from "../client/session.ts";
import { tellOfConnection } from "./connection-news.ts";
import type { CliContext, Connection } from "./context.ts";
import { type Format, formats, parseFormat } from "./output.ts";
import { explainUnreachable } from "./unreachable.ts";

/** Runs `work` with a connection that the command's global options mean, and closes it whatever happens. */
export async function withAgent<T>(
  command: Command,
  context: CliContext,
  work: (connection: Connection, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const connection = await context.connect(command.optsWithGlobals(), context.signal);
  try {
    return await work(connection, context.signal);
  } catch (error) {
    throw explainUnreachable(error, connection.address);
  } finally {
    connection.close();
  }
}

/** The same with a session, for what streams both ways; it ends with `work`. */
export function withSession<T>(
  command: Command,
  context: CliContext,
  work: (connection: Connection, session: AgentSession, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return withAgent(command, context, async (connection, signal) => {
    const session = await connection.openSession(signal);
    const tellNoMore = tellOfConnection(session, context.terminal.err);
    try {
      return await work(connection, session, signal);
    } finally {
      tellNoMore();
      session.close();
    }
  });
}

/** `-o table|wide|json|yaml|name`. */
export function outputOption(): Option {
  return new Option("-o, --output <format>", `one of ${formats.join(", ")}`)
    .default("table" satisfies Format)
    .argParser(parseFormat);
}

/** `-n`; absent means the kubeconfig context's namespace. */
export function namespaceOption(): Option {
  return new Option(
    "-n, --namespace <name>",
    "the namespace; by default that of the kubeconfig's context, else default",
  );
}

/** `--timeout`, in seconds, for commands with `--wait`. */
export function timeoutOption(): Option {
  return new Option("--timeout <span>", "for how long --wait waits").default(300, "5m").argParser(spanSeconds);
}

/** Collects `--grant apps,tunnels --grant kubectl` into one list. */
export function collectList(value: string, before: readonly string[] = []): string[] {
  return [
    ...before,
    ...value
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== ""),
  ];
}

/** Collects `--label a=b,c=d` into one record. */
export function collectPairs(value: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const pairs = { ...before };
  for (const part of value.split(",")) {
    const at = part.indexOf("=");
    if (at < 1) throw new InvalidArgumentError(`${JSON.stringify(part)} is not NAME=VALUE.`);
    pairs[part.slice(0, at).trim()] = part.slice(at + 1).trim();
  }
  return pairs;
}

/** A whole number within bounds. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max))
      throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
    return value;
  };
}

/** A span of time such as "90s", "15m", "24h", "7d" or "1h30m", in seconds. */
export function spanSeconds(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new InvalidArgumentError('It must be a span of time, as in "24h", "90m" or "7d".');
  return ms / 1000;
}
