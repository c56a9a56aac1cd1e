/** Newline-delimited JSON out of a byte stream, whatever the chunks: cut between two lines, in a line or in a character. */

/** A stream that ended in the middle of a line. */
export class CutLineError extends Error {
  override readonly name = "CutLineError";
}

/**
 * Yields each line's value. Throws `CutLineError` when the stream ends inside a line, RangeError when a line is longer than
 * `maxLineBytes`, SyntaxError when a line is no JSON, and what the stream itself throws.
 */
export async function* readJsonLines(stream: AsyncIterable<Uint8Array>, maxLineBytes: number): AsyncGenerator<unknown> {
  let parts: Uint8Array[] = [];
  let held = 0;
  for await (const chunk of stream) {
    let start = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      parts.push(chunk.subarray(start, end));
      start = end + 1;
      const line = Buffer.concat(parts).toString("utf8");
      parts = [];
      held = 0;
      if (line.trim() !== "") yield JSON.parse(line);
    }
    held += chunk.length - start;
    if (held > maxLineBytes) throw new RangeError(`A line is longer than ${maxLineBytes} bytes.`);
    if (start < chunk.length) parts.push(chunk.subarray(start));
  }
  if (held > 0) throw new CutLineError("The stream ended in the middle of a line.");
}

const newline = 0x0a;
