/** `PodService` for peers: the logs of what they run here, and of nothing else. */
import { Code, ConnectError } from "@connectrpc/connect";
import { createRateLimit } from "../base/rate-limit.ts";
import type { LogsRequest, LogsResponse } from "../gen/fairlead/peer/v1/pods_pb.ts";
import { callerKey } from "../rpc/caller.ts";
import { type LogStreamDeps, streamLogs } from "./log-stream.ts";
import type { PodUses, PodUsesDeps, UseActions, UseContext } from "./uses.ts";

export interface LogsServiceDeps extends Omit<LogStreamDeps, "onRefused">, Pick<PodUsesDeps, "findApp"> {
  readonly uses: Pick<PodUses, "admit">;
  /** Calls `fn` with the fingerprint of a peer after each change of one of its apps. Returns what ends it. */
  subscribeApps(fn: (fingerprint: string) => void): () => void;
}

/** Each costs a watch at the API server, and a request for each pod. */
const reading: UseActions = {
  use: "logs",
  open: "log.read",
  revoke: "log.revoke",
  tooMany: (most) => `You read ${most} logs here already. End some of them.`,
  most: 64,
};

/** Makes the handler of `Logs`. */
export function createLogs(
  deps: LogsServiceDeps,
): (request: LogsRequest, context: UseContext) => AsyncGenerator<LogsResponse, void, undefined> {
  const warnings = createRateLimit({ clock: deps.clock, burst: 3, perSecond: 1 / 600 });

  /** How often peers ask must not fill the log. */
  function onRefused(namespace: string, error: unknown): void {
    if (!warnings.take()) return;
    deps.log.warn(
      { namespace, err: error },
      'this agent may not read the logs of peers\' pods; it needs the right "get" of "pods/log" in their namespaces',
    );
  }

  return async function* logs(request, context) {
    const { fingerprint } = context.values.get(callerKey);
    const { namespace, name, $typeName: _, $unknown: __, ...options } = request;
    const use = deps.uses.admit(reading, { namespace, name }, context);
    const deleted = new AbortController();
    const unsubscribe = deps.subscribeApps((changed) => {
      if (changed !== fingerprint) return;
      if (!deps.findApp(fingerprint, { namespace, name })) deleted.abort();
    });
    try {
      if (options.follow && options.previous) {
        throw new ConnectError("The log of a container that has ended cannot be followed.", Code.InvalidArgument);
      }
      use.note({ verdict: "allowed" });
      yield* streamLogs({ ...deps, onRefused }, use.app, options, deleted.signal, context.signal);
    } finally {
      use.done();
      unsubscribe();
    }
  };
}
