/**
 * Archives in the tar format (POSIX.1-2001), as far as files, directories and links go: written with extended headers where a
 * name needs them, read as GNU tar, BusyBox and Python write them. Nothing is held but a header; what a name means on a
 * disk is for whoever unpacks to judge.
 */

export interface TarHeader {
  /** As it stands in the archive: not to be trusted. */
  readonly name: string;
  /** "other" is a device, a pipe or something else that is no file. */
  readonly type: "file" | "directory" | "symlink" | "hard-link" | "other";
  /** Bytes of the content; 0 for all but files. */
  readonly size: number;
  /** Permissions. */
  readonly mode: number;
  /** Milliseconds since 1970. */
  readonly modifiedAt: number;
  /** Where a link leads, as it stands in the archive. */
  readonly linkTarget: string;
}

export interface TarEntry extends TarHeader {
  /** Of a file; what is not read of it is skipped when the next entry is asked for. */
  readonly content: AsyncIterable<Uint8Array>;
}

/** What is no archive, or one that was cut. */
export class TarError extends Error {
  override readonly name = "TarError";
}

const block = 512;
/** Of an extended header or a long name, in bytes. */
const longestExtension = 1024 * 1024;

/** The header of an entry; `size` bytes of content follow, then `padding`. */
export function tarHeader(entry: TarHeader): Buffer {
  const records: string[] = [];
  if (!fits(entry.name, 100)) records.push(record("path", entry.name));
  if (!fits(entry.linkTarget, 100)) records.push(record("linkpath", entry.linkTarget));
  if (entry.size >= 8 ** 11) records.push(record("size", String(entry.size)));
  const header = headerBlock(entry, typeFlags[entry.type]);
  if (records.length === 0) return header;
  const text = Buffer.from(records.join(""));
  const extended = headerBlock({ ...entry, name: "././@PaxHeader", linkTarget: "", size: text.length }, "x");
  return Buffer.concat([extended, text, tarPadding(text.length), header]);
}

/** What fills up the last block of a content. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((block - (size % block)) % block);
}

/** How an archive ends. */
export function tarEnd(): Buffer {
  return Buffer.alloc(2 * block);
}

