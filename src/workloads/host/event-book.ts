/** The Events of one peer's namespace, by the Workload that they are about: one watch for all of them. */
import type { Clock, Timer } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { AppEvent } from "../../gen/fairlead/resources/v1alpha1/app_pod_pb.ts";
import type { KubeClient } from "../../kube/client.ts";
import { createReflector } from "../../kube/reflector.ts";
import type { ResourceKind } from "../../kube/resource-kind.ts";
import { events } from "../../kube/resources.ts";
import { appEvents, type Happening, happeningOf } from "./app-events.ts";

export interface EventBook {
  /** Up to 20, the latest first, of what goes by any of these names. */
  of(names: readonly string[]): readonly AppEvent[];
  close(): Promise<void>;
}

/** Of each Event only what is told. */
const happenings: ResourceKind<Happening> = {
  ...events,
  parse: (json) => happeningOf(events.parse(json)),
  format: () => ({}),
};

/** Several come at once when a pod starts, and make one change of a status, in milliseconds. */
const freshMs = 2_000;
/** What only happened once more is told at most so often, in milliseconds: a pod may fail for ever. */
const repeatedMs = 60_000;

export function createEventBook(deps: {
  client: Pick<KubeClient, "list" | "watch">;
  namespace: string;
  /** There is news of this Workload. */
  onChange(workload: string): void;
  clock: Clock;
  log: Log;
}): EventBook {
  const { client, namespace, clock, log } = deps;
  const reflector = createReflector({ client, kind: happenings, namespace, clock, log });
  const byWorkload = new Map<string, Map<string, Happening>>();
  /** When each Workload is to be told of, on the monotonic clock. */
  const due = new Map<string, number>();
  let timer: { at: number; timer: Timer } | undefined;

  function plan(workload: string, ms: number): void {
    const at = clock.monotonic() + ms;
    due.set(workload, Math.min(at, due.get(workload) ?? at));
    schedule();
  }

  function schedule(): void {
    if (due.size === 0) return;
    const first = Math.min(...due.values());
    if (timer && timer.at <= first) return;
    timer?.timer.cancel();
    timer = { at: first, timer: clock.after(Math.max(0, first - clock.monotonic()), tell) };
  }

  function tell(): void {
    timer = undefined;
    const now = clock.monotonic();
    for (const [workload, at] of due) {
      if (at > now) continue;
      due.delete(workload);
      deps.onChange(workload);
    }
    schedule();
  }

  const unsubscribe = reflector.subscribe((key, happening, before) => {
    for (const workload of before?.workloads ?? []) {
      const known = byWorkload.get(workload);
      known?.delete(key);
      if (known?.size === 0) byWorkload.delete(workload);
    }
    if (!happening) return;
    for (const workload of happening.workloads) {
      const known = byWorkload.get(workload) ?? new Map<string, Happening>();
      byWorkload.set(workload, known.set(key, happening));
      plan(workload, before ? repeatedMs : freshMs);
    }
  });

  return {
    of(names) {
      // One Event may be found by two names.
      const found = new Map(names.flatMap((name) => [...(byWorkload.get(name) ?? [])]));
      return appEvents(found.values());
    },
    async close() {
      unsubscribe();
      timer?.timer.cancel();
      await reflector.close();
    },
  };
}
