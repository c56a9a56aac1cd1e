/** What runs for people after they were let in, and ends when what they signed in by does. */
import type { Clock, Timer } from "../../base/clock.ts";
import type { Credentials } from "./authenticator.ts";

export interface UnderWay {
  /** Until the answer is called, `breakOff` may be: once, when the credential does not count any more. */
  hold(credential: string, breakOff: () => void): () => void;
}

/** How long it may take to see that one is withdrawn, in milliseconds. */
const lookMs = 500;

/** Looks now and then, while there is anything. */
export function createUnderWay(deps: { credentials: Credentials; clock: Clock }): UnderWay {
  const held = new Set<{ credential: string; breakOff: () => void }>();
  let next: Timer | undefined;
  const look = (): void => {
    next = undefined;
    for (const one of held) {
      if (deps.credentials.stands(one.credential)) continue;
      held.delete(one);
      one.breakOff();
    }
    if (held.size > 0) watch();
  };
  const watch = (): void => {
    next ??= deps.clock.after(lookMs, look);
    next.unref?.();
  };
  return {
    hold(credential, breakOff) {
      const one = { credential, breakOff };
      held.add(one);
      watch();
      return () => void held.delete(one);
    },
  };
}
