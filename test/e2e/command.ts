/** Programs as a user runs them, with what they printed. */

import { type ChildProcess, spawn } from "node:child_process";

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** Ends the program after so many seconds; 60 unless said. */
  readonly seconds?: number;
}

/** Runs a program to its end. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const child = spawn(command, args, {
    env: { ...process.env, ...options.env },
    stdio: ["pipe", "pipe", "pipe"],
    timeout: (options.seconds ?? 60) * 1000,
    killSignal: "SIGKILL",
  });
  const output = collect(child);
  child.stdin.on("error", () => {}); // A program that does not read its input may be gone before it is written.
  child.stdin.end(options.input ?? "");
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, ...output() }));
  });
}

/** Runs a program that has to succeed, and gives what it wrote to standard output. */
export async function mustRun(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, options);
  if (code === 0) return stdout;
  throw new Error(`${command} ${args.join(" ")} ended with ${code}: ${stderr || stdout}`);
}

/** Gathers what a child prints from now on. */
export function collect(child: ChildProcess): () => { stdout: string; stderr: string } {
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
    stdout += chunk;
  });
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
    stderr += chunk;
  });
  return () => ({ stdout, stderr });
}
