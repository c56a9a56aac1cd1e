/**
 * A blob from a peer, whole or not at all: what is handed on is hashed on its way, its last bytes wait until the digest is
 * right, and where the stream breaks another goes on behind what has come.
 */
import { createHash, type Hash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Clock } from "../../base/clock.ts";
import { ImageError } from "../image-error.ts";
import { type ByteRange, readContentRange, readLength } from "../image-request.ts";

export interface BlobDeps {
  /** As `AskPeer`, for this one blob. */
  ask(range: ByteRange | undefined, signal: AbortSignal): Promise<IncomingMessage>;
  readonly clock: Clock;
}

/** What is known before the first byte. */
export interface BlobHead {
  readonly type: string | undefined;
  /** Of what is sent: the blob's or the range's. */
  readonly length: number;
  /** Of the whole blob. */
  readonly total: number;
  /** Undefined for the whole. */
  readonly range: { readonly first: number; readonly last: number } | undefined;
}

/** Streams that broke without a byte more, in a row, until it is given up; and the wait before the next, doubled each time. Milliseconds. */
const mostAttempts = 6;
const firstWaitMs = 250;

/**
 * Calls `begin` once, before the first byte, then yields the bytes. Throws an `ImageError` when they cannot be had or are not those of the
 * digest; then the last of them were not yielded. Part of a blob is not verified here, and is by who puts the parts together.
 */
export async function* readBlob(
  deps: BlobDeps,
  o: { digest: string; range: ByteRange | undefined; begin(head: BlobHead): void },
  signal: AbortSignal,
): AsyncGenerator<Buffer, void, undefined> {
  const { digest } = o;
  let head: BlobHead | undefined;
  let hash: Hash | undefined;
  /** Where the next byte stands in the blob. */
  let at = o.range?.first ?? 0;
  let held: Buffer | undefined;
  let failed = 0;
  for (;;) {
    const before = at;
    try {
      const isWhole = o.range === undefined && at === 0;
      const wanted = isWhole ? undefined : { first: at, ...lastOf(head, o.range) };
      const answer = await deps.ask(wanted, signal);
      const part = partOf(answer, at);
      const end = head ? endOf(head) : part.last + 1;
      if (head && (part.total !== head.total || part.last + 1 !== end)) {
        answer.destroy();
        throw damaged(digest, "it changes its length");
      }
      if (!head) {
        head = headOf(answer, part);
        // Of a part of it, nobody can say here whether it is right.
        if (head.length === head.total) hash = createHash(digest.slice(0, digest.indexOf(":")));
        o.begin(head);
      }
      for await (const chunk of answer) {
        const bytes: unknown = chunk;
        if (!Buffer.isBuffer(bytes) || at + bytes.length > end) throw damaged(digest, "it is longer than it says");
        hash?.update(bytes);
        at += bytes.length;
        if (held) yield held;
        held = bytes;
      }
      if (at === end) break;
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof ImageError && !(error.failure === "unreachable" || error.failure === "busy")) throw error;
      // Before anything was said, who asked can ask again, and is told why.
      if (!head) throw error;
      failed = at > before ? 0 : failed + 1;
      if (failed >= mostAttempts) throw error;
      await deps.clock.sleep(firstWaitMs * 2 ** failed, signal);
      continue;
    }
    failed = at > before ? 0 : failed + 1;
    if (failed >= mostAttempts) throw new ImageError("unreachable", `${digest} breaks off again and again.`);
    await deps.clock.sleep(firstWaitMs * 2 ** failed, signal);
  }
  if (hash && hash.digest("hex") !== digest.slice(digest.indexOf(":") + 1)) {
    throw damaged(digest, "its bytes are those of another");
  }
  if (held) yield held;
}

function lastOf(head: BlobHead | undefined, range: ByteRange | undefined): { last?: number } {
  if (range?.last === undefined) return {};
  return { last: head ? endOf(head) - 1 : range.last };
}

/** Where what is sent ends in the blob. */
function endOf({ range, total }: BlobHead): number {
  return range ? range.last + 1 : total;
}

/** Which bytes the answer has. */
function partOf(answer: IncomingMessage, at: number): { first: number; last: number; total: number } {
  const length = readLength(answer.headers["content-length"]);
  if (answer.statusCode === 206) {
    const part = readContentRange(answer.headers["content-range"]);
    if (part?.first === at && part.last - part.first + 1 === length) return part;
  } else if (at === 0 && length !== undefined) {
    return { first: 0, last: length - 1, total: length };
  }
  answer.destroy();
  throw new ImageError("damaged", "The peer's registry cannot begin in the middle of a blob, or says a wrong length.");
}

function headOf(
  answer: IncomingMessage,
  { first, last, total }: { first: number; last: number; total: number },
): BlobHead {
  const type = answer.headers["content-type"];
  const isWhole = first === 0 && last === total - 1 && answer.statusCode === 200;
  return { type, length: last - first + 1, total, range: isWhole ? undefined : { first, last } };
}

function damaged(digest: string, how: string): ImageError {
  return new ImageError("damaged", `What comes for ${digest} is not that: ${how}.`);
}
