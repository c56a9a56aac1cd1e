/**
 * Who is signed in with a browser. A session is a Secret of the agent's namespace with the hash of what the browser's cookie says; what
 * that says changes every quarter of an hour, and who comes with what it said before ends the session for both.
 */
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { Kept } from "./kept-secrets.ts";
import type { Principal } from "./principal.ts";
import {
  cookieValue,
  endOf,
  isDue,
  isOver,
  judgeSecret,
  mintId,
  mintSecret,
  nameOf,
  newRecord,
  promoted,
  readCookieValue,
  type SessionOwner,
  type SessionRecord,
  seenEachMs,
  withNext,
} from "./session-record.ts";

export interface SessionView {
  readonly id: string;
  /** Who signed in, as they are called. */
  readonly user: string;
  readonly kind: SessionOwner["kind"];
  /** Wall time in milliseconds, as the others. */
  readonly createdAt: number;
  readonly lastSeenAt: number;
  /** When it ends in any case. */
  readonly expiresAt: number;
  readonly address: string;
  readonly userAgent: string;
}

export interface Sessions {
  /** A new one. `cookie` is for the browser alone. The oldest of who has too many ends. */
  begin(
    owner: SessionOwner,
    from: CameFrom,
    signal: AbortSignal,
  ): Promise<{ id: string; cookie: string; maxAgeMs: number }>;
  /** Whose the cookie is. One that was replaced long ago ends its session, whoever brings it. */
  authenticate(cookie: string): Principal | undefined;
  /** What the cookie is to say from now on, if it is time for that. */
  rotate(cookie: string, signal: AbortSignal): Promise<{ cookie: string; maxAgeMs: number } | undefined>;
  /** Who has signed in by this, as they may now; undefined when it has ended, or is none of these. */
  present(credential: string): Principal | undefined;
  list(): readonly SessionView[];
  /** False when there is none. */
  revoke(id: string, signal: AbortSignal): Promise<boolean>;
  /** Waits for what is being written. */
  close(): Promise<void>;
}

export interface CameFrom {
  readonly address: string;
  readonly userAgent: string;
}

export interface SessionsDeps {
  readonly kept: Kept<SessionRecord>;
  /** Who somebody is now, with this credential; undefined for who may not be signed in any more. */
  principalOf(owner: SessionOwner, credential: string): Principal | undefined;
  /** Two have come with the cookie of one. */
  onReplay?(session: SessionView): void;
  readonly clock: Clock;
  readonly log: Log;
}

/** Of one person, and in all. Beyond, the oldest go. */
const mostEach = 32;
const mostSessions = 2_000;
const longestUserAgent = 200;
/** What a look at a session makes to be written may take so long, in milliseconds. */
const writeMs = 30_000;

const prefix = "session:";

