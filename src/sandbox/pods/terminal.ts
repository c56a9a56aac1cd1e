/**
 * A terminal in front of a played command: what is typed is echoed and handed on by the line, ^C interrupts, ^D ends the
 * input, and every line that is written ends with a carriage return.
 */

export interface Terminal {
  size: { rows: number; columns: number };
  /** A signal that ^C aborts, or `outer`. Each call gives a new one, for the command that runs now. */
  interruptible(outer: AbortSignal): AbortSignal;
}

export interface TerminalEnd extends Terminal {
  /** What was typed. */
  feed(bytes: Buffer): void;
  /** A command's output as the terminal shows it. */
  show(data: string | Uint8Array): void;
}

const keys = { interrupt: 3, end: 4, backspace: 8, newline: 10, carriageReturn: 13, delete: 127 } as const;

export function createTerminal(o: {
  write(data: Uint8Array): void;
  /** A whole line, with its end. */
  line(text: Buffer): void;
  ended(): void;
}): TerminalEnd {
  let typed: number[] = [];
  let current: AbortController | undefined;
  const echo = (text: string): void => o.write(Buffer.from(text));
  return {
    size: { rows: 24, columns: 80 },
    interruptible(outer) {
      current = new AbortController();
      return AbortSignal.any([outer, current.signal]);
    },
    feed(bytes) {
      for (const byte of bytes) {
        if (byte === keys.interrupt) {
          typed = [];
          echo("^C\r\n");
          current?.abort();
        } else if (byte === keys.end) {
          if (typed.length > 0) o.line(Buffer.from(typed));
          else o.ended();
          typed = [];
        } else if (byte === keys.newline || byte === keys.carriageReturn) {
          echo("\r\n");
          o.line(Buffer.from([...typed, keys.newline]));
          typed = [];
        } else if (byte === keys.backspace || byte === keys.delete) {
          if (typed.pop() !== undefined) echo("\b \b");
        } else {
          typed.push(byte);
          o.write(Buffer.from([byte]));
        }
      }
    },
    show: (data) => o.write(Buffer.from(Buffer.from(data).toString("latin1").replace(/\r?\n/g, "\r\n"), "latin1")),
  };
}
