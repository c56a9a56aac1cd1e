/** What is remembered of each thing that somebody asked of this agent. */

/** Who asked. `person` is missing where nobody can know it, as for what a peer asks. */
export interface AuditActor {
  /** Our own name for the peer that asked; missing when it was no peer. */
  readonly peer?: string | undefined;
  /** The fingerprint that the link proved. */
  readonly fingerprint?: string | undefined;
  /** The signed-in person or the service, as the door knows it. */
  readonly person?: string | undefined;
}

/** `allowed` and `denied` are decisions; `done` and `failed` tell how something that was allowed ended; `held` waits for a person. */
export type AuditVerdict = "allowed" | "denied" | "held" | "done" | "failed";

export interface AuditEntry {
  /** What was asked, as "noun.verb": "peer.join", "invite.create", "app.deploy", "stream.open". */
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
  /** Rises by one; starts anew with the process. */
  readonly sequence: number;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** Longest text in a record, in characters: what a stranger says must not fill the log. */
const longestText = 512;

/** The entry as one flat JSON object. The names are a contract: they are only ever added to. */
export function formatRecord(record: AuditRecord): Record<string, string | number> {
  const { actor } = record;
  const fields: Record<string, string | number | undefined> = {
    schema: "fairlead.audit/v1",
    sequence: record.sequence,
    at: new Date(record.at).toISOString(),
    action: record.action,
    verdict: record.verdict,
    peer: actor.peer,
    fingerprint: actor.fingerprint,
    person: actor.person,
    target: record.target,
    rule: record.rule,
    message: record.message,
    correlation: record.correlation,
  };
  const line: Record<string, string | number> = {};
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) line[name] = value;
  return line;
}

/** Cuts what is too long. */
export function boundEntry(entry: AuditEntry): AuditEntry {
  const cut = (text: string | undefined): string | undefined =>
    text === undefined || text.length <= longestText ? text : `${text.slice(0, longestText - 1).toWellFormed()}…`;
  return {
    action: cut(entry.action) ?? "",
    actor: {
      peer: cut(entry.actor.peer),
      fingerprint: cut(entry.actor.fingerprint),
      person: cut(entry.actor.person),
    },
    target: cut(entry.target),
    verdict: entry.verdict,
    rule: cut(entry.rule),
    message: cut(entry.message),
    correlation: cut(entry.correlation),
  };
}
