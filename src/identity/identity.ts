import { createSecretKey, hkdfSync, type KeyObject } from "node:crypto";
import type { Clock, Timer } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { type Authority, makeAuthority, readAuthority } from "./authority.ts";
import type { SubjectName } from "./certificate.ts";
import { IdentityError } from "./error.ts";
import type { Fingerprint } from "./fingerprint.ts";
import { issueLeaf, issueServerLeaf, type Leaf } from "./leaf.ts";
import type { IdentityStore, StoredIdentity } from "./store.ts";

/** Who this agent is: a CA for ever, and a leaf for the day that replaces itself. */
export interface Identity {
  readonly fingerprint: Fingerprint;
  /** The CA's certificate, PEM. */
  readonly caPem: string;
  /** The leaf to show now. Ask for each handshake; never keep it. */
  leaf(): Leaf;
  /** Calls `fn` after each new leaf. Answers with a function that ends that. */
  onRotate(fn: (leaf: Leaf) => void): () => void;
  /** A certificate by this CA for a server of those names, valid for so long, in milliseconds. It replaces itself by nothing. */
  serverLeaf(names: readonly SubjectName[], lifetimeMs: number): Leaf;
  /**
   * A key of 32 bytes for this purpose, made of the CA's key by HKDF (RFC 5869) with SHA-256: the same at each start, another for
   * each purpose, and of no use to find the CA's.
   */
  keyFor(purpose: string): KeyObject;
  /** Stops the rotation. */
  close(): void;
}

export interface IdentityDeps {
  readonly store: IdentityStore;
  readonly clock: Clock;
  readonly log: Log;
  /** How long a leaf is valid, in milliseconds; 24 hours unless said. It is replaced after two thirds of that. */
  readonly leafLifetimeMs?: number;
}

const defaultLeafLifetimeMs = 24 * 3_600_000;

/** A clock that was put back by more than this gets a new leaf: the old one may not be valid yet. Milliseconds. */
const clockSlackMs = 60_000;

/**
 * Reads this agent's identity, or makes it when the store says that there is none. Of two agents that start at once, one
 * makes the CA and the other reads it. Throws, and makes nothing, when the store fails or what it holds is damaged.
 */
export async function loadIdentity(deps: IdentityDeps, signal: AbortSignal): Promise<Identity> {
  const authority = readAuthority((await readStored(deps.store, signal)) ?? (await createStored(deps, signal)));
  return rotatingIdentity(authority, deps);
}

async function readStored(store: IdentityStore, signal: AbortSignal): Promise<StoredIdentity | undefined> {
  try {
    return await store.read(signal);
  } catch (cause) {
    signal.throwIfAborted();
    throw new IdentityError(
      "This agent's identity cannot be read, so it does not start: a new identity would cut it off from its peers. See the cause, and start again.",
      { cause },
    );
  }
}

async function createStored({ store, clock, log }: IdentityDeps, signal: AbortSignal): Promise<StoredIdentity> {
  const made = makeAuthority(clock.now());
  let outcome: "created" | "exists";
  try {
    outcome = await store.create(made, signal);
  } catch (cause) {
    signal.throwIfAborted();
    throw new IdentityError("This agent's new identity cannot be stored. See the cause, and start again.", { cause });
  }
  if (outcome === "created") {
    log.info({ fingerprint: readAuthority(made).fingerprint }, "made this agent's identity");
    return made;
  }
  const theirs = await readStored(store, signal);
  if (theirs) return theirs;
  throw new IdentityError("The identity that another start of this agent made is gone again. Start again.");
}

function rotatingIdentity(
  authority: Authority,
  { clock, log, leafLifetimeMs = defaultLeafLifetimeMs }: IdentityDeps,
): Identity {
  const rotateAfterMs = (leafLifetimeMs * 2) / 3;
  const listeners = new Set<(leaf: Leaf) => void>();
  let current = issueLeaf(authority, clock.now(), leafLifetimeMs);
  let timer: Timer = arm();

  function arm(): Timer {
    const next = clock.after(rotateAfterMs, rotate);
    next.unref?.();
    return next;
  }

  function rotate(): void {
    timer.cancel();
    current = issueLeaf(authority, clock.now(), leafLifetimeMs);
    timer = arm();
    log.info({ notAfter: current.notAfter.toISOString() }, "issued a new leaf certificate");
    for (const listener of listeners) listener(current);
  }

  return {
    fingerprint: authority.fingerprint,
    caPem: authority.certPem,
    leaf() {
      // The timer alone would not do: a machine that slept, or whose clock was set, is asked before the timer is due.
      const ageMs = clock.now() - current.issuedAt.getTime();
      if (ageMs >= rotateAfterMs || ageMs < -clockSlackMs) rotate();
      return current;
    },
    serverLeaf: (names, lifetimeMs) => issueServerLeaf(authority, names, clock.now(), lifetimeMs),
    keyFor(purpose) {
      const material = authority.privateKey.export({ type: "pkcs8", format: "der" });
      return createSecretKey(Buffer.from(hkdfSync("sha256", material, "", purpose, 32)));
    },
    onRotate(fn) {
      listeners.add(fn);
      return () => listeners.delete(fn);
    },
    close() {
      timer.cancel();
      listeners.clear();
    },
  };
}
