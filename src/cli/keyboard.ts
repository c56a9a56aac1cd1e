/** Standard input of this process, as programs elsewhere need it. */
import type { ReadStream, WriteStream } from "node:tty";
import type { Keyboard } from "./context.ts";

/** Nothing of the input is touched before it is read. */
export function createKeyboard(input: ReadStream, output: WriteStream): Keyboard {
  return {
    isTerminal: input.isTTY === true,
    async *read(signal) {
      const stop = (): void => void input.destroy();
      signal.addEventListener("abort", stop, { once: true });
      try {
        for await (const chunk of input) yield chunk;
      } catch (error) {
        // Whoever waits for a key that nobody presses is woken so.
        if (!signal.aborted) throw error;
      } finally {
        signal.removeEventListener("abort", stop);
      }
    },
    raw() {
      input.setRawMode(true);
      return () => input.setRawMode(false);
    },
    size() {
      // What is shown may go elsewhere; the keys come from the terminal that counts.
      const { columns, rows } = output.isTTY ? output : { columns: 0, rows: 0 };
      return columns > 0 && rows > 0 ? { columns, rows } : undefined;
    },
    onResize(fn) {
      output.on("resize", fn);
      return () => output.off("resize", fn);
    },
  };
}
