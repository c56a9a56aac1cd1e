/**
 * The log of an app: of all its pods, merged as lines come. Pods that appear are joined, containers that start again are
 * read on, and it ends when the app is deleted.
 */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { PodNotice_Kind as Kind, type LogsResponse, LogsResponseSchema } from "../gen/fairlead/peer/v1/pods_pb.ts";
import type { Reflector } from "../kube/reflector.ts";
import type { Pod } from "../kube/resources.ts";
import { type ContainerLog, containerLogs, containerNames, type LoggedContainers } from "./container.ts";
import { Merge } from "./merge.ts";
import { isRefused, noSuchContainer, noSuchPod, unreadable, whyUnreadable } from "./not-read.ts";
import { isGone, type PodLogDeps, type PodLogOptions, readPodLog } from "./pod-log.ts";
import type { PodApp } from "./uses.ts";

/** What is known of an app's pods, and news of them. */
export type PodWatch = Pick<Reflector<Pod>, "list" | "subscribe" | "synced" | "close">;

export interface LogStreamDeps extends PodLogDeps {
  /** Starts to watch the pods that carry these labels. */
  watchPods(scope: { namespace: string; labelSelector: string }): PodWatch;
  /** The API server lets this agent read no logs in this namespace. */
  onRefused(namespace: string, error: unknown): void;
  clock: Clock;
  log: Log;
}

export interface LogStreamOptions extends PodLogOptions, LoggedContainers {
  /** Only this pod; empty: all. */
  readonly pod: string;
}

/** Pods read at a time. Beyond it a notice says so; one can still be named. */
const maxPods = 50;
/** Batches that wait for the reader; each holds what one read of a socket has brought. */
const maxBatches = 16;
/** After the app is gone, what its pods say last is waited for so long, in milliseconds. */
const farewellMs = 5_000;

/** `deleted` aborts when the app is deleted. Throws a ConnectError when none of the logs that are there could be read. */
export async function* streamLogs(
  deps: LogStreamDeps,
  app: PodApp,
  options: LogStreamOptions,
  deleted: AbortSignal,
  signal: AbortSignal,
): AsyncGenerator<LogsResponse, void, undefined> {
  const labelSelector = Object.entries(app.selector).map(([label, value]) => `${label}=${value}`);
  const watch = deps.watchPods({ namespace: app.namespace, labelSelector: labelSelector.join(",") });
  const stop = new AbortController();
  const reading = AbortSignal.any([signal, stop.signal]);
  const merge = new Merge<LogsResponse>(maxBatches);
  const end = (): void => merge.end();
  signal.addEventListener("abort", end, { once: true });
  try {
    await watch.synced(signal);
    const readers = new PodReaders(deps, app, options, watch, merge, reading);
    readers.look(true);
    if (options.follow) {
      const unsubscribe = watch.subscribe(() => readers.look(false));
      const farewell = (): void =>
        void Promise.race([deps.clock.sleep(farewellMs, reading), readers.finished()]).then(end, end);
      deleted.addEventListener("abort", farewell, { once: true });
      if (deleted.aborted) farewell();
      reading.addEventListener("abort", unsubscribe, { once: true });
    } else {
      readers.finished().then(end, end);
    }
    yield* merge;
    signal.throwIfAborted();
    if (readers.failure) throw readers.failure;
  } finally {
    signal.removeEventListener("abort", end);
    stop.abort(new Error("The log is no longer read."));
    await watch.close();
  }
}

/** A container of a pod. */
interface PodPart {
  readonly pod: string;
  readonly container: string;
}

/** One reader for each run of a container. */
class PodReaders {
  readonly #deps: LogStreamDeps;
  readonly #app: PodApp;
  readonly #options: LogStreamOptions;
  readonly #watch: PodWatch;
  readonly #merge: Merge<LogsResponse>;
  readonly #signal: AbortSignal;
  /** Runs that are read or have been. */
  readonly #runs = new Set<string>();
  /** What was last said of a pod that waits. */
  readonly #waiting = new Map<string, string>();
  readonly #active = new Set<Promise<void>>();
  /** Logs that were begun and have not failed. */
  #reading = 0;
  /** The log of a pod could be read, if only to find it empty. */
  #hasRead = false;
  #failure: ConnectError | undefined;

  constructor(
    deps: LogStreamDeps,
    app: PodApp,
    options: LogStreamOptions,
    watch: PodWatch,
    merge: Merge<LogsResponse>,
    signal: AbortSignal,
  ) {
    this.#deps = deps;
    this.#app = app;
    this.#options = options;
    this.#watch = watch;
    this.#merge = merge;
    this.#signal = signal;
  }

  /** Why nothing was read; undefined when something was, or may be yet. */
  get failure(): ConnectError | undefined {
    return this.#failure;
  }

