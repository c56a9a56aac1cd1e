/** What a command gets from the process that runs it: nothing in the CLI touches `process` itself. */
import type { FairleadClient } from "../client/index.ts";
import type { AgentSession } from "../client/session.ts";
import type { Finding } from "../gen/fairlead/console/v1/doctor_service_pb.ts";

/** Where a command reads and writes. */
export interface Terminal {
  /** Writes to standard output, and waits while its reader is behind. */
  out(text: string): Promise<void> | void;
  /** Writes to standard error. */
  err(text: string): void;
  /** The same for bytes that a program wrote, as they are. Both wait while the reader is behind. */
  write(data: Uint8Array): Promise<void> | void;
  writeError(data: Uint8Array): Promise<void> | void;
  /** Standard input for a program elsewhere. */
  readonly keyboard: Keyboard;
  /** All of standard input as text. */
  readInput(): Promise<string>;
  /** Asks the person at the terminal, and gives the line that they write; empty when nobody answers. */
  ask(question: string): Promise<string>;
  /** A text in the person's editor, as a file of this name; resolves with what they saved. */
  editText(name: string, text: string): Promise<string>;
  /** Keeps a text in a new file of this name, and gives its path. */
  keepText(name: string, text: string): Promise<string>;
  /** A file's text. */
  readFile(path: string): Promise<string>;
  /** A file's lines one after another, however many there are; "-" is standard input. */
  readLines(path: string): AsyncIterable<string>;
  /** Whether standard output is a terminal: colours and live tables only there. */
  readonly interactive: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Standard input, key by key where it is a terminal. */
export interface Keyboard {
  /** Whether somebody types. */
  readonly isTerminal: boolean;
  /** What comes, until its end or until the signal aborts. To be read once. */
  read(signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** Each key goes to the reader from now on, Ctrl-C too, and none is shown; until the answer is called. */
  raw(): () => void;
  /** Of the terminal, in characters; undefined where there is none. */
  size(): { columns: number; rows: number } | undefined;
  /** Calls `fn` after each change of the size, until the answer is called. */
  onResize(fn: () => void): () => void;
}

/** The options by which an agent is found; every command has them. */
export interface ConnectionOptions {
  readonly server?: string | undefined;
  readonly token?: string | undefined;
  /** The directory of an agent without a cluster, on this machine. */
  readonly state?: string | undefined;
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
  /** Opens a session: for calls that stream both ways, and for connections to apps. Rejects with a `CliError`. */
  openSession(signal: AbortSignal): Promise<AgentSession>;
  close(): void;
}

/** A ClusterRole, or its binding. */
export interface RightsObject {
  readonly kind: "ClusterRole" | "ClusterRoleBinding";
  readonly metadata: { readonly name: string };
  readonly [field: string]: unknown;
}

export interface ClusterRights {
  /** Makes the object so, by server-side apply. */
  apply(object: RightsObject, signal: AbortSignal): Promise<void>;
  /** False when there was none. */
  remove(kind: RightsObject["kind"], name: string, signal: AbortSignal): Promise<boolean>;
}

/** Finds the agent that the options mean. Rejects with a `CliError` that says what to try. */
export type Connect = (options: ConnectionOptions, signal: AbortSignal) => Promise<Connection>;

export interface CliContext {
  readonly terminal: Terminal;
  readonly connect: Connect;
  /** Who may do what in the cluster of the kubeconfig, for a person who may change it. */
  readonly openRights: (options: ConnectionOptions) => Promise<ClusterRights>;
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
