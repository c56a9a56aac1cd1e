/** The invites that this agent has given out. */
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { createRateLimit } from "../base/rate-limit.ts";
import type { SecretText } from "../base/secret-text.ts";
import { JoinRefusal_Reason as Refusal } from "../gen/fairlead/peer/v1/pairing_pb.ts";
import type { Fingerprint } from "../identity/fingerprint.ts";
import { LinkError } from "../link/error.ts";
import { parseLinkUrl } from "../link/link-url.ts";
import type { PeeringAudit } from "./audit-entry.ts";
import { PeeringError } from "./error.ts";
import { checkLifetime } from "./grants.ts";
import { encodeInvite, hashToken, makeToken } from "./invite.ts";
import type { InviteClaim, InviteRecord, InviteStore, StoredInvite } from "./invite-record.ts";
import { mostRelays } from "./peer.ts";
import { checkGrantsAndLabels, checkPeerName, nameTaken } from "./peer-name.ts";

import { type Claimant, judgeRedeem, type RedeemVerdict } from "./redeem.ts";

export interface InviteOptions {
  /** What the peer will be called here; what it calls itself unless given. */
  readonly name?: string | undefined;
  /** What the peer may do here; nothing unless given. */
  readonly grants?: readonly string[];
  /** For how long the grants count after the join, in milliseconds; until they are withdrawn unless given. */
  readonly grantsLastMs?: number | undefined;
  readonly labels?: Readonly<Record<string, string>>;
  /** 24 hours unless given; milliseconds. */
  readonly lifetimeMs?: number | undefined;
  /** Ask a person before the join passes. */
  readonly confirm?: boolean;
  /** Where the joiner will dial; the agent's own URL unless given, or none when there are relays. */
  readonly url?: string | undefined;
  /** Peers here through which the joiner may come when it cannot dial this agent, by our names; none unless given. */
  readonly relays?: readonly string[];
  /** Take a removed peer's name. */
  readonly reuseName?: boolean;
  /** Who asked for it, for the audit. */
  readonly person?: string | undefined;
}

export type Decision = "accepted" | "declined";

export interface Invites {
  /** Throws `precondition` when nobody could dial this agent. The line is shown once and kept nowhere. */
  create(options: InviteOptions, signal: AbortSignal): Promise<{ record: InviteRecord; line: string }>;
  /** Those that can still be used, and those whose joiner waits for a person; oldest first. */
  list(signal: AbortSignal): Promise<InviteRecord[]>;
  /** Tells that an invite has come or changed. That one ends by the time is not told. Returns what ends it. */
  subscribe(listener: () => void): () => void;
  /** Throws `not-found`. */
  revoke(id: string, signal: AbortSignal): Promise<void>;
  /** Binds the invite to the first who shows its token; of two at once, one wins. */
  redeem(
    token: SecretText,
    claimant: Claimant,
    known: { isPeer: boolean; removedAt?: number | undefined },
    signal: AbortSignal,
  ): Promise<Redeemed>;
  /** What a person said; waits for it. */
  decision(id: string, signal: AbortSignal): Promise<Decision>;
  /** Answers for a joiner that waits. Throws `not-found` when none does. */
  decide(id: string, decision: Decision, signal: AbortSignal): Promise<void>;
  /** Remembers that the joiner became a peer. */
  settle(id: string, joinedAs: string, signal: AbortSignal): Promise<void>;
}

export type Redeemed =
  | { readonly ok: true; readonly record: InviteRecord; readonly claim: InviteClaim; readonly first: boolean }
  | { readonly ok: false; readonly reason: Refusal; readonly message: string };

export interface InvitesDeps {
  readonly store: InviteStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly audit: PeeringAudit;
  readonly fingerprint: Fingerprint;
  /** What this agent calls itself. */
  readonly name: string;
  /** Where peers dial this agent; undefined when they cannot. */
  readonly url?: string | undefined;
  /** Whether a name belongs to a peer now, or did to one that was removed. */
  readonly nameState: (name: string) => "free" | "removed" | "taken";
  /** The fingerprint of a peer that can bring a joiner here now. Throws a `PeeringError` that says what is missing. */
  relay(name: string): Fingerprint;
}

const defaultLifetimeMs = 24 * 3_600_000;
const longestLifetimeMs = 30 * 24 * 3_600_000;
/** How long an invite is remembered after its end, so that a late joiner hears "expired" and not "unknown". */
const memoryMs = 24 * 3_600_000;
/** More open ones than this are a mistake. */
const mostInvites = 1_000;
const attempts = 5;

