/** Says in a corner what is new since somebody looks: what was there before is on the overview. */
import { Signal } from "signal-polyfill";
import type { Notice } from "../model/notices.ts";
import type { Live } from "./live.ts";
import type { Toasts } from "./toasts.ts";

export interface NewsDeps {
  readonly live: Pick<Live, "isSynced">;
  readonly notices: { get(): readonly Notice[] };
  readonly toasts: Pick<Toasts, "add">;
  /** Whether the page that is open tells of it. */
  isShown(notice: Notice): boolean;
}

/** Begins, and goes on until the result is called. */
export function announceNews({ live, notices, toasts, isShown }: NewsDeps): () => void {
  let known: ReadonlySet<string> | undefined;
  const news = new Signal.Computed(() => (live.isSynced ? notices.get() : undefined));
  const look = (): void => {
    const present = news.get();
    if (!present) {
      known = undefined;
      return;
    }
    // Who comes back to a cause that has lasted is told of it as soon as it is graver than before.
    const pressing = present.filter(({ isPressing, isUnread }) => isPressing && isUnread);
    const keys = pressing.map(({ id, tone }) => `${id} ${tone}`);
    const before = known;
    known = new Set(keys);
    if (!before) return;
    for (const [index, notice] of pressing.entries()) {
      if (before.has(keys[index] ?? "") || isShown(notice)) continue;
      const { tone, summary, message, way } = notice;
      toasts.add({ tone, title: summary, text: message, way });
    }
  };
  return onChange(news, look);
}

/** Calls `look` now and after each change, once the change is whole. The result ends it. */
function onChange(of: Signal.Computed<unknown>, look: () => void): () => void {
  const watcher = new Signal.subtle.Watcher(() => {
    queueMicrotask(() => {
      watcher.watch();
      look();
    });
  });
  watcher.watch(of);
  look();
  return () => watcher.unwatch(of);
}
