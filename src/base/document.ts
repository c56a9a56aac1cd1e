/** YAML text as documents, with the place of each mistake. JSON is YAML too. */
import { LineCounter, parseAllDocuments, type Document as YamlDocument } from "yaml";
import { errorText } from "./error-text.ts";

export interface Document {
  /** Plain values as JSON has them: objects, arrays, strings, numbers, booleans, null. */
  readonly value: unknown;
  /** Line, from 1, on which the document starts. */
  readonly line: number;
  /** Where the value under `path` starts, as "line 3, column 5"; its nearest parent's place when it is not there. */
  locate(path: readonly (string | number)[]): string;
}

/** A text that is not YAML. The message names the line and column. */
export class DocumentError extends Error {
  override readonly name = "DocumentError";
  readonly line: number;
  readonly column: number;

  constructor(message: string, position: { line: number; column: number }, options?: ErrorOptions) {
    super(message, options);
    this.line = position.line;
    this.column = position.column;
  }
}

/**
 * Every document of the text that is not empty. Throws DocumentError at the first mistake; a key that is given twice is
 * one. `name` says in the message what was read, such as a file's path. Aliases are expanded up to 100 times.
 */
export function parseDocuments(text: string, name = "YAML"): Document[] {
  const lines = new LineCounter();
  const parsed = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false });
  const documents = Array.isArray(parsed) ? parsed : [];
  return documents.flatMap((document) => {
    const [mistake] = document.errors;
    if (mistake) throw mistakeAt(name, mistake.message, lines.linePos(mistake.pos[0]), mistake);
    const start = lines.linePos(document.contents?.range?.[0] ?? 0);
    const value = toPlain(document, name, start);
    if (value === null) return []; // Nothing between two separators, or only comments.
    return [{ value, line: start.line, locate: (path) => locate(document, lines, path) }];
  });
}

function toPlain(document: YamlDocument, name: string, start: { line: number; col: number }): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw mistakeAt(name, errorText(error), start, error);
  }
}

function mistakeAt(name: string, message: string, at: { line: number; col: number }, cause: unknown): DocumentError {
  const position = { line: Math.max(1, at.line), column: Math.max(1, at.col) };
  const text = `${name}, line ${position.line}, column ${position.column}: ${message}`;
  return new DocumentError(text, position, { cause });
}

function locate(document: YamlDocument, lines: LineCounter, path: readonly (string | number)[]): string {
  for (let length = path.length; length >= 0; length -= 1) {
    const node = length === 0 ? document.contents : document.getIn(path.slice(0, length), true);
    if (typeof node === "object" && node !== null && "range" in node && Array.isArray(node.range)) {
      const { line, col } = lines.linePos(Number(node.range[0]));
      return `line ${line}, column ${col}`;
    }
  }
  return "line 1, column 1";
}
