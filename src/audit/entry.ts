/** What is remembered of each thing that somebody asked of this agent. */
import { auditSchema, hashFields, readAuditLine } from "../base/audit-line.ts";
import { cleanText } from "./text.ts";

/** Who asked. */
export interface AuditActor {
  /** Our own name for the peer that asked, or that was asked; missing when there was no peer in it. */
  readonly peer?: string | undefined;
  /** The fingerprint that the link proved. */
  readonly fingerprint?: string | undefined;
  /** The signed-in person or the service, as the door knows it; left out where nobody can know it, as for what a peer asks. */
  readonly person?: string | undefined;
}

/** `allowed` and `denied` are decisions; `done` and `failed` tell how something that was allowed ended; `held` waits for a person. */
export type AuditVerdict = "allowed" | "denied" | "held" | "done" | "failed";

export interface AuditEntry {
  /** What was asked, as "noun.verb": "peer.join", "invite.create", "app.deploy", "stream.open". docs/audit.md has them all. */
  readonly action: string;
  readonly actor: AuditActor;
  /** What it was asked of: a peer, an app, a path. */
  readonly target?: string | undefined;
  readonly verdict: AuditVerdict;
  /** The rule that spoke: "invite/used", "grants/apps". */
  readonly rule?: string | undefined;
  /** Why, for people. No secrets. */
  readonly message?: string | undefined;
  /** Ties together what belongs to one request, on both ends. */
  readonly correlation?: string | undefined;
}

/** An entry as it is kept. */
export interface AuditRecord extends AuditEntry {
  readonly actor: AuditActor & { /** "unknown" where nobody can know it. */ readonly person: string };
  /** One more than that of the entry before, also over restarts. */
  readonly sequence: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Names the process of the agent that wrote it. */
  readonly instance: string;
  /** The hash of the entry before. */
  readonly previous: string;
  /** Of this entry, as `base/audit-line.ts` makes it. */
  readonly hash: string;
}

/** Where an entry stands in the chain. */
export interface AuditPlace {
  readonly sequence: number;
  readonly at: number;
  readonly instance: string;
  readonly previous: string;
}

/** Who asked when nobody can know it. */
const unknownPerson = "unknown";

/**
 * How long each text may be, in bytes of JSON. Together with what is of fixed length no line has more than `longestLine`, so that
 * a segment of 500 fits into a ConfigMap whatever a stranger says.
 */
const room = {
  action: 64,
  peer: 64,
  fingerprint: 64,
  person: 128,
  target: 384,
  rule: 96,
  message: 640,
  correlation: 128,
};

/** Of an entry as a line, in bytes. */
export const longestLine = 2_048;

/** The entry with its place in the chain and its hash; texts are cleaned and cut. */
export function sealEntry(entry: AuditEntry, place: AuditPlace): AuditRecord {
  const cleaned = cleanEntry(entry);
  const unsealed = { ...cleaned, ...place, hash: "" };
  return { ...unsealed, hash: hashFields(formatRecord(unsealed)) };
}

/** The entry as one flat JSON object. The names are a contract: they are only ever added to. */
export function formatRecord(record: AuditRecord): Record<string, string | number> {
  const { actor } = record;
  const fields: Record<string, string | number | undefined> = {
    schema: auditSchema,
    sequence: record.sequence,
    at: new Date(record.at).toISOString(),
    instance: record.instance,
    action: record.action,
    verdict: record.verdict,
    peer: actor.peer,
    fingerprint: actor.fingerprint,
    person: actor.person,
    target: record.target,
    rule: record.rule,
    message: record.message,
    correlation: record.correlation,
    previous: record.previous,
    hash: record.hash,
  };
  const line: Record<string, string | number> = {};
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) line[name] = value;
  return line;
}

/**
 * Undefined when the line is no entry of the chain, or one that this version cannot show. `share` may give another copy of the same
 * text in place of one that is likely to stand in other entries too.
 */
export function parseRecord(text: string, share: (text: string) => string = (same) => same): AuditRecord | undefined {
  const line = readAuditLine(text);
  if (typeof line !== "object") return undefined;
  const { fields, sequence } = line;
  const at = Date.parse(textOf(fields.at) ?? "");
  const verdict = verdictOf(fields.verdict);
  if (Number.isNaN(at) || !verdict) return undefined;
  const shared = (value: unknown): string | undefined => (typeof value === "string" ? share(value) : undefined);
  return {
    action: share(line.action),
    actor: {
      peer: shared(fields.peer),
      fingerprint: shared(fields.fingerprint),
      person: shared(fields.person) ?? unknownPerson,
    },
    target: shared(fields.target),
    verdict,
    rule: shared(fields.rule),
    message: shared(fields.message),
    correlation: textOf(fields.correlation),
    sequence,
    at,
    instance: share(line.instance),
    previous: share(line.previous),
    hash: share(line.hash),
  };
}

function cleanEntry(entry: AuditEntry): AuditEntry & Pick<AuditRecord, "actor"> {
  const clean = (name: keyof typeof room, text: string | undefined): string | undefined =>
    text === undefined ? undefined : cleanText(text, room[name]);
  const { actor } = entry;
  return {
    action: cleanText(entry.action, room.action),
    actor: {
      peer: clean("peer", actor.peer),
      fingerprint: clean("fingerprint", actor.fingerprint),
      person: cleanText(actor.person || unknownPerson, room.person),
    },
    target: clean("target", entry.target),
    verdict: entry.verdict,
    rule: clean("rule", entry.rule),
    message: clean("message", entry.message),
    correlation: clean("correlation", entry.correlation),
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

const verdicts: readonly AuditVerdict[] = ["allowed", "denied", "held", "done", "failed"];

function verdictOf(value: unknown): AuditVerdict | undefined {
  return verdicts.find((verdict) => verdict === value);
}
