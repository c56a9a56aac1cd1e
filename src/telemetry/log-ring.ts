/** The latest lines of the log, in memory: for people who ask the agent itself. Bounded by lines and by bytes. */

export interface KeptLine {
  /** From 1 on, one more than that of the line before. */
  readonly sequence: number;
  /** As it was written: one JSON object, without its newline. */
  readonly text: string;
}

export interface LogRing {
  /** Takes a whole line with its newline. Never throws, never logs. */
  add(line: string): void;
  /** What is kept of the lines after this one, oldest first. */
  after(sequence: number): readonly KeptLine[];
  /** Resolves when there is a line after this one; rejects with the signal's reason. */
  beyond(sequence: number, signal: AbortSignal): Promise<void>;
}

/** The least that is promised of an agent's own log. */
const mostLines = 2_000;
const mostBytes = 1024 * 1024;

export function createLogRing(bounds: { lines?: number; bytes?: number } = {}): LogRing {
  const { lines: lineLimit = mostLines, bytes: byteLimit = mostBytes } = bounds;
  let kept: KeptLine[] = [];
  /** Lines at the begin of `kept` that are no longer kept, taken away when they are as many as the rest. */
  let gone = 0;
  let bytes = 0;
  let last = 0;
  const waiting = new Set<() => void>();

  function forget(): void {
    while (kept.length - gone > lineLimit || (bytes > byteLimit && kept.length - gone > 0)) {
      bytes -= Buffer.byteLength(kept[gone]?.text ?? "");
      gone += 1;
    }
    if (gone < lineLimit && gone * 2 < kept.length) return;
    kept = kept.slice(gone);
    gone = 0;
  }

  return {
    add(line) {
      const text = line.trimEnd();
      if (text === "") return;
      last += 1;
      kept.push({ sequence: last, text });
      bytes += Buffer.byteLength(text);
      forget();
      for (const wake of waiting) wake();
      waiting.clear();
    },
    after(sequence) {
      const first = kept[gone]?.sequence ?? last + 1;
      return kept.slice(gone + Math.max(0, sequence + 1 - first));
    },
    beyond(sequence, signal) {
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        if (last > sequence) return resolve();
        const onAbort = (): void => {
          waiting.delete(wake);
          reject(signal.reason);
        };
        const wake = (): void => {
          signal.removeEventListener("abort", onAbort);
          resolve();
        };
        signal.addEventListener("abort", onAbort, { once: true });
        waiting.add(wake);
      });
    },
  };
}
