/** What load and target say to one another. */

/**
 * A request and its answer are HTTP/1.1 by look and always as long, so that neither end spends its time on parsing. The host is that of the app
 * `bench/target` at a console; what reads HTTP on the way may add headers.
 */
export const request = Buffer.from("GET /hello HTTP/1.1\r\nHost: target-bench-http.localhost\r\nAccept: */*\r\n\r\n");
/** Where one ends and the next may begin. */
export const requestEnd = "\r\n\r\n";
const body = "hello, world!\n";
export const response = Buffer.from(
  `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
);

/** Whether all that came is one answer. */
export function isAnswer(text: Buffer): boolean {
  return text.subarray(-body.length).toString("latin1") === body;
}

export function isHttp(first: Buffer): boolean {
  return first[0] === request[0];
}

/** A prime, so that what is missing, doubled or displaced by any usual size shows. */
const period = 65_521;
const sequence = Buffer.from(Array.from({ length: 2 * period }, (_, index) => ((index % period) * 31) & 0xff));

/** The next bytes of the known sequence from `offset` on, at most `most` and about 64 KiB. */
export function poured(offset: number, most: number): Buffer {
  const start = offset % period;
  return sequence.subarray(start, start + Math.min(most, period));
}

/** Whether `chunk` is what stands at `offset` in the sequence. */
export function isPoured(chunk: Buffer, offset: number): boolean {
  for (let at = 0; at < chunk.length; ) {
    const piece = poured(offset + at, chunk.length - at);
    if (!piece.equals(chunk.subarray(at, at + piece.length))) return false;
    at += piece.length;
  }
  return true;
}