export function createInvites(deps: InvitesDeps): Invites {
  const { clock, log } = deps;
  const listeners = new Set<() => void>();
  const store = tellingStore(deps.store, () => {
    for (const listener of [...listeners]) listener();
  });
  const waiting = new Map<string, Set<(decision: Decision) => void>>();
  // Ids that were seen in the store. Wrong tokens are limited, right ones are not: guessing must not keep guests out.
  const seen = new Set<string>();
  const wrongTokens = createRateLimit({ clock, burst: 20, perSecond: 1 / 3 });
  let learned: Promise<void> | undefined;

  /** What was given out before this process started is known too, so that nobody's guesses keep its holders out. */
  function learn(signal: AbortSignal): Promise<void> {
    learned ??= store.list(signal).then(
      (all) => {
        for (const { record } of all) seen.add(record.id);
      },
      () => {
        learned = undefined; // The next one asks again.
      },
    );
    return learned;
  }

  async function rewrite(
    id: string,
    decide: (record: InviteRecord | undefined) => InviteRecord | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    for (let attempt = 0; attempt < attempts; attempt += 1) {
      const stored = await store.get(id, signal);
      const next = decide(stored?.record);
      if (!next || !stored || (await store.update(next, stored.version, signal))) return;
    }
    throw contested(id);
  }

  /** Forgets what ended long ago; a failure is no reason not to go on. */
  async function sweep(all: readonly StoredInvite[], signal: AbortSignal): Promise<void> {
    for (const { record } of all) {
      if (clock.now() < record.expiresAt + memoryMs) continue;
      seen.delete(record.id);
      await store.delete(record.id, signal).catch((error: unknown) => {
        log.warn({ err: error, inviteId: record.id }, "old invite not deleted");
      });
    }
  }

  return {
    async create(options, signal) {
      const names = [...new Set(options.relays ?? [])];
      if (names.length > mostRelays) throw new PeeringError("invalid", `An invite names ${mostRelays} relays at most.`);
      const relays = names.map((name) => deps.relay(name));
      const given = options.url ?? deps.url;
      const urls = relays.length > 0 && !given ? [] : [checkUrl(given)];
      const { name, grants = [], labels = {}, reuseName = false } = options;
      const { grantsLastMs } = options;
      checkGrantsAndLabels(grants, labels);
      if (grantsLastMs !== undefined) checkLifetime(grantsLastMs);
      if (name !== undefined) checkFree(name, reuseName, deps.nameState(name));
      const lifetimeMs = options.lifetimeMs ?? defaultLifetimeMs;
      if (!(lifetimeMs >= 1_000 && lifetimeMs <= longestLifetimeMs)) {
        throw new PeeringError("invalid", "An invite lasts from one second to 30 days.");
      }
      const all = await store.list(signal);
      if (all.filter(({ record }) => isOpen(record, clock.now())).length >= mostInvites) {
        throw new PeeringError(
          "precondition",
          `There are ${mostInvites} open invites. Revoke some: fairlead invite list`,
        );
      }
      await sweep(all, signal);
      const now = clock.now();
      for (;;) {
        const token = makeToken();
        const tokenHash = hashToken(token);
        const expiresAt = Math.ceil((now + lifetimeMs) / 1000) * 1000;
        const record: InviteRecord = {
          id: tokenHash.slice(0, 10),
          tokenHash,
          name,
          grants: [...new Set(grants)].sort(),
          ...(grantsLastMs !== undefined && { grantsLastMs }),
          labels: { ...labels },
          urls,
          ...(names.length > 0 && { relays: names }),
          createdAt: now,
          expiresAt,
          confirm: options.confirm === true,
          reuseName,
        };
        if (!(await store.create(record, signal))) continue;
        seen.add(record.id);
        deps.audit.record({
          action: "invite.create",
          actor: { person: options.person },
          target: record.id,
          verdict: "done",
        });
        const { fingerprint } = deps;
        return { record, line: encodeInvite({ urls, relays, fingerprint, token, expiresAt, name: deps.name }) };
      }
    },

    async list(signal) {
      const all = await store.list(signal);
      await sweep(all, signal);
      return all
        .map(({ record }) => record)
        .filter((record) => isOpen(record, clock.now()))
        .sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
    },

    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },

    async revoke(id, signal) {
      await rewrite(
        id,
        (record) => {
          if (!record) throw noSuchInvite(id);
          return { ...record, revoked: true };
        },
        signal,
      );
      for (const tell of waiting.get(id) ?? []) tell("declined");
    },

    async redeem(token, claimant, known, signal) {
      const tokenHash = hashToken(token);
      const id = tokenHash.slice(0, 10);
      if (!seen.has(id)) await learn(signal);
      if (!seen.has(id) && !wrongTokens.take()) {
        return {
          ok: false,
          reason: Refusal.TOO_MANY_ATTEMPTS,
          message: "Too many wrong tokens lately. Try again in a minute.",
        };
      }
      for (let attempt = 0; attempt < attempts; attempt += 1) {
        const stored = await store.get(id, signal);
        const verdict: RedeemVerdict = judgeRedeem(stored?.record, tokenHash, claimant, known);
        if (verdict.kind === "refuse") return { ok: false, reason: verdict.reason, message: verdict.message };
        seen.add(id);
        if (!stored) break; // Never so: without a record the verdict is a refusal.
        if (verdict.kind === "resume") return { ok: true, record: stored.record, claim: verdict.claim, first: false };
        const written = await store.update(verdict.record, stored.version, signal);
        if (written?.record.claim)
          return { ok: true, record: written.record, claim: written.record.claim, first: true };
      }
      throw contested(id);
    },

    async decision(id, signal) {
      const answer = Promise.withResolvers<Decision>();
      answer.promise.catch(() => undefined); // It may be rejected while the store is still being asked.
      const all = waiting.get(id) ?? new Set();
      waiting.set(id, all.add(answer.resolve));
      const onAbort = (): void => answer.reject(signal.reason);
      signal.addEventListener("abort", onAbort, { once: true });
      try {
        signal.throwIfAborted();
        // Read after listening, so that an answer between the two is not missed.
        const record = (await store.get(id, signal))?.record;
        if (record?.claim?.decision) return record.claim.decision;
        if (!record || record.revoked) return "declined";
        return await answer.promise;
      } finally {
        signal.removeEventListener("abort", onAbort);
        all.delete(answer.resolve);
        if (all.size === 0) waiting.delete(id);
      }
    },

    async decide(id, decision, signal) {
      await rewrite(
        id,
        (record) => {
          if (!record?.claim || !record.confirm || record.claim.joinedAs !== undefined || record.claim.decision) {
            throw new PeeringError("not-found", `No join waits for you by the invite ${id}. See: fairlead invite list`);
          }
          return { ...record, claim: { ...record.claim, decision } };
        },
        signal,
      );
      for (const tell of waiting.get(id) ?? []) tell(decision);
    },

    async settle(id, joinedAs, signal) {
      await rewrite(
        id,
        (record) => (record?.claim ? { ...record, claim: { ...record.claim, joinedAs } } : undefined),
        signal,
      );
    },
  };
}

