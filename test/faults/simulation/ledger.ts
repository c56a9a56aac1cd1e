/**
 * What was sent and what came, seen from outside of all agents. What flows is known by its place alone, so that a byte that
 * is lost, doubled or moved shows where it stands.
 */

/** Longest flow, in bytes; up to there no two places of the pattern look alike. */
const longestFlow = 512 * 1024;

/** Never written to: it is sent from where it is, so that code which changes what it was given is found out, too. */
const pattern = makePattern(longestFlow * 2);
const patternKept = Buffer.from(pattern);

function makePattern(bytes: number): Buffer {
  const words = new Uint32Array(bytes / 4);
  let state = 0x2545f491;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return Buffer.from(words.buffer);
}

/** One direction of one stream. */
export class Flow {
  readonly name: string;
  readonly #offset: number;
  readonly #mostBytes: number;
  #sent = 0;
  #came = 0;
  #ended = false;
  #endCame = false;

  /** `mostBytes` may be with the stack at a time: written and not read. */
  constructor(name: string, number: number, mostBytes: number) {
    this.name = name;
    this.#offset = (number * 7_919) % longestFlow;
    this.#mostBytes = mostBytes;
  }

  get sent(): number {
    return this.#sent;
  }

  get came(): number {
    return this.#came;
  }

  get endCame(): boolean {
    return this.#endCame;
  }

  /** The next bytes to write. */
  next(bytes: number): Uint8Array {
    const start = this.#offset + this.#sent;
    this.#sent += bytes;
    const held = this.#sent - this.#came;
    // What a writer adds when it was told to wait is its own.
    if (held - bytes > this.#mostBytes) {
      throw new Error(
        `${this.name}: ${held} bytes are held for a reader who does not read; ${this.#mostBytes} may be.`,
      );
    }
    return pattern.subarray(start, start + bytes);
  }

  end(): void {
    this.#ended = true;
  }

  /** Throws when it is not what was sent next. */
  arrived(bytes: Uint8Array): void {
    const start = this.#offset + this.#came;
    if (this.#endCame) throw new Error(`${this.name}: bytes came behind the end.`);
    if (this.#came + bytes.length > this.#sent) throw new Error(`${this.name}: more came than was sent.`);
    if (patternKept.compare(bytes, 0, bytes.length, start, start + bytes.length) !== 0) {
      throw new Error(`${this.name}: from byte ${this.#came} on, ${bytes.length} bytes are not those that were sent.`);
    }
    this.#came += bytes.length;
  }

  /** Throws when it looks complete and is not. */
  endArrived(): void {
    if (this.#endCame) throw new Error(`${this.name}: ended twice.`);
    if (!this.#ended) throw new Error(`${this.name}: ended, and its sender has not ended it.`);
    if (this.#came !== this.#sent) throw new Error(`${this.name}: looks complete with ${this.#came} of ${this.#sent}.`);
    this.#endCame = true;
  }
}

/** Whether all that was ever sent is still what it was. */
export function patternIsWhole(): boolean {
  return pattern.equals(patternKept);
}
