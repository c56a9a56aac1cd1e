/**
 * One entry of the audit as a line of JSON, and the hash that it is chained by. Pure. It stands on the ground floor because the
 * agent writes such lines and the CLI proves them without an agent. docs/audit.md says the same in words and in Python.
 */
import { createHash } from "node:crypto";

/** What marks a line of a log as an entry of the audit. */
export const auditSchema = "fairlead.audit/v1";

/** The `previous` of an entry that none comes before. */
export const noPrevious = "0".repeat(64);

/** An entry as far as the chain is concerned. */
export interface AuditLine {
  /** All names and values of the line, as JSON has them. */
  readonly fields: Readonly<Record<string, unknown>>;
  readonly sequence: number;
  /** Names the process of the agent that wrote the entry. */
  readonly instance: string;
  readonly action: string;
  /** Of the entry before; {@link noPrevious} when there is none. */
  readonly previous: string;
  readonly hash: string;
}

/** What a log writes around an entry; these are no part of it, and so is the hash of itself. */
const notHashed: ReadonlySet<string> = new Set(["hash", "level", "time", "msg", "audit"]);

/**
 * SHA-256, lower-case hex, of the entry in its canonical form: the line's JSON object without `hash` and without what the log adds
 * (`level`, `time`, `msg`, `audit`), names sorted, no white space, UTF-8. Names that are added to the schema later are hashed like all.
 */
export function hashFields(fields: Readonly<Record<string, unknown>>): string {
  const names = Object.keys(fields).filter((name) => !notHashed.has(name));
  const sorted = Object.fromEntries(names.sort().map((name) => [name, fields[name]]));
  return createHash("sha256").update(JSON.stringify(sorted)).digest("hex");
}

/** "unchained" is an entry of a version that did not chain yet; "garbled" means to be an entry and is none; undefined is another line. */
export function readAuditLine(text: string): AuditLine | "unchained" | "garbled" | undefined {
  if (!text.includes(auditSchema)) return undefined;
  // Some log collectors put a time or a name before the line.
  const json = text.slice(Math.max(0, text.indexOf("{")));
  const fields = parseObject(json);
  if (fields === undefined) return "garbled";
  if (fields.schema !== auditSchema) return undefined;
  const { sequence, instance, action, previous, hash } = fields;
  if (typeof sequence !== "number" || !Number.isSafeInteger(sequence) || typeof action !== "string") return "garbled";
  if (hash === undefined && previous === undefined) return "unchained";
  if (typeof instance !== "string" || !isHash(previous) || !isHash(hash)) return "garbled";
  if (hasNameTwice(json, fields)) return "garbled";
  return { fields, sequence, instance, action, previous, hash };
}

function parseObject(json: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

function isHash(value: unknown): value is string {
  return typeof value === "string" && /^[0-9a-f]{64}$/.test(value);
}

/** Of a name that stands twice, JSON's readers see the last one and people the first. */
function hasNameTwice(json: string, fields: object): boolean {
  if (json.trimEnd() === JSON.stringify(fields)) return false;
  const strings = json.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?/g);
  let names = 0;
  for (const [, colon] of strings) if (colon !== undefined) names += 1;
  // Entries are flat, so every name in the text is one of the object's own.
  return names !== Object.keys(fields).length;
}