export function createSessions(deps: SessionsDeps): Sessions {
  const { kept, clock, log } = deps;
  /** When each was seen last, which is written now and then only. */
  const seen = new Map<string, number>();
  /** Ended by what was seen here, whether or not that could be written yet. */
  const ended = new Set<string>();
  const writing = new Map<string, Promise<unknown>>();
  const stopping = new AbortController();

  function live(id: string): { readonly record: SessionRecord; readonly principal: Principal } | undefined {
    const record = ended.has(id) ? undefined : kept.get(id);
    if (!record || isOver(record, seen.get(id) ?? 0, clock.now())) return undefined;
    const principal = deps.principalOf(record.owner, prefix + id);
    return principal && { record, principal };
  }

  /** One thing a session at a time; who comes meanwhile has nothing to write, or does it with their next request. */
  function write(id: string, what: string, work: (signal: AbortSignal) => Promise<unknown>): void {
    if (writing.has(id) || stopping.signal.aborted) return;
    const signal = AbortSignal.any([stopping.signal, AbortSignal.timeout(writeMs)]);
    const written = work(signal)
      .catch((error: unknown) => log.warn({ err: error, what }, "a session could not be written"))
      .finally(() => writing.delete(id));
    writing.set(id, written);
  }

  function end(id: string): void {
    ended.add(id);
    seen.delete(id);
    const before = writing.get(id);
    if (before) return void before.then(() => end(id));
    write(id, "end", async (signal) => {
      await kept.delete(id, signal);
      ended.delete(id);
    });
  }

  function note(id: string, record: SessionRecord, now: number): void {
    seen.set(id, now);
    if (now - record.seenAt < seenEachMs) return;
    write(id, "seen", (signal) => kept.change(id, (stored) => ({ ...stored, seenAt: now }), signal));
  }

  /** Those that are over, and the oldest of whatever is too many. */
  function tidy(): void {
    const all = kept.list();
    const standing = all.filter(({ id }) => live(id)).sort((a, b) => b.record.createdAt - a.record.createdAt);
    const keep = new Set<string>();
    const counts = new Map<string, number>();
    for (const { id, record } of standing) {
      const who = `${record.owner.kind} ${record.owner.name}`;
      const count = (counts.get(who) ?? 0) + 1;
      counts.set(who, count);
      if (count <= mostEach && keep.size < mostSessions) keep.add(id);
    }
    for (const { id } of all) if (!keep.has(id)) end(id);
    for (const id of seen.keys()) if (!keep.has(id)) seen.delete(id);
  }

  return {
    async begin(owner, { address, userAgent }, signal) {
      const [id, secret, now] = [mintId(), mintSecret(), clock.now()];
      const said = userAgent.replaceAll(/\p{Cc}/gu, " ").slice(0, longestUserAgent);
      const record = newRecord({ owner, secret, address, userAgent: said, now });
      if (!(await kept.create(id, record, signal))) throw new Error("There is a session of this name already.");
      tidy();
      return { id, cookie: cookieValue(id, secret), maxAgeMs: endOf(record) - now };
    },

    authenticate(cookie) {
      const { id, secret } = readCookieValue(cookie) ?? { id: "", secret: "" };
      const found = live(id);
      if (!found) return undefined;
      const { record, principal } = found;
      const now = clock.now();
      const judged = judgeSecret(record, secret, now);
      if (judged === "replayed") {
        log.warn({ person: nameOf(record.owner) }, "a session has ended, since two came with the cookie of one");
        deps.onReplay?.(viewOf(id, record));
        end(id);
      }
      if (judged === "replayed" || judged === "unknown") return undefined;
      if (judged === "next")
        write(id, "next", (signal) => kept.change(id, (stored) => promoted(stored, secret, now), signal));
      note(id, record, now);
      return principal;
    },

    async rotate(cookie, signal) {
      const { id, secret } = readCookieValue(cookie) ?? { id: "", secret: "" };
      const now = clock.now();
      const before = live(id)?.record;
      if (!before || !isDue(before, secret, now)) return undefined;
      const next = mintSecret();
      let given = false;
      await kept.change(
        id,
        (stored) => {
          given = isDue(stored, secret, now);
          return given ? withNext(stored, next, now) : undefined;
        },
        signal,
      );
      return given ? { cookie: cookieValue(id, next), maxAgeMs: endOf(before) - now } : undefined;
    },

    present: (credential) =>
      credential.startsWith(prefix) ? live(credential.slice(prefix.length))?.principal : undefined,

    list: () => kept.list().flatMap(({ id, record }) => (live(id) ? [viewOf(id, record)] : [])),

    async revoke(id, signal) {
      seen.delete(id);
      return kept.delete(id, signal);
    },

    async close() {
      stopping.abort(new Error("The agent is stopping."));
      await Promise.all(writing.values());
    },
  };

  function viewOf(id: string, record: SessionRecord): SessionView {
    const { owner, createdAt, address, userAgent } = record;
    const lastSeenAt = Math.max(record.seenAt, seen.get(id) ?? 0);
    return {
      id,
      user: nameOf(owner),
      kind: owner.kind,
      createdAt,
      lastSeenAt,
      expiresAt: endOf(record),
      address,
      userAgent,
    };
  }
}
