/** What crashing containers printed last: read once for each end of a container, kept as long as its pod is looked at. */
import type { Clock } from "../../base/clock.ts";
import { createKeyedWorker } from "../../base/keyed-worker.ts";
import type { Log } from "../../base/log.ts";
import type { ObjectRef } from "../../kube/object.ts";
import type { PodAccess } from "../../kube/pods.ts";
import type { Crash } from "./pod-state.ts";

export interface CrashLines {
  /** The lines that are known of a container of a pod of this Workload. */
  get(workload: ObjectRef, pod: string, container: string): string | undefined;
  /** States which ends there are at present in one Workload; unknown ones are read, and `onRead` is called. */
  want(workload: ObjectRef, crashes: readonly Crash[]): void;
  close(): Promise<void>;
}

/** Bytes and lines of one end that are kept. */
const mostBytes = 4096;
const mostLines = 20;
/** Pods of one Workload whose lines are kept: the same trouble seldom needs more witnesses. */
const mostPods = 5;
/** A log that could not be read, or was empty, so often is left alone until the next end. */
const mostAttempts = 5;
/** Between two looks at an empty log, in milliseconds. */
const emptyMs = 1_000;

interface Entry {
  crash: Crash;
  attempts: number;
  isRead: boolean;
  text: string | undefined;
}

export function createCrashLines(deps: {
  logs: PodAccess["logs"];
  onRead(workload: string): void;
  clock: Clock;
  log: Log;
}): CrashLines {
  /** By Workload, then by pod, both as "namespace/name". */
  const known = new Map<string, Map<string, Entry>>();
  const worker = createKeyedWorker({ run, clock: deps.clock, concurrency: 2, minMs: 500, onError });

  async function run(key: string, signal: AbortSignal): Promise<void | { againMs: number }> {
    const [workload = "", pod = ""] = key.split(" ");
    const entry = known.get(workload)?.get(pod);
    if (!entry || entry.isRead || entry.attempts >= mostAttempts) return;
    entry.attempts += 1;
    const [namespace, name = ""] = pod.split("/");
    const text = await readTail({ namespace, name }, entry.crash, signal);
    // Empty may also be the log of the next run, which began between the news and this look.
    if (text === "" && entry.attempts < mostAttempts) return { againMs: emptyMs };
    entry.text = text;
    entry.isRead = true;
    deps.onRead(workload);
  }

  async function readTail(ref: ObjectRef, { container, previous }: Crash, signal: AbortSignal): Promise<string> {
    let tail = Buffer.alloc(0);
    const options = { container, previous, tailLines: mostLines };
    for await (const chunk of deps.logs(ref, options, signal)) {
      tail = Buffer.concat([tail, chunk]).subarray(-mostBytes);
    }
    // A cut in the middle of a character leaves a mark; control characters are nothing for a status.
    return tail
      .toString("utf8")
      .replace(/^\uFFFD+/, "")
      .replace(/[^\P{Cc}\n\t]/gu, "")
      .trimEnd();
  }

  function onError(key: string, error: unknown): void {
    deps.log.debug({ key, err: error }, "the last lines of a container could not be read");
  }

  return {
    get({ namespace, name }, pod, container) {
      const entry = known.get(`${namespace}/${name}`)?.get(`${namespace}/${pod}`);
      return entry?.crash.container === container ? entry.text : undefined;
    },
    want({ namespace, name }, crashes) {
      const workload = `${namespace}/${name}`;
      const before = known.get(workload);
      const now = new Map<string, Entry>();
      for (const crash of crashes.slice(0, mostPods)) {
        const pod = `${namespace}/${crash.pod}`;
        const earlier = before?.get(pod);
        const isSame = earlier?.crash.id === crash.id;
        // The same end is found elsewhere once the next run has begun.
        if (isSame) earlier.crash = crash;
        const isOfSame = earlier?.crash.container === crash.container;
        // Until the new lines are read, the earlier ones are the best there is.
        const entry: Entry = isSame
          ? earlier
          : { crash, attempts: 0, isRead: false, text: isOfSame ? earlier?.text : undefined };
        now.set(pod, entry);
        if (!isSame) worker.add(`${workload} ${pod}`);
      }
      if (now.size > 0) known.set(workload, now);
      else known.delete(workload);
    },
    close: () => worker.close(),
  };
}
