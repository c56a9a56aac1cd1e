import { fromBinary } from "@bufbuild/protobuf";
import { type Frame, FrameSchema } from "../gen/fairlead/wire/v1/frame_pb.ts";
import { dataTag, maxDataHeaderBytes, streamTag } from "./frame.ts";
import { Reason, SessionError } from "./reason.ts";

/** Receives what a decoder reads, in order and synchronously. */
export interface FrameReader {
  /**
   * One whole data frame: its payload is `pieces`, views into the chunks that came, in order. The array is used again for
   * the next frame, so it must not be kept; the pieces may be.
   */
  data(stream: number, pieces: readonly Uint8Array[], bytes: number): void;
  /** Any other frame. `bytes` is its length, for accounting. */
  frame(frame: Frame, bytes: number): void;
}

/** Pieces of one frame, after which they are gathered in one buffer, so that a peer who sends single bytes costs no more than its bytes. */
const maxPieces = 32;

/**
 * Reads frames from chunks of any cut. A frame is handed over when all of it is there, for only whole frames count; until
 * then at most `maxFrameBytes` are held. Payloads of data frames are not copied.
 *
 * Throws a {@link SessionError} (MALFORMED, FRAME_TOO_LARGE) when the bytes are no frames; it is then of no more use.
 */
export class FrameDecoder {
  readonly #reader: FrameReader;
  readonly #maxFrameBytes: number;
  /** Of the length prefix, as far as it was read. */
  #length = 0;
  #lengthBytes = 0;
  /** Of the frame that is under way: what has come, and how many bytes are still missing. */
  #pieces: Uint8Array[] = [];
  #missing = 0;
  /** When there are too many pieces: all of them in one, and how much of it is filled. */
  #gathered: Buffer | undefined;
  #filled = 0;
  readonly #scratch = new Uint8Array(maxDataHeaderBytes);
  readonly #payload: Uint8Array[] = [];

  constructor(reader: FrameReader, maxFrameBytes: number) {
    this.#reader = reader;
    this.#maxFrameBytes = maxFrameBytes;
  }

  /** Takes ownership of the chunk: views into it are handed on. */
  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#missing === 0) {
        at = this.#readLength(chunk, at);
        continue;
      }
      const end = Math.min(at + this.#missing, chunk.length);
      this.#missing -= end - at;
      if (this.#missing === 0 && this.#pieces.length === 0 && this.#gathered === undefined) {
        this.#whole(at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end));
      } else {
        this.#gather(chunk.subarray(at, end));
      }
      at = end;
    }
  }

  #readLength(chunk: Uint8Array, from: number): number {
    let at = from;
    while (at < chunk.length) {
      const byte = chunk[at++] ?? 0;
      // Five groups of 7 bits are more than any limit, and below 2^53.
      if (this.#lengthBytes === 5) throw malformed("a length prefix of more than five bytes");
      this.#length += (byte & 0x7f) * 2 ** (7 * this.#lengthBytes);
      this.#lengthBytes += 1;
      if (byte >= 0x80) continue;
      const length = this.#length;
      this.#length = 0;
      this.#lengthBytes = 0;
      if (length > this.#maxFrameBytes) {
        throw new SessionError(
          Reason.FRAME_TOO_LARGE,
          `The other end announced a frame of ${length} bytes; at most ${this.#maxFrameBytes} are taken.`,
        );
      }
      if (length === 0) throw malformed("a frame with nothing in it");
      this.#missing = length;
      break;
    }
    return at;
  }

  #gather(piece: Uint8Array): void {
    if (this.#gathered !== undefined) {
      this.#gathered.set(piece, this.#filled);
      this.#filled += piece.length;
    } else {
      this.#pieces.push(piece);
      if (this.#pieces.length > maxPieces) this.#gatherAll();
    }
    if (this.#missing > 0) return;
    if (this.#gathered !== undefined) {
      const whole = this.#gathered;
      this.#gathered = undefined;
      this.#whole(whole);
    } else {
      const pieces = this.#pieces;
      this.#pieces = [];
      this.#inPieces(pieces);
    }
  }

  #gatherAll(): void {
    let bytes = 0;
    for (const piece of this.#pieces) bytes += piece.length;
    const whole = Buffer.allocUnsafe(bytes + this.#missing);
    this.#filled = 0;
    for (const piece of this.#pieces) {
      whole.set(piece, this.#filled);
      this.#filled += piece.length;
    }
    this.#pieces = [];
    this.#gathered = whole;
  }

  #whole(body: Uint8Array): void {
    const header = this.#dataHeader(body, body.length, body.length);
    if (header === 0) {
      this.#message(body);
      return;
    }
    this.#payload[0] = body.subarray(header);
    this.#payload.length = 1;
    this.#reader.data(this.#stream, this.#payload, body.length - header);
  }

  #inPieces(pieces: readonly Uint8Array[]): void {
    const scratch = this.#scratch;
    let bytes = 0;
    let copied = 0;
    for (const piece of pieces) {
      if (copied < scratch.length) {
        const start = piece.subarray(0, scratch.length - copied);
        scratch.set(start, copied);
        copied += start.length;
      }
      bytes += piece.length;
    }
    const header = this.#dataHeader(scratch, copied, bytes);
    if (header === 0) {
      this.#message(Buffer.concat(pieces, bytes));
      return;
    }
    const payload = this.#payload;
    payload.length = 0;
    let skip = header;
    for (const piece of pieces) {
      if (skip >= piece.length) skip -= piece.length;
      else {
        payload.push(skip === 0 ? piece : piece.subarray(skip));
        skip = 0;
      }
    }
    this.#reader.data(this.#stream, payload, bytes - header);
    payload.length = 0;
  }

  /** The stream of the data frame that `#dataHeader` has found. */
  #stream = 0;

  /**
   * The length of the header when the frame is a stream and its data and nothing else, in that order, as every sender is
   * asked to write it; 0 for anything else, which the generated codec then reads.
   */
  #dataHeader(bytes: Uint8Array, length: number, frameBytes: number): number {
    if (length < 5 || bytes[0] !== streamTag) return 0;
    let stream = 0;
    let at = 1;
    for (let scale = 1; ; scale *= 128) {
      if (at > 8 || at >= length) return 0;
      const byte = bytes[at++] ?? 0;
      stream += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
    }
    if (bytes[at++] !== dataTag) return 0;
    let size = 0;
    for (let scale = 1; ; scale *= 128) {
      if (at >= length || scale > 2 ** 28) return 0;
      const byte = bytes[at++] ?? 0;
      size += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
    }
    if (size === 0 || stream === 0 || at + size !== frameBytes || stream > Number.MAX_SAFE_INTEGER) return 0;
    this.#stream = stream;
    return at;
  }

  #message(body: Uint8Array): void {
    let frame: Frame;
    try {
      frame = fromBinary(FrameSchema, body);
    } catch (cause) {
      throw malformed("bytes that are no frame", cause);
    }
    if (frame.stream > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed(`a stream number of ${frame.stream}`);
    if (frame.kind.case === "data" && frame.stream !== 0n && frame.kind.value.length > 0) {
      this.#payload[0] = frame.kind.value;
      this.#payload.length = 1;
      this.#reader.data(Number(frame.stream), this.#payload, frame.kind.value.length);
    } else {
      this.#reader.frame(frame, body.length);
    }
  }
}

function malformed(what: string, cause?: unknown): SessionError {
  return new SessionError(Reason.MALFORMED, `The other end sent ${what}.`, { cause });
}
