/** What a command gets from the process that runs it: nothing in the CLI touches `process` itself. */
import type { FairleadClient } from "../client/index.ts";
import type { Finding } from "../gen/fairlead/console/v1/doctor_service_pb.ts";

/** Where a command reads and writes. */
export interface Terminal {
  /** Writes to standard output, and waits while its reader is behind. */
  out(text: string): Promise<void> | void;
  /** Writes to standard error. */
  err(text: string): void;
  /** All of standard input as text. */
  readInput(): Promise<string>;
  /** Asks the person at the terminal, and gives the line that they write; empty when nobody answers. */
  ask(question: string): Promise<string>;
  /** A file's text. */
  readFile(path: string): Promise<string>;
  /** A file's lines one after another, however many there are; "-" is standard input. */
  readLines(path: string): AsyncIterable<string>;
  /** Whether standard output is a terminal: colours and live tables only there. */
  readonly interactive: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** The options by which an agent is found; every command has them. */
export interface ConnectionOptions {
  readonly server?: string | undefined;
  readonly token?: string | undefined;
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  readonly agentNamespace?: string | undefined;
}

/** A client of the agent that was found. */
export interface Connection {
  readonly client: FairleadClient;
  /** The namespace that commands mean when none is given: the kubeconfig context's, else "default". */
  readonly namespace: string;
  /** Where the agent is, for messages. */
  readonly address: string;
  close(): void;
}

/** Finds the agent that the options mean. Rejects with a `CliError` that says what to try. */
export type Connect = (options: ConnectionOptions, signal: AbortSignal) => Promise<Connection>;

export interface CliContext {
  readonly terminal: Terminal;
  readonly connect: Connect;
  /** Aborts on Ctrl-C; every call of a command ends with it. */
  readonly signal: AbortSignal;
  /** Goes the way to an agent's door from this machine, without an agent, and tells what it finds as it finds it. */
  readonly lookAtUrl: (url: string, signal: AbortSignal) => AsyncIterable<Finding>;
  /** Runs an agent until the signal aborts. `flags` are settings by name, as in "console.port". */
  readonly runAgent: (flags: Readonly<Record<string, string>>, configFile: string | undefined) => Promise<void>;
  /** Runs the demo; resolves with the exit code. */
  readonly runDemo: (options: { once: boolean }) => Promise<number>;
  /** The settings as an agent started here would have them, and where each came from. */
  readonly describeConfig: (
    flags: Readonly<Record<string, string>>,
    configFile: string | undefined,
  ) => readonly { name: string; value: string; source: string; description: string }[];
  /** The program's version, as in "0.1.0". */
  readonly version: string;
}
