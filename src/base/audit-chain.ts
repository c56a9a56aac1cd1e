/**
 * Whether entries of the audit are as they were written. Each names the hash of the one before it, so that entries that were altered,
 * removed, moved, inserted or doubled show. Pure, and fed line by line, so that ten thousand entries need not be proven at once.
 *
 * What it cannot show: that the last entries are missing, and that somebody who may write where they are kept has made the whole rest
 * of the chain anew. Whoever has noted the hash of an entry elsewhere sees both.
 */
import { type AuditLine, hashFields, noPrevious, readAuditLine } from "./audit-line.ts";

export interface ChainProblem {
  /**
   * "altered": not as it was written; "missing": something before it is not there; "doubled": there twice; "moved": stands before the
   * entry that it follows; "inserted": follows an entry that another one follows; "unreadable": cannot be understood.
   */
  readonly kind: "altered" | "missing" | "doubled" | "moved" | "inserted" | "unreadable";
  /** Where it shows, such as "line 12". */
  readonly where: string;
  /** Of the entry at which it shows; absent when that cannot be read. */
  readonly sequence?: number;
  /** A sentence, with the place. */
  readonly message: string;
}

export interface ChainReport {
  /** True when there are no problems. */
  readonly intact: boolean;
  readonly entries: number;
  /** The number of the first and the last entry; absent when there are none. */
  readonly first?: number;
  readonly last?: number;
  /** The hash of the last one: noted elsewhere, it proves later that nothing before it was changed. */
  readonly head?: string;
  /** What does not fit, in the order of the lines; 100 at most. */
  readonly problems: readonly ChainProblem[];
  /** What is in order and still worth knowing, in sentences. */
  readonly notes: readonly string[];
}

export interface ChainOptions {
  /** Every line has to be an entry, as in storage; a log has other lines too. */
  readonly strict?: boolean;
  /**
   * Among so many first entries the first entry of each process is taken as given, since what it follows may not be kept any more; 1
   * unless given. With 0 the chain has to be there from its beginning.
   */
  readonly border?: number;
}

const mostProblems = 100;
const mostNotes = 100;
/** With these a process begins, and may follow an entry of another one. */
const beginnings: ReadonlySet<string> = new Set(["agent.start", "audit.restart"]);

interface Placed {
  readonly sequence: number;
  readonly instance: string;
  readonly previous: string;
  readonly where: string;
  /** How many entries stand before it here. */
  readonly order: number;
  /** Whether an entry of the same process follows it. */
  followed: boolean;
  /** Whether another process begins right behind it. */
  branched: boolean;
}

/** Takes lines in their order, and says at the end what it thinks of them. */
export class ChainVerifier {
  readonly #strict: boolean;
  readonly #border: number;
  readonly #problems: ChainProblem[] = [];
  readonly #notes: string[] = [];
  /** By hash. */
  readonly #placed = new Map<string, Placed>();
  /** By the process: its latest entry. */
  readonly #latest = new Map<string, Placed>();
  /** Entries whose predecessor has not been seen, with the latest one of their process at that time. */
  readonly #waiting: { readonly entry: Placed; readonly before: Placed | undefined }[] = [];
  #unchained = 0;
  #first: Placed | undefined;
  #last: Placed | undefined;
  #head: string | undefined;

  constructor(options: ChainOptions = {}) {
    this.#strict = options.strict ?? false;
    this.#border = options.border ?? 1;
  }

