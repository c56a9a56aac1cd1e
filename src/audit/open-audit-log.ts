/** The audit of an agent: it goes on where the process before this one has stopped, and is stored as it grows. */
import { setImmediate as turn } from "node:timers/promises";
import type { ChainReport } from "../base/audit-chain.ts";
import { type AuditLine, readAuditLine } from "../base/audit-line.ts";
import { createBackoff } from "../base/backoff.ts";
import type { Clock } from "../base/clock.ts";
import { errorText } from "../base/error-text.ts";
import type { Log } from "../base/log.ts";
import { type AuditLog, createAuditLog, keptEntries } from "./audit-log.ts";
import { type AuditRecord, parseRecord } from "./entry.ts";
import { keepRecords } from "./kept.ts";
import { type AuditStore, inOrder, type StoredSegment } from "./store.ts";
import { verifyStored } from "./verify.ts";
import { createAuditWriter } from "./writer.ts";

export interface StoredAuditLog extends AuditLog {
  /** Whether what is stored is what was written. Rejects when storage cannot be read. */
  verify(signal: AbortSignal): Promise<ChainReport>;
  /** Age in milliseconds of the oldest entry that is in the log and not in storage. */
  oldestUnwrittenMs(): number;
  /** Records that the agent stops and stores what waits, within 5 s. Nothing is recorded after that. */
  close(): Promise<void>;
}

export interface OpenAuditLogDeps {
  readonly store: AuditStore;
  readonly clock: Clock;
  readonly log: Log;
  /** Names this process. */
  readonly instance: string;
  /** Of the agent, for the entry that says that it started. */
  readonly version: string;
  /** How many entries are kept in memory; 10,000 unless given. */
  readonly keep?: number;
  /** From 0 up to 1, for jitter; `Math.random` unless given. */
  readonly random?: () => number;
}

/** How often storage is read before the agent goes on without what is there. */
const readAttempts = 3;
const closeMs = 5_000;

/**
 * Reads what is stored and records that the agent starts. When storage cannot be read the chain begins anew, which its first entry says;
 * what is stored stays, and is read and continued as soon as that is possible. Rejects only when the signal aborts.
 */
export async function openAuditLog(deps: OpenAuditLogDeps, signal: AbortSignal): Promise<StoredAuditLog> {
  const { store, clock, log, instance } = deps;
  const read = await readStored(deps, signal);
  const kept = keepRecords(deps.keep ?? keptEntries);
  if (read.ok) kept.addOlder(await recordsOf(read.stored));
  const writer = createAuditWriter(
    {
      store,
      clock,
      log,
      readLate: (stored) => void recordsOf(stored).then((records) => kept.addOlder(records)),
      ...(deps.random && { random: deps.random }),
    },
    read.ok ? read.stored : undefined,
  );
  const latest = read.ok ? latestOf(read.stored) : undefined;
  const audit = createAuditLog({
    clock,
    log,
    instance,
    kept,
    ...(latest && { after: latest }),
    recorded: (record) => writer.add(record),
  });
  if (!read.ok) {
    const message = `What is stored could not be read: ${errorText(read.error)}`;
    audit.record({ action: "audit.restart", actor: {}, verdict: "failed", message });
  }
  const found = read.ok ? ` ${describe(await verifyStored(read.stored, { written: [], unwritten: [] }), log)}` : "";
  audit.record({ action: "agent.start", actor: {}, verdict: "done", message: `Version ${deps.version}.${found}` });

  return {
    ...audit,
    async verify(cancel) {
      const unwritten = writer.unwritten();
      const waiting = new Set(unwritten.map(({ hash }) => hash));
      const mine = kept.all().filter((record) => record.instance === instance && !waiting.has(record.hash));
      const lines = unwritten.map(({ line }) => line);
      return verifyStored(await store.read(cancel), { written: mine.map(({ hash }) => hash), unwritten: lines });
    },
    oldestUnwrittenMs: () => writer.oldestUnwrittenMs(),
    async close() {
      audit.record({ action: "agent.stop", actor: {}, verdict: "done" });
      await writer.close(closeMs);
    },
  };
}

type Read = { readonly ok: true; readonly stored: StoredSegment[] } | { readonly ok: false; readonly error: unknown };

async function readStored({ store, clock, log, random }: OpenAuditLogDeps, signal: AbortSignal): Promise<Read> {
  const backoff = createBackoff({ minMs: 200, maxMs: 2_000, ...(random && { random }) });
  for (let attempt = 1; ; attempt += 1) {
    try {
      return { ok: true, stored: await store.read(signal) };
    } catch (error) {
      signal.throwIfAborted();
      if (attempt === readAttempts) {
        log.error({ err: error }, "the stored audit cannot be read; the chain begins anew, and what is stored stays");
        return { ok: false, error };
      }
      await clock.sleep(backoff.next(), signal);
    }
  }
}

/** What the chain goes on from, also when it is of a newer version. */
function latestOf(stored: readonly StoredSegment[]): AuditLine | undefined {
  for (const { lines } of inOrder(stored).reverse()) {
    for (const line of lines.toReversed()) {
      const read = readAuditLine(line);
      if (typeof read === "object") return read;
    }
  }
  return undefined;
}

function describe({ intact, entries, problems }: ChainReport, log: Log): string {
  if (intact) return `Stored are ${entries} entries as they were written.`;
  log.error({ problems: problems.map(({ message }) => message) }, "the stored audit is not as it was written");
  return `Stored are ${entries} entries, not all as they were written. ${problems[0]?.message ?? ""}`;
}

/** Those that this version can show, oldest first. */
async function recordsOf(stored: readonly StoredSegment[]): Promise<AuditRecord[]> {
  const records: AuditRecord[] = [];
  const share = sharing();
  for (const { lines } of inOrder(stored)) {
    for (const line of lines) {
      const record = parseRecord(line, share);
      if (record) records.push(record);
    }
    await turn(); // Other work has its turn between segments.
  }
  return records;
}

/** One copy of each text that stands in many entries: ten thousand of them take a third less memory. */
function sharing(): (text: string) => string {
  const known = new Map<string, string>();
  return (text) => {
    const same = known.get(text);
    if (same === undefined) known.set(text, text);
    return same ?? text;
  };
}
