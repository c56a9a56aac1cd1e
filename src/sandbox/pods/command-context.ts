/** What a played command is given. */
import type { ContainerFiles } from "./container-files.ts";
import type { Terminal } from "./terminal.ts";

export interface CommandContext {
  env: Readonly<Record<string, string>>;
  input: AsyncIterable<Buffer>;
  files: ContainerFiles;
  stdout(data: string | Uint8Array): void;
  stderr(data: string | Uint8Array): void;
  signal: AbortSignal;
  terminal?: Terminal;
  /** Without processes any other program is taken to have done its work. */
  isLenient?: boolean;
}

export type RunCommand = (words: readonly string[], context: CommandContext) => Promise<number>;

/** Why a file cannot be written, in the words of a command; undefined when it can. */
export function writeBreach(path: string, files: ContainerFiles): string | undefined {
  return files.isReadOnly(path) ? `${path}: Read-only file system` : undefined;
}
