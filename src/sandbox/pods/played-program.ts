/** A container whose command the sandbox plays itself: it prints lines and ends with a code, like any other. */
import type { CommandContext } from "./command-context.ts";
import { runCommand } from "./commands.ts";
import type { ProgramListener, RunningProgram } from "./program.ts";

export function playProgram(
  words: readonly string[],
  context: Pick<CommandContext, "env" | "files" | "isLenient">,
  listener: ProgramListener,
): RunningProgram {
  const stopping = new AbortController();
  let rest = "";
  const write = (data: string | Uint8Array): void => {
    const lines = (rest + Buffer.from(data).toString("utf8")).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) listener.line(line);
  };
  const input = { async *[Symbol.asyncIterator]() {} };
  // The listener is not called before there is a program to be called about.
  const run = Promise.resolve().then(() =>
    runCommand(words, { ...context, input, stdout: write, stderr: write, signal: stopping.signal }),
  );
  void run
    .catch((error: unknown) => {
      write(`${String(error)}\n`);
      return 126;
    })
    .then((code) => {
      if (rest) listener.line(rest);
      // Whoever is told to end and does is counted as ended by the signal.
      listener.exit(stopping.signal.aborted ? 143 : code);
    });
  return { ports: new Map(), stop: () => stopping.abort() };
}
