/** The log of one run of a container, from where it was begun to its end, over as many requests as that takes. */
import { createBackoff } from "../base/backoff.ts";
import type { Clock } from "../base/clock.ts";
import { isNotFound, KubeError } from "../kube/errors.ts";
import type { PodAccess } from "../kube/pods.ts";
import { isLater, LineSplitter, splitTime } from "./lines.ts";

export interface PodLogDeps {
  logs: PodAccess["logs"];
  clock: Clock;
}

export interface PodLogOptions {
  readonly follow: boolean;
  readonly previous: boolean;
  readonly timestamps: boolean;
  readonly tailLines?: number | undefined;
  readonly sinceSeconds?: number | undefined;
}

export interface RunOfContainer {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  /** Whether, as far as is known by now, this run is over or its pod gone. */
  isOver(): boolean;
}

/** Clocks of nodes differ from ours; what was read already is recognised by its time and skipped. */
const overlapSeconds = 5;

/**
 * Lines in batches. When following, a request that breaks off or is ended early is taken up after the last line; it ends
 * when the run is over. Throws a `KubeError` when there is nothing to read, and when not following, for any failure.
 */
export async function* readPodLog(
  deps: PodLogDeps,
  run: RunOfContainer,
  options: PodLogOptions,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array[], void, undefined> {
  const { clock } = deps;
  const backoff = createBackoff({ minMs: 200, maxMs: 5_000 });
  let last: string | undefined;
  for (;;) {
    const over = run.isOver();
    const splitter = new LineSplitter();
    const resumedAfter = last;
    let skipping = resumedAfter !== undefined;
    const accept = (lines: ReturnType<LineSplitter["push"]>): Uint8Array[] => {
      const accepted: Uint8Array[] = [];
      for (const line of lines) {
        const { time, text } = splitTime(line);
        if (time !== undefined) {
          skipping = resumedAfter !== undefined && !isLater(time, resumedAfter);
          if (!skipping) last = time;
        }
        if (!skipping) accepted.push(options.timestamps ? line.text : text);
      }
      return accepted;
    };
    try {
      const query = {
        container: run.container,
        follow: options.follow,
        previous: options.previous || undefined,
        timestamps: true,
        ...(resumedAfter === undefined
          ? { tailLines: options.tailLines, sinceSeconds: options.sinceSeconds }
          : { sinceSeconds: secondsSince(resumedAfter, clock) }),
      };
      for await (const chunk of deps.logs({ namespace: run.namespace, name: run.pod }, query, signal)) {
        const accepted = accept(splitter.push(chunk));
        if (accepted.length > 0) {
          backoff.reset();
          yield accepted;
        }
      }
      const rest = accept(splitter.flush());
      if (rest.length > 0) yield rest;
    } catch (error) {
      if (signal.aborted || !options.follow || !(error instanceof KubeError) || !error.retryable()) throw error;
    }
    // Known to be over before the request: then it has brought the last line.
    if (!options.follow || over) return;
    await clock.sleep(backoff.next(), signal);
  }
}

/** The pod, or its log, is not there (any more): for who follows, an end and no failure. */
export function isGone(error: unknown): boolean {
  return isNotFound(error);
}

function secondsSince(time: string, clock: Clock): number {
  return Math.max(1, Math.ceil((clock.now() - Date.parse(time)) / 1000)) + overlapSeconds;
}
