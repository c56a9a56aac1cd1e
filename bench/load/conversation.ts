/** What load and target say to one another. */

/** A request and its answer are HTTP/1.1 by look and of fixed length, so that neither end spends its time on parsing. */
export const request = Buffer.from("GET /hello HTTP/1.1\r\nHost: bench.example\r\nAccept: */*\r\n\r\n");
export const response = Buffer.from(
  "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 14\r\n\r\nhello, world!\n",
);
export const requestBytes = request.length;

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
