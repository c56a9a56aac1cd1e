/**
 * How much of what was heard and is not yet carried out is held in memory, of one conversation and of all together. What has
 * no room is not kept: it is asked for again when there is some.
 */
import type { Clock, Timer } from "../base/clock.ts";

export interface PendingBytes {
  /** `ask` is called with an object that had no room, when there is some: its wish is to be said again. */
  share(ask: (uid: string) => void): PendingShare;
}

export interface PendingShare {
  /** Takes room for what came with this object's wish, instead of what it had. False when there is none: then it has none. */
  take(uid: string, bytes: number): boolean;
  /** Gives back what this object has, and asks for it no more. */
  release(uid: string): void;
  /** Gives back all. */
  close(): void;
}

/** What was asked for again may never come, since its origin may have no word for it now: others are asked after this, in milliseconds. */
const askAgainMs = 5_000;

export function createPendingBytes(deps: {
  most: { readonly each: number; readonly all: number };
  clock: Clock;
}): PendingBytes {
  const { most, clock } = deps;
  let all = 0;
  const shares = new Set<() => void>();

  return {
    share(ask) {
      const held = new Map<string, number>();
      /** What had no room, and how much it needs. */
      const deferred = new Map<string, number>();
      let own = 0;
      let timer: Timer | undefined;

      function put(uid: string, bytes: number): void {
        const change = bytes - (held.get(uid) ?? 0);
        own += change;
        all += change;
        if (bytes > 0) held.set(uid, bytes);
        else held.delete(uid);
      }

      function askWhatFits(): void {
        let room = Math.min(most.each - own, most.all - all);
        for (const [uid, bytes] of [...deferred]) {
          if (bytes > room) break;
          room -= bytes;
          deferred.delete(uid);
          ask(uid);
        }
        timer?.cancel();
        timer = deferred.size > 0 ? clock.after(askAgainMs, askWhatFits) : undefined;
      }

      function giveBack(uid: string): void {
        if (!held.has(uid)) return;
        put(uid, 0);
        for (const tell of shares) tell();
      }

      const tell = (): void => {
        if (deferred.size > 0) askWhatFits();
      };
      shares.add(tell);

      return {
        take(uid, bytes) {
          deferred.delete(uid);
          giveBack(uid);
          if (own + bytes <= most.each && all + bytes <= most.all) {
            put(uid, bytes);
            return true;
          }
          deferred.set(uid, bytes);
          timer ??= clock.after(askAgainMs, askWhatFits);
          return false;
        },
        release(uid) {
          deferred.delete(uid);
          giveBack(uid);
        },
        close() {
          timer?.cancel();
          shares.delete(tell);
          deferred.clear();
          for (const uid of [...held.keys()]) giveBack(uid);
        },
      };
    },
  };
}
