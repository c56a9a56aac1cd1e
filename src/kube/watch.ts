/** One watch request as an iteration of events. */
import { startDeadline } from "../base/abort.ts";
import type { Clock } from "../base/clock.ts";
import { type Attempt, fromStatus, fromTransport, KubeError, timedOut } from "./errors.ts";
import { CutLineError, readJsonLines } from "./json-lines.ts";
import { isJsonObject, type JsonObject } from "./object.ts";
import type { ApiRequest, Requests } from "./requests.ts";
import { collectionPath, isAddressed, type ResourceKind } from "./resource-kind.ts";

/** The longest event, in bytes: etcd stores 1.5 MiB at most, and JSON of it may be larger. */
const maxEventBytes = 32 * 1024 * 1024;
/** How much longer than agreed a watch may last before it counts as dead, in milliseconds. */
const graceMs = 30_000;

export interface WatchOptions {
  namespace?: string | undefined;
  labelSelector?: string | undefined;
  fieldSelector?: string | undefined;
  /** As a list or an earlier event gave it. */
  resourceVersion?: string | undefined;
  /** How long the server may keep the watch open, in seconds; 300 unless given. */
  timeoutSeconds?: number | undefined;
  /** Called when the server has begun to answer: from then on it tells what changes, though nothing may for long. */
  onOpen?: (() => void) | undefined;
}

export type WatchEvent<T> =
  | { type: "ADDED" | "MODIFIED" | "DELETED"; object: T; resourceVersion: string }
  /** Nothing changed up to this version. */
  | { type: "BOOKMARK"; resourceVersion: string };

/** See `KubeClient.watch`. */
export async function* watchObjects<T>(
  deps: { requests: Requests; clock: Clock; server: string },
  kind: ResourceKind<T>,
  options: WatchOptions,
  signal: AbortSignal,
): AsyncGenerator<WatchEvent<T>> {
  const timeoutSeconds = options.timeoutSeconds ?? 300;
  const attempt: Attempt = { what: `watch ${kind.plural}`, server: deps.server };
  const limitMs = timeoutSeconds * 1000 + graceMs;
  const deadline = startDeadline(deps.clock, limitMs, () => timedOut(attempt, limitMs), signal);
  try {
    const answer = await deps.requests.open(watchRequest(kind, options, timeoutSeconds, attempt.what), deadline.signal);
    options.onOpen?.();
    for await (const line of readJsonLines(answer.body, maxEventBytes)) yield readEvent(kind, attempt, line);
  } catch (error) {
    throw deadline.signal.aborted ? deadline.signal.reason : translate(attempt, error);
  } finally {
    deadline.cancel();
  }
}

function watchRequest<T>(
  kind: ResourceKind<T>,
  options: WatchOptions,
  timeoutSeconds: number,
  what: string,
): ApiRequest {
  return {
    method: "GET",
    path: collectionPath(kind, options.namespace),
    query: {
      watch: true,
      allowWatchBookmarks: true,
      labelSelector: options.labelSelector,
      fieldSelector: options.fieldSelector,
      resourceVersion: options.resourceVersion,
      timeoutSeconds,
    },
    what,
  };
}

function readEvent<T>(kind: ResourceKind<T>, attempt: Attempt, line: unknown): WatchEvent<T> {
  if (!isJsonObject(line) || !isJsonObject(line.object)) throw garbled(attempt, line);
  const { type, object } = line;
  if (type === "ERROR") throw fromStatus(attempt, object);
  const resourceVersion = versionOf(object);
  if (type === "BOOKMARK") return { type, resourceVersion };
  if (type !== "ADDED" && type !== "MODIFIED" && type !== "DELETED") throw garbled(attempt, type);
  if (!isAddressed(kind, object)) throw garbled(attempt, "an object without its name");
  return { type, object: kind.parse(object), resourceVersion };
}

function versionOf(object: JsonObject): string {
  const metadata = isJsonObject(object.metadata) ? object.metadata : {};
  return typeof metadata.resourceVersion === "string" ? metadata.resourceVersion : "";
}

function garbled(attempt: Attempt, got: unknown): KubeError {
  const message = `Could not ${attempt.what}: got ${JSON.stringify(got)?.slice(0, 100)}, which is no watch event.`;
  return new KubeError({ status: 0, reason: "Garbled", message });
}

function translate(attempt: Attempt, error: unknown): unknown {
  if (error instanceof KubeError) return error;
  if (error instanceof CutLineError) {
    const message = `Could not ${attempt.what} any longer: the connection was cut in the middle of an event.`;
    return new KubeError({ status: 0, reason: "Cut", message }, { cause: error });
  }
  if (error instanceof SyntaxError || error instanceof RangeError) return garbled(attempt, error.message);
  return fromTransport(attempt, error);
}