  /** Takes up what is there and not read yet. `first` is for what was there at the beginning. */
  look(first: boolean): void {
    const { pod: only } = this.#options;
    if (first && only !== "" && this.#pods().length === 0) {
      // Who follows may know that it comes.
      if (this.#options.follow)
        this.#track(this.#notice({ pod: only, container: "" }, Kind.FAILED, noSuchPod().rawMessage));
      else this.#failure = noSuchPod();
    }
    const { container } = this.#options;
    if (first && container !== "" && this.#lacks(container)) {
      this.#failure = noSuchContainer(container, this.#pods().flatMap(containerNames));
      this.#merge.end();
      return;
    }
    for (const pod of this.#pods()) {
      const name = pod.metadata.name ?? "";
      for (const log of containerLogs(pod, this.#options)) {
        if (!log.readable) this.#noteWaiting(name, log.container, log.message);
        else if (!this.#runs.has(log.run)) this.#begin(name, log, first);
      }
    }
  }

  /** Resolves when all readers that were begun have ended. */
  async finished(): Promise<void> {
    while (this.#active.size > 0) await Promise.all(this.#active);
  }

  #pods(): Pod[] {
    const { pod } = this.#options;
    return this.#watch.list().filter(({ metadata }) => pod === "" || metadata.name === pod);
  }

  /** There are pods, and none of them has it: nothing to wait for. */
  #lacks(container: string): boolean {
    const there = this.#pods();
    return there.length > 0 && !there.some((pod) => containerNames(pod).includes(container));
  }

  /** Of the messages about it; unsaid where only one is asked for. */
  #labelled(container: string): string {
    return this.#options.allContainers ? container : "";
  }

  #noteWaiting(pod: string, container: string, message: string): void {
    const key = `${pod}/${container}`;
    if (this.#waiting.get(key) === message) return;
    this.#waiting.set(key, message);
    this.#track(this.#notice({ pod, container }, Kind.WAITING, message));
  }

  #begin(pod: string, log: ContainerLog & { readable: true }, first: boolean): void {
    this.#runs.add(log.run);
    if (this.#active.size >= maxPods) {
      const message = `Only ${maxPods} pods are read at a time; this one can be read by its name.`;
      this.#track(this.#notice({ pod, container: log.container }, Kind.FAILED, message));
      return;
    }
    this.#track(this.#read(pod, log, first));
  }

  #track(work: Promise<void>): void {
    const tracked = work.finally(() => this.#active.delete(tracked));
    this.#active.add(tracked);
  }

  async #read(pod: string, log: ContainerLog & { readable: true }, first: boolean): Promise<void> {
    const { run, container } = log;
    const options = first ? this.#options : { ...this.#options, tailLines: undefined, sinceSeconds: undefined };
    const state = (): "running" | "ended" | "replaced" => {
      const same = this.#pods()
        .flatMap((each) => containerLogs(each, { container, allContainers: false }))
        .find((each) => each.readable && each.run === run);
      if (!same?.readable) return "replaced";
      return same.ended ? "ended" : "running";
    };
    this.#reading += 1;
    const about = { pod, container };
    const label = this.#labelled(container);
    try {
      await this.#notice(about, Kind.JOINED, "");
      const ref = { namespace: this.#app.namespace, pod, container, state };
      for await (const lines of readPodLog(this.#deps, ref, options, this.#signal)) {
        this.#hasRead = true;
        await this.#send({ event: { case: "lines", value: { pod, lines, container: label } } });
      }
      this.#hasRead = true;
      await this.#notice(about, Kind.ENDED, "");
    } catch (error) {
      // Before anything is waited for, so that of several that fail one is the last.
      this.#reading -= 1;
      if (this.#signal.aborted) return;
      if (isGone(error) && this.#options.follow) return this.#notice(about, Kind.ENDED, "The pod is gone.");
      await this.#notRead(about, error);
    }
  }

  async #notRead(about: PodPart, error: unknown): Promise<void> {
    const { namespace } = this.#app;
    if (isRefused(error)) this.#deps.onRefused(namespace, error);
    else this.#deps.log.debug({ ...about, err: error }, "log not read");
    const isLast = !this.#hasRead && this.#reading === 0;
    // A pod that comes later may fare better, but not with a right that is missing for all.
    if (!isLast || (this.#options.follow && !isRefused(error)))
      return this.#notice(about, Kind.FAILED, whyUnreadable(namespace, error));
    this.#failure = unreadable(namespace, error);
    if (this.#options.follow) this.#merge.end();
  }

  #notice({ pod, container }: PodPart, kind: Kind, message: string): Promise<void> {
    const value = { pod, container: this.#labelled(container), kind, message };
    return this.#send({ event: { case: "notice", value } });
  }

  #send(response: MessageInitShape<typeof LogsResponseSchema>): Promise<void> {
    return this.#merge.put(create(LogsResponseSchema, response));
  }
}
