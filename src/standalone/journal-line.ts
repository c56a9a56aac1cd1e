/**
 * The lines of a journal: each is one change with a sum over it, so that what a crash left half written is known by itself. Pure.
 *
 * A journal begins with a heading, which says how many lines of what was there at that time follow; then come the changes since
 * then, numbered without a gap.
 */
import { crc32 } from "node:zlib";

/** What a key holds from now on; nothing when `value` is missing. */
export interface Change {
  readonly key: string;
  readonly value?: string | undefined;
}

/** What the lines of a journal say together. */
export interface JournalContent {
  readonly values: Map<string, string>;
  /** The number of the last change. */
  readonly sequence: number;
  /** Where the next line belongs: behind this is what a crash left of a line that nobody was told is kept. */
  readonly bytes: number;
}

/** The lines cannot be what a crash left. What was kept is not all there, and nobody can say what is missing. */
export class DamagedJournal extends Error {
  override readonly name = "DamagedJournal";
}

const format = 1;
const newline = 0x0a;

/** One change; `sequence` is one more than that of the line before. */
export function encodeChange(sequence: number, { key, value }: Change): Buffer {
  return encodeLine([sequence, key, ...(value === undefined ? [] : [value])]);
}

/** A whole journal with nothing but what is there now. */
export function encodeJournal(values: ReadonlyMap<string, string>, sequence: number): Buffer {
  const heading = encodeLine({ fairlead: "journal", format, sequence, lines: values.size });
  return Buffer.concat([heading, ...Array.from(values, ([key, value]) => encodeLine([sequence, key, value]))]);
}

/** Throws DamagedJournal unless all is there that anybody was told is kept. */
export function readJournal(content: Buffer): JournalContent {
  const lines = new Lines(content);
  const heading = readHeading(lines.next());
  const values = new Map<string, string>();
  for (let left = heading.lines; left > 0; left -= 1) {
    const [, key, value] = readChange(lines.next()) ?? [];
    if (key === undefined || value === undefined) throw damaged(lines.at, "part of what it begins with is missing");
    values.set(key, value);
  }
  let { sequence } = heading;
  for (let bytes = lines.at; ; bytes = lines.at) {
    const change = readChange(lines.next());
    // A crash can only have met the last line: none is written before the one before it is on the disk.
    if (change === undefined && lines.at === content.length) return { values, sequence, bytes };
    const [number, key, value] = change ?? [];
    if (key === undefined || number !== sequence + 1) throw damaged(bytes, "a change is missing or cannot be read");
    sequence = number;
    if (value === undefined) values.delete(key);
    else values.set(key, value);
  }
}

/** Line by line; `at` is where the next one begins. */
class Lines {
  at = 0;
  readonly #content: Buffer;

  constructor(content: Buffer) {
    this.#content = content;
  }

  /** What the next line says; undefined when it is not whole, or there is none. */
  next(): unknown {
    const end = this.#content.indexOf(newline, this.at);
    const line = this.#content.subarray(this.at, end < 0 ? this.#content.length : end);
    this.at = end < 0 ? this.#content.length : end + 1;
    return end < 0 ? undefined : decodeLine(line);
  }
}

function readHeading(said: unknown): { sequence: number; lines: number } {
  const about = typeof said === "object" && said !== null && "fairlead" in said ? said : undefined;
  if (!about) throw damaged(0, "it does not begin as a journal does");
  if (!("format" in about) || about.format !== format) {
    throw new DamagedJournal("it was written by a later version of this program, which alone can read it");
  }
  const sequence = "sequence" in about ? about.sequence : undefined;
  const lines = "lines" in about ? about.lines : undefined;
  if (isCount(sequence) && isCount(lines)) return { sequence, lines };
  throw damaged(0, "it does not begin as a journal does");
}

function readChange(said: unknown): readonly [number, string, string | undefined] | undefined {
  if (!Array.isArray(said)) return undefined;
  const [sequence, key, value]: unknown[] = said;
  if (!isCount(sequence) || typeof key !== "string") return undefined;
  return value === undefined || typeof value === "string" ? [sequence, key, value] : undefined;
}

function encodeLine(said: unknown): Buffer {
  const text = JSON.stringify(said);
  return Buffer.from(`${sumOf(text)} ${text}\n`);
}

function decodeLine(line: Buffer): unknown {
  const text = line.subarray(9);
  if (line.subarray(0, 9).toString("latin1") !== `${sumOf(text)} `) return undefined;
  try {
    return JSON.parse(text.toString());
  } catch {
    return undefined;
  }
}

function sumOf(text: string | Buffer): string {
  return crc32(text).toString(16).padStart(8, "0");
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function damaged(at: number, why: string): DamagedJournal {
  return new DamagedJournal(`at byte ${at}, ${why}`);
}
