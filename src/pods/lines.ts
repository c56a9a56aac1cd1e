/** Bytes of a log, cut into lines. Pure. */

/** A line without its end, or a piece of one that is too long to be held whole. */
export interface Line {
  readonly text: Uint8Array;
  /** False for the second and later pieces of a long line. */
  readonly begins: boolean;
}

/** Bytes of the longest line that is held; what is longer comes in pieces of that size. */
export const longestLine = 64 * 1024;

const newline = 0x0a;

export class LineSplitter {
  #rest: Uint8Array = new Uint8Array(0);
  #begins = true;

  /** The lines that have ended with this chunk. */
  push(chunk: Uint8Array): Line[] {
    const lines: Line[] = [];
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline)) {
      this.#take(lines, bytes.subarray(0, end));
      this.#begins = true;
      bytes = bytes.subarray(end + 1);
    }
    while (bytes.length > longestLine) {
      lines.push({ text: bytes.subarray(0, longestLine), begins: this.#begins });
      this.#begins = false;
      bytes = bytes.subarray(longestLine);
    }
    this.#rest = Buffer.from(bytes); // A copy, so that a small rest does not keep a large chunk.
    return lines;
  }

  /** What was not ended by a newline. */
  flush(): Line[] {
    const lines: Line[] = [];
    if (this.#rest.length > 0) this.#take(lines, this.#rest);
    this.#rest = new Uint8Array(0);
    this.#begins = true;
    return lines;
  }

  #take(lines: Line[], line: Uint8Array): void {
    let rest = line;
    do {
      lines.push({ text: rest.subarray(0, longestLine), begins: this.#begins });
      this.#begins = false;
      rest = rest.subarray(longestLine);
    } while (rest.length > 0);
  }
}

/** The time that a kubelet has put before a line, and the line without it; no time where there is none. */
export function splitTime(line: Line): { time?: string; text: Uint8Array } {
  const space = line.begins ? line.text.subarray(0, 40).indexOf(0x20) : -1;
  if (space < 0) return { text: line.text };
  const time = Buffer.from(line.text.subarray(0, space)).toString("latin1");
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(time)) return { text: line.text };
  return { time, text: line.text.subarray(space + 1) };
}

/** Whether `a` is later than `b`, to the nanosecond where both are written alike, as by one kubelet they are. */
export function isLater(a: string, b: string): boolean {
  return a.length === b.length ? a > b : Date.parse(a) > Date.parse(b);
}
