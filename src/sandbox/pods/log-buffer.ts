/** What one run of a container printed, bounded: the oldest lines go first. */

export interface LogLine {
  /** Milliseconds since 1970. */
  time: number;
  text: string;
}

/** Kept of each run (bytes), as a kubelet keeps a log file until it rotates. */
const maxBytes = 1024 * 1024;

export class LogBuffer {
  #lines: LogLine[] = [];
  #bytes = 0;
  #closed = false;
  readonly #listeners = new Set<(line: LogLine | undefined) => void>();

  append(line: LogLine): void {
    this.#lines.push(line);
    this.#bytes += line.text.length + 1;
    if (this.#bytes > maxBytes) this.#forget();
    for (const listener of [...this.#listeners]) listener(line);
  }

  /** No more lines will come: followers are told so. */
  close(): void {
    this.#closed = true;
    for (const listener of [...this.#listeners]) listener(undefined);
    this.#listeners.clear();
  }

  lines(): readonly LogLine[] {
    return this.#lines;
  }

  /** Calls back for each line from now on, and with undefined at the end. */
  follow(listener: (line: LogLine | undefined) => void): () => void {
    if (this.#closed) {
      listener(undefined);
      return () => undefined;
    }
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** A quarter at a time, so that a long log costs little for each line. */
  #forget(): void {
    let drop = 0;
    for (let freed = 0; freed < maxBytes / 4 && drop < this.#lines.length - 1; drop++)
      freed += (this.#lines[drop]?.text.length ?? 0) + 1;
    for (const line of this.#lines.splice(0, drop)) this.#bytes -= line.text.length + 1;
  }
}