/** Throws a {@link TarError} for bytes that are no archive, and for an archive that has no end. */
export async function* readTar(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry, void, undefined> {
  const input = new Input(bytes);
  let extension: Partial<Record<"path" | "linkpath" | "size", string>> = {};
  try {
    for (;;) {
      const header = await input.take(block);
      if (header.every((byte) => byte === 0)) break;
      checkSum(header);
      const flag = String.fromCharCode(header[156] ?? 0);
      const size = number(header.subarray(124, 136));
      if (flag === "x" || flag === "g" || flag === "L" || flag === "K") {
        if (size > longestExtension) throw new TarError("An extended header of the archive is too long.");
        const content = await input.take(size);
        await input.take(tarPadding(size).length);
        if (flag === "x") extension = { ...extension, ...readRecords(content) };
        else if (flag === "L") extension.path = text(content);
        else if (flag === "K") extension.linkpath = text(content);
        continue;
      }
      const entry = toHeader(header, flag, extension.size === undefined ? size : Number(extension.size), extension);
      extension = {};
      if (!Number.isSafeInteger(entry.size) || entry.size < 0) throw new TarError("A size in the archive is none.");
      const content = new Content(input, entry.size);
      yield { ...entry, content };
      await content.skip();
      await input.take(tarPadding(entry.size).length);
    }
    await input.drain();
  } finally {
    await input.leave();
  }
}

const typeFlags = { file: "0", "hard-link": "1", symlink: "2", directory: "5", other: "0" } as const;

function headerBlock(entry: TarHeader, flag: string): Buffer {
  const header = Buffer.alloc(block);
  header.write(cut(entry.name, 100), 0);
  header.write(octal(entry.mode & 0o7777, 7), 100);
  header.write(octal(0, 7), 108);
  header.write(octal(0, 7), 116);
  header.write(octal(Math.min(entry.size, 8 ** 11 - 1), 11), 124);
  header.write(octal(Math.max(0, Math.floor(entry.modifiedAt / 1000)), 11), 136);
  header.fill(" ", 148, 156);
  header.write(flag, 156);
  header.write(cut(entry.linkTarget, 100), 157);
  header.write("ustar\u000000", 257, "latin1");
  header.write(`${octal(sumOf(header), 6)}\0 `, 148, "latin1");
  return header;
}

/** One of an extended header: its own length, which counts its own digits, a name and a value. */
function record(name: string, value: string): string {
  const rest = Buffer.byteLength(` ${name}=${value}\n`);
  let length = rest + String(rest).length;
  if (String(length).length > String(rest).length) length = rest + String(length).length;
  return `${length} ${name}=${value}\n`;
}

function readRecords(content: Buffer): Partial<Record<"path" | "linkpath" | "size", string>> {
  const found: Partial<Record<"path" | "linkpath" | "size", string>> = {};
  let at = 0;
  while (at < content.length) {
    const space = content.indexOf(0x20, at);
    const length = Number(content.toString("latin1", at, space));
    if (space < 0 || !(length > space - at) || at + length > content.length) {
      throw new TarError("An extended header of the archive is malformed.");
    }
    const pair = content.toString("utf8", space + 1, at + length - 1);
    const equals = pair.indexOf("=");
    const name = pair.slice(0, equals);
    if (name === "path" || name === "linkpath" || name === "size") found[name] = pair.slice(equals + 1);
    at += length;
  }
  return found;
}

function toHeader(
  header: Buffer,
  flag: string,
  size: number,
  { path, linkpath }: { path?: string; linkpath?: string },
): TarHeader {
  const isUstar = header.toString("latin1", 257, 263) === "ustar\0";
  const prefix = isUstar ? text(header.subarray(345, 500)) : "";
  const own = text(header.subarray(0, 100));
  const name = path ?? (prefix === "" ? own : `${prefix}/${own}`);
  const type = typeOf(flag, name);
  return {
    name,
    type,
    size: type === "file" ? size : 0,
    mode: number(header.subarray(100, 108)) & 0o7777,
    modifiedAt: number(header.subarray(136, 148)) * 1000,
    linkTarget: linkpath ?? text(header.subarray(157, 257)),
  };
}

function typeOf(flag: string, name: string): TarHeader["type"] {
  if (flag === "5" || (name.endsWith("/") && (flag === "0" || flag === "\0"))) return "directory";
  if (flag === "0" || flag === "\0" || flag === "7") return "file";
  if (flag === "1") return "hard-link";
  return flag === "2" ? "symlink" : "other";
}

/** What comes, in pieces as they are asked for. */
class Input {
  readonly #iterator: AsyncIterator<Uint8Array>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(bytes: AsyncIterable<Uint8Array>) {
    this.#iterator = bytes[Symbol.asyncIterator]();
  }

  /** Exactly so many bytes. */
  async take(length: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    let missing = length;
    while (missing > 0) {
      const part = await this.some(missing);
      if (!part) throw new TarError("The archive was cut before its end.");
      parts.push(part);
      missing -= part.length;
    }
    const [only] = parts;
    return parts.length === 1 && only ? only : Buffer.concat(parts);
  }

  /** At most so many bytes, of what is there; undefined at the end. */
  async some(most: number): Promise<Buffer | undefined> {
    while (this.#rest.length === 0) {
      const { done, value } = await this.#iterator.next();
      if (done) return undefined;
      this.#rest = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    }
    const part = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(part.length);
    return part;
  }

  /** Behind the archive's end there may be more blocks, which mean nothing. What fails there is a failure all the same. */
  async drain(): Promise<void> {
    while (!(await this.#iterator.next()).done);
  }

  async leave(): Promise<void> {
    await this.#iterator.return?.();
  }
}

class Content implements AsyncIterable<Uint8Array> {
  readonly #input: Input;
  #left: number;

  constructor(input: Input, size: number) {
    this.#input = input;
    this.#left = size;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    while (this.#left > 0) {
      const part = await this.#input.some(this.#left);
      if (!part) throw new TarError("The archive was cut in the middle of a file.");
      this.#left -= part.length;
      yield part;
    }
  }

  async skip(): Promise<void> {
    for await (const _ of this);
  }
}

function checkSum(header: Buffer): void {
  const said = number(header.subarray(148, 156));
  const cleared = Buffer.from(header);
  cleared.fill(" ", 148, 156);
  if (said !== sumOf(cleared)) throw new TarError("That is no tar archive, or a damaged one.");
}

function sumOf(header: Buffer): number {
  let sum = 0;
  for (const byte of header) sum += byte;
  return sum;
}

/** Octal digits, or GNU's form for what is too great for them. */
function number(field: Buffer): number {
  const [first = 0] = field;
  if ((first & 0x80) === 0) return Number.parseInt(text(field).trim() || "0", 8);
  let value = first & 0x7f;
  for (const byte of field.subarray(1)) value = value * 256 + byte;
  return value;
}

function text(field: Buffer): string {
  const end = field.indexOf(0);
  return field.toString("utf8", 0, end < 0 ? field.length : end);
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, "0");
}

function fits(name: string, bytes: number): boolean {
  return Buffer.byteLength(name) <= bytes && /^[\x20-\x7e]*$/.test(name);
}

function cut(name: string, bytes: number): string {
  return Buffer.byteLength(name) <= bytes ? name : name.replaceAll(/[^\x20-\x7e]/g, "_").slice(0, bytes);
}
