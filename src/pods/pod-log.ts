/** The log of one run of a container, from where it was begun to its end, over as many requests as that takes. */
import { createBackoff } from "../base/backoff.ts";
import type { Clock } from "../base/clock.ts";
import { isNotFound, KubeError } from "../kube/errors.ts";
import type { PodAccess } from "../kube/pods.ts";
import { isLater, type Line, LineSplitter, splitTime } from "./lines.ts";

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
  /** As far as is known by now. Replaced: the container runs again, or its pod is gone. */
  state(): "running" | "ended" | "replaced";
}

/** Clocks of nodes differ from ours; what was read already is recognised by its time and skipped. */
const overlapSeconds = 5;

/**
 * Lines in batches. When following, a request that breaks off, or ends although the run goes on, is taken up after the last
 * line; it ends when the run is over. Throws a `KubeError` when there is nothing to read, and when not following, for any
 * failure.
 */
export async function* readPodLog(
  deps: PodLogDeps,
  run: RunOfContainer,
  options: PodLogOptions,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array[], void, undefined> {
  const backoff = createBackoff({ minMs: 200, maxMs: 5_000 });
  const position = new Position(options.timestamps);
  for (;;) {
    // What a replaced run has printed last is in the log before the present one.
    const previous = options.previous || (position.time !== undefined && run.state() === "replaced");
    let broken = false;
    try {
      const query = { container: run.container, follow: options.follow && !previous, previous, timestamps: true };
      const from = position.begin(deps.clock) ?? { tailLines: options.tailLines, sinceSeconds: options.sinceSeconds };
      const splitter = new LineSplitter();
      const ref = { namespace: run.namespace, name: run.pod };
      for await (const chunk of deps.logs(ref, { ...query, ...from }, signal)) {
        signal.throwIfAborted();
        const lines = position.pass(splitter.push(chunk));
        if (lines.length === 0) continue;
        backoff.reset();
        yield lines;
      }
      const rest = position.pass(splitter.flush());
      if (rest.length > 0) yield rest;
    } catch (error) {
      if (signal.aborted || !options.follow || !(error instanceof KubeError) || !error.retryable()) throw error;
      broken = true;
    }
    if (!options.follow || (!broken && (previous || run.state() !== "running"))) return;
    await deps.clock.sleep(backoff.next(), signal);
    // News of the end may have come later than the end itself.
    if (!broken && run.state() !== "running") return;
  }
}

/** How far a log has been read, by the times that the kubelet puts before its lines. */
class Position {
  readonly #keepTimes: boolean;
  #time: string | undefined;
  #after: string | undefined;
  #skipping = false;

  constructor(keepTimes: boolean) {
    this.#keepTimes = keepTimes;
  }

  /** Of the last line; undefined when there was none. */
  get time(): string | undefined {
    return this.#time;
  }

  /** Begins a request: where it has to start, if something was read before. */
  begin(clock: Clock): { sinceSeconds: number } | undefined {
    this.#after = this.#time;
    this.#skipping = this.#after !== undefined;
    if (this.#after === undefined) return undefined;
    const seconds = Math.ceil((clock.now() - Date.parse(this.#after)) / 1000);
    return { sinceSeconds: Math.max(1, seconds) + overlapSeconds };
  }

  /** The lines that were not read before. */
  pass(lines: readonly Line[]): Uint8Array[] {
    const passed: Uint8Array[] = [];
    for (const line of lines) {
      const { time, text } = splitTime(line);
      if (time !== undefined) {
        this.#skipping = this.#after !== undefined && !isLater(time, this.#after);
        if (!this.#skipping) this.#time = time;
      }
      if (!this.#skipping) passed.push(this.#keepTimes ? line.text : text);
    }
    return passed;
  }
}

/** The pod, or its log, is not there (any more): for who follows, an end and no failure. */
export function isGone(error: unknown): boolean {
  return isNotFound(error);
}
