/** Where the parts of a WebSocket's byte stream go. */
export interface FrameOutlet {
  /** A part of the payload of a binary message, as it came: a view of the chunk. */
  payload(piece: Buffer): void;
  /** Bytes that are somebody else's to read: whole frames, in pieces. */
  other(bytes: Buffer): void;
  /** A binary message has begun. */
  begun(): void;
}

const wholeBinary = 0x82;
const wholeControl = 0x88;
const closeOpcode = 0x8;
const maxControlBytes = 125;
/** Two bytes, a length of eight, a mask of four. */
const longestHeader = 14;

/**
 * Takes the frames out of a WebSocket that nearly all are: a binary message in one frame, not masked or masked with zeros. Their payload is
 * handed on as it comes, where the library gathers each message, which costs a copy and a buffer. Control frames go to the
 * library one by one, and from the first frame on that is anything else, everything does: it reads that, or refuses it.
 */
export class BinaryFrames {
  readonly #outlet: FrameOutlet;
  readonly #masked: boolean;
  readonly #maxPayload: number;
  readonly #header = Buffer.alloc(longestHeader);
  #headerBytes = 0;
  /** Of the payload that is under way, and whether it is somebody else's. */
  #left = 0;
  #isOther = false;
  /** Nothing is read here any more. */
  #over = false;

  /** `masked`: whether the other end has to mask, as those who dial do. */
  constructor(outlet: FrameOutlet, o: { masked: boolean; maxPayload: number }) {
    this.#outlet = outlet;
    this.#masked = o.masked;
    this.#maxPayload = o.maxPayload;
  }

  take(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#over) {
        this.#outlet.other(chunk.subarray(at));
        return;
      }
      if (this.#left > 0) {
        const piece = chunk.subarray(at, at + this.#left);
        at += piece.length;
        this.#left -= piece.length;
        if (this.#isOther) this.#outlet.other(piece);
        else this.#outlet.payload(piece);
        continue;
      }
      this.#header[this.#headerBytes++] = chunk[at++] ?? 0;
      if (this.#headerBytes === 2 && !this.#isUsual()) this.#handOver();
      else if (this.#headerBytes >= 2 && this.#headerBytes === this.#headerLength()) this.#begin();
    }
  }

  /** By its first two bytes, so that what is refused is refused at once. */
  #isUsual(): boolean {
    const [first = 0, second = 0] = this.#header;
    const isControl = first >= wholeControl && first <= wholeControl + 2 && (second & 0x7f) <= maxControlBytes;
    return second >= 0x80 === this.#masked && (first === wholeBinary || isControl);
  }

  #headerLength(): number {
    const second = this.#header[1] ?? 0;
    const length = second & 0x7f;
    return 2 + (length === 127 ? 8 : length === 126 ? 2 : 0) + (second >= 0x80 ? 4 : 0);
  }

  #begin(): void {
    const header = this.#header.subarray(0, this.#headerBytes);
    const [first = 0, second = 0] = header;
    const short = second & 0x7f;
    this.#left = short === 127 ? Number(header.readBigUInt64BE(2)) : short === 126 ? header.readUInt16BE(2) : short;
    this.#isOther = first !== wholeBinary;
    if (this.#isOther) {
      // What comes behind a close frame is nobody's.
      if ((first & 0xf) === closeOpcode) this.#handOver();
      else this.#passHeader();
      return;
    }
    const plain = !this.#masked || header.readUInt32BE(header.length - 4) === 0;
    if (!plain || this.#left > this.#maxPayload) {
      this.#handOver();
      return;
    }
    this.#headerBytes = 0;
    this.#outlet.begun();
  }

  #handOver(): void {
    this.#over = true;
    this.#passHeader();
  }

  #passHeader(): void {
    const header = Buffer.from(this.#header.subarray(0, this.#headerBytes));
    this.#headerBytes = 0;
    this.#outlet.other(header);
  }
}
