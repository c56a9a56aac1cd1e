/** What runs for people after they were let in, and ends when what they signed in by does, or what they may. */
import type { Clock, Timer } from "../../base/clock.ts";
import type { Authenticator } from "./authenticator.ts";
import type { Principal } from "./principal.ts";

export interface UnderWay {
  /**
   * Until the answer is called, `breakOff` may be: once, when the credential does not count any more, or whose it is may not what
   * `still` asks.
   */
  hold(credential: string, still: (now: Principal) => boolean, breakOff: () => void): () => void;
}

/** How long it may take to see that one is withdrawn, in milliseconds. */
const lookMs = 500;

/** Looks now and then, while there is anything. */
export function createUnderWay(deps: { authenticator: Pick<Authenticator, "present">; clock: Clock }): UnderWay {
  const held = new Set<{ credential: string; still: (now: Principal) => boolean; breakOff: () => void }>();
  let next: Timer | undefined;
  const look = (): void => {
    next = undefined;
    for (const one of held) {
      const now = deps.authenticator.present(one.credential);
      if (now && one.still(now)) continue;
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
    hold(credential, still, breakOff) {
      const one = { credential, still, breakOff };
      held.add(one);
      watch();
      return () => void held.delete(one);
    },
  };
}