/** The same store, which tells of what was written. */
function tellingStore(store: InviteStore, written: () => void): InviteStore {
  const telling = async <T>(writing: Promise<T>): Promise<T> => {
    const answer = await writing;
    written();
    return answer;
  };
  return {
    list: (signal) => store.list(signal),
    get: (id, signal) => store.get(id, signal),
    create: (record, signal) => telling(store.create(record, signal)),
    update: (record, version, signal) => telling(store.update(record, version, signal)),
    delete: (id, signal) => store.delete(id, signal),
  };
}

/** It can still be used, or somebody waits with it. */
function isOpen(record: InviteRecord, now: number): boolean {
  if (record.revoked || now >= record.expiresAt) return false;
  const { claim } = record;
  return !claim || (claim.joinedAs === undefined && claim.decision !== "declined");
}

function checkUrl(url: string | undefined): string {
  if (url === undefined || url === "") {
    throw new PeeringError(
      "precondition",
      "This agent has no URL that others could dial. Give one (--url, or the setting link.url), name a peer that carries for both (--relay), or make the invite on the other side.",
    );
  }
  try {
    return parseLinkUrl(url).href;
  } catch (cause) {
    if (cause instanceof LinkError) throw new PeeringError("invalid", cause.message, { cause });
    throw cause;
  }
}

function checkFree(name: string, reuseName: boolean, state: "free" | "removed" | "taken"): void {
  checkPeerName(name);
  if (state === "free" || (state === "removed" && reuseName)) return;
  throw nameTaken(name, state);
}

function noSuchInvite(id: string): PeeringError {
  return new PeeringError("not-found", `There is no invite "${id.slice(0, 40)}". See: fairlead invite list`);
}

function contested(id: string): PeeringError {
  return new PeeringError("conflict", `The invite ${id} is being changed by somebody else all the time. Try again.`);
}
