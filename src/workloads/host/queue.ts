/**
 * How many apps of each peer wait for a person while nothing of them runs: bounded, so that one peer's do not hide all
 * others' from the person who looks, nor fill the store.
 */
import type { Finding } from "../../policy/admission.ts";
import type { UsageOwner } from "../../policy/usage.ts";
import type { Standing } from "./standing.ts";

/** How many apps of one peer wait at a time. */
export const mostWaiting = 100;

export const inboxFull: Finding = {
  rule: "inbox/full",
  field: "",
  message: `${mostWaiting} apps of yours wait for a person at this cluster already; this one is heard when some of them are decided or deleted`,
  allowed: String(mostWaiting),
};

export interface Queue {
  /** Whether the app may wait; one that waits already may. */
  hasRoom(owner: UsageOwner): boolean;
  set(owner: UsageOwner, isWaiting: boolean): void;
}

/** `onRoom` is called when one of a peer's apps stops waiting while there was no room for another. */
export function createQueue(onRoom: () => void): Queue {
  const waiting = new Map<string, Set<string>>();
  return {
    hasRoom({ fingerprint, key }) {
      const theirs = waiting.get(fingerprint);
      return !theirs || theirs.size < mostWaiting || theirs.has(key);
    },
    set({ fingerprint, key }, isWaiting) {
      const theirs = waiting.get(fingerprint) ?? new Set();
      const wasFull = theirs.size >= mostWaiting;
      if (isWaiting) theirs.add(key);
      else theirs.delete(key);
      if (theirs.size > 0) waiting.set(fingerprint, theirs);
      else waiting.delete(fingerprint);
      if (wasFull && theirs.size < mostWaiting) onRoom();
    },
  };
}

/** Waits for a person, and nothing was ever admitted of it. */
export function isQueueing({ verdict, admitted }: Standing): boolean {
  return verdict.decision === "hold" && admitted === undefined;
}
