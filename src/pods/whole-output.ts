/**
 * A program's output, to its last byte. When a program ends, what it runs in closes the connection, and an API server may throw away what its
 * own reader has not taken yet, and tell of success all the same: the slower that reader, the more is lost (it is so with kubectl, too).
 * So the program ends its output with a mark and stays until it hears that the mark has come.
 */
import { Code, ConnectError } from "@connectrpc/connect";
import type { ProgramEvent, RunningProgram } from "../kube/exec.ts";

/** Runs a command, prints the mark `$0`, waits for a line, and ends as the command did; `$1` and so on are the command's. */
export function markingScript(command: string): string {
  return `${command}; code=$?; printf %s "$0"; read -r line; exit $code`;
}

/**
 * The events of a program that runs a {@link markingScript}, without the mark. Throws a ConnectError (DataLoss) when it ends with success and
 * the mark has not come.
 */
export async function* wholeOutput(
  program: Pick<RunningProgram, "events" | "write">,
  mark: string,
): AsyncGenerator<ProgramEvent, void, undefined> {
  const last = Buffer.from(mark);
  /** The last bytes that came, which may be the mark. */
  let held = Buffer.alloc(0);
  let whole = false;
  for await (const event of program.events) {
    if (event.kind === "output" && !whole) {
      const { data } = event;
      const all = data.length < last.length ? Buffer.concat([held, data]) : undefined;
      const at = Math.max(0, (all ?? data).length - last.length);
      const ready = all === undefined ? [held, data.subarray(0, at)] : [all.subarray(0, at)];
      for (const piece of ready) if (piece.length > 0) yield { kind: "output", data: piece };
      // A copy, so that few bytes do not keep the message alive.
      held = Buffer.from((all ?? data).subarray(at));
      if (!held.equals(last)) continue;
      whole = true;
      await program.write(Buffer.from("\n"));
    } else if (event.kind === "exit") {
      if (event.code === 0 && !whole) {
        const message = "The peer's cluster lost the end of what the program has printed. Try again.";
        throw new ConnectError(message, Code.DataLoss);
      }
      yield event;
    } else {
      yield event;
    }
  }
}