  /** `where` is for people: "line 12". */
  add(text: string, where: string): void {
    const line = readAuditLine(text);
    if (line === undefined && !this.#strict) return;
    if (line === "unchained" && this.#first === undefined) this.#unchained += 1;
    else if (line === undefined || line === "garbled" || line === "unchained") {
      this.#tell("unreadable", { where }, "what stands there is no entry, or not any more");
    } else this.#place(line, where);
  }

  /** Whether an entry with this hash was among the lines. */
  has(hash: string): boolean {
    return this.#placed.has(hash);
  }

  /** Call it once, after the last line. */
  report(): ChainReport {
    for (const { entry, before } of this.#waiting) this.#tellOfGap(entry, before);
    if (this.#unchained > 0) {
      this.#notes.unshift(
        `${this.#unchained} entries are of a version that did not chain them yet, and prove nothing.`,
      );
    }
    return {
      intact: this.#problems.length === 0,
      entries: this.#placed.size,
      ...(this.#first && { first: this.#first.sequence }),
      ...(this.#last && { last: this.#last.sequence }),
      ...(this.#head !== undefined && { head: this.#head }),
      problems: this.#problems,
      notes: this.#notes,
    };
  }

  #place(line: AuditLine, where: string): void {
    const { sequence, instance, previous, hash } = line;
    const entry: Placed = {
      sequence,
      instance,
      previous,
      where,
      order: this.#placed.size,
      followed: false,
      branched: false,
    };
    const twin = this.#placed.get(hash);
    if (twin) {
      this.#tell("doubled", entry, `entry ${sequence} stands there again; it is at ${twin.where} already`);
      return;
    }
    const parent = this.#placed.get(previous);
    const before = this.#latest.get(instance);
    if (hashFields(line.fields) !== hash) this.#tell("altered", entry, `entry ${sequence} is not as it was written`);
    else if (parent) this.#follow(entry, parent, before, line.action);
    else if (!this.#isGiven(entry, before)) this.#miss(entry, before, line);
    this.#placed.set(hash, entry);
    this.#latest.set(instance, entry);
    this.#first ??= entry;
    this.#last = entry;
    this.#head = hash;
  }

  /** Whether what an entry follows need not be there. */
  #isGiven({ order, previous }: Placed, before: Placed | undefined): boolean {
    if (previous === noPrevious) return order === 0;
    return order < this.#border && before === undefined;
  }

  #follow(entry: Placed, parent: Placed, before: Placed | undefined, action: string): void {
    const { sequence, instance } = entry;
    if (sequence !== parent.sequence + 1) {
      this.#tell("altered", entry, `entry ${sequence} follows entry ${parent.sequence}, and its number does not`);
    } else if (parent.instance === instance) {
      if (parent.followed) {
        this.#tell("inserted", entry, `entry ${sequence} is the second that follows entry ${parent.sequence}`);
      }
      parent.followed = true;
      if (parent.branched) this.#note(`Two processes went on from entry ${parent.sequence}: they ran at once.`);
    } else if (before || !beginnings.has(action)) {
      const message = `entry ${sequence} follows one of another process, and is not the beginning of its own`;
      this.#tell("inserted", entry, message);
    } else this.#noteFork(entry, parent);
  }

  /** A process goes on from what is stored. What came after that and is here was not in storage. */
  #noteFork({ sequence, instance, order }: Placed, parent: Placed): void {
    const left = order - parent.order - 1;
    parent.branched = left === 0;
    if (left === 0) return;
    const what = left === 1 ? "One entry" : `${left} entries`;
    this.#note(
      `${what} after entry ${parent.sequence} ${left === 1 ? "was" : "were"} not in storage when the process ${short(instance)} began with entry ${sequence}: the process before it was killed, or two ran at once.`,
    );
  }

  #miss(entry: Placed, before: Placed | undefined, { action, fields }: AuditLine): void {
    const { sequence, previous } = entry;
    if (previous !== noPrevious) {
      // What it follows may still come: then one of the two was moved.
      this.#waiting.push({ entry, before });
    } else if (action === "audit.restart") {
      const when = typeof fields.at === "string" ? ` at ${fields.at}` : "";
      this.#note(`The chain was begun anew${when}, because storage could not be read.`);
    } else {
      const message = `the chain begins anew with entry ${sequence}: what was stored before it was taken away, or is of another agent`;
      this.#tell("missing", entry, message);
    }
  }

  #tellOfGap(entry: Placed, before: Placed | undefined): void {
    const { sequence } = entry;
    const late = this.#placed.get(entry.previous);
    if (late) {
      this.#tell(
        "moved",
        entry,
        `entry ${sequence} stands before entry ${late.sequence} at ${late.where}, which it follows`,
      );
    } else if (before && before.sequence + 1 === sequence) {
      this.#tell("altered", entry, `entry ${sequence} does not follow entry ${before.sequence} as that one is now`);
    } else {
      this.#tell("missing", entry, `${missingText(before?.sequence, sequence)} missing before entry ${sequence}`);
    }
  }

  #tell(kind: ChainProblem["kind"], at: { where: string; sequence?: number }, what: string): void {
    if (this.#problems.length === mostProblems) return;
    const { where, sequence } = at;
    const message = `${where}: ${what}.`;
    this.#problems.push({ kind, where, message, ...(sequence !== undefined && { sequence }) });
  }

  #note(text: string): void {
    if (this.#notes.length < mostNotes) this.#notes.push(text);
  }
}

/** Proves the entries in the lines of a log, whatever else is in it. */
export async function verifyAuditLines(lines: Iterable<string> | AsyncIterable<string>): Promise<ChainReport> {
  const verifier = new ChainVerifier();
  let number = 0;
  for await (const text of lines) {
    number += 1;
    verifier.add(text, `line ${number}`);
  }
  return verifier.report();
}

function missingText(before: number | undefined, sequence: number): string {
  const from = before === undefined ? undefined : before + 1;
  if (from === undefined || from > sequence - 1) return "what it follows is";
  return from === sequence - 1 ? `entry ${from} is` : `entries ${from} to ${sequence - 1} are`;
}

/** Enough to tell processes apart. */
function short(instance: string): string {
  return instance.slice(0, 8);
}
