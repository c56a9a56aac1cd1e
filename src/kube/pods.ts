/** What one does with pods beside reading them: follow what they print, connect to their ports, run programs in them. */
import type { Duplex } from "node:stream";
import { fromTransport, type KubeError } from "./errors.ts";
import type { ExecOptions, RunningProgram } from "./exec.ts";
import { keyOf, type ObjectRef } from "./object.ts";
import type { Requests } from "./requests.ts";
import { objectPath } from "./resource-kind.ts";
import { type Pod, pods } from "./resources.ts";

export interface LogOptions {
  /** The only one unless given. */
  container?: string | undefined;
  /** Go on until the container ends or the signal aborts. */
  follow?: boolean | undefined;
  /** The last so many lines; all that are kept unless given. */
  tailLines?: number | undefined;
  sinceSeconds?: number | undefined;
  /** Of the container before the last restart. */
  previous?: boolean | undefined;
  /** Each line begins with its time, RFC 3339. */
  timestamps?: boolean | undefined;
}

export interface PodAccess {
  /** What a container printed, in chunks as they come. Throws a `KubeError` when there is no such pod or container. */
  logs(ref: ObjectRef, options: LogOptions, signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** A connection to a port of a pod, through the API server. */
  portForward(ref: ObjectRef, port: number, signal: AbortSignal): Promise<Duplex>;
  /** Starts a program in a container. Rejects with a `KubeError` when the API server does not let it. */
  exec(ref: ObjectRef, options: ExecOptions, signal: AbortSignal): Promise<RunningProgram>;
}

export function createPodAccess(deps: {
  requests: Pick<Requests, "open">;
  server: string;
  portForward: PodAccess["portForward"];
  exec: PodAccess["exec"];
}): PodAccess {
  return {
    portForward: deps.portForward,
    exec: deps.exec,
    async *logs(ref, options, signal) {
      const what = `read the log of Pod ${keyOf(ref)}`;
      const request = { method: "GET", path: objectPath(pods, ref, "log"), query: { ...options }, accept: "*/*", what };
      const answer = await deps.requests.open(request, signal);
      try {
        for await (const chunk of answer.body) yield chunk;
      } catch (error) {
        throw signal.aborted ? signal.reason : cut(what, deps.server, error);
      }
    },
  };
}

/** True when the pod takes connections: it runs, is ready and is not on its way out. */
export function isReady(pod: Pod): boolean {
  if (pod.metadata.deletionTimestamp) return false;
  return pod.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
}

function cut(what: string, server: string, error: unknown): KubeError {
  return fromTransport({ what, server }, error);
}
