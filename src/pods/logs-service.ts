/** `PodService` for peers: the logs of what they run here, and of nothing else. */
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import type { PodService } from "../gen/fairlead/peer/v1/pods_pb.ts";
import { type Caller, callerKey } from "../rpc/caller.ts";
import { type LoggedApp, type LogStreamDeps, streamLogs } from "./log-stream.ts";

export interface LogsServiceDeps extends LogStreamDeps {
  /** An app among those that the peer with this fingerprint runs here; never another's. */
  findApp(fingerprint: string, app: { namespace: string; name: string }): LoggedApp | undefined;
  /** Calls `fn` with the fingerprint of a peer after each change of one of its apps. Returns what ends it. */
  subscribeApps(fn: (fingerprint: string) => void): () => void;
  /** Undefined when the caller may read logs; otherwise why not, and by which rule. */
  refusal(caller: Caller): string | undefined;
}

/** Logs that one peer reads at a time. Each costs a watch at the API server, and a request for each pod. */
const maxPerPeer = 64;

export function createLogsService(deps: LogsServiceDeps): ServiceImpl<typeof PodService> {
  /** By fingerprint. */
  const reading = new Map<string, number>();

  function count(fingerprint: string, change: 1 | -1): void {
    const logs = (reading.get(fingerprint) ?? 0) + change;
    if (logs > 0) reading.set(fingerprint, logs);
    else reading.delete(fingerprint);
  }

  return {
    async *logs(request, context) {
      const caller = context.values.get(callerKey);
      const refused = caller.guest ? "Only a paired peer may read logs." : deps.refusal(caller);
      if (refused !== undefined) throw new ConnectError(refused, Code.PermissionDenied);
      const { namespace, name, follow, tailLines, sinceSeconds, previous, timestamps, pod } = request;
      if (follow && previous) {
        throw new ConnectError("The log of a container that has ended cannot be followed.", Code.InvalidArgument);
      }
      const find = (): LoggedApp | undefined => deps.findApp(caller.fingerprint, { namespace, name });
      const app = find();
      if (!app) throw new ConnectError(`No app of yours called ${namespace}/${name} runs here.`, Code.NotFound);
      if ((reading.get(caller.fingerprint) ?? 0) >= maxPerPeer) {
        throw new ConnectError(`You read ${maxPerPeer} logs here already. End some of them.`, Code.ResourceExhausted);
      }
      const deleted = new AbortController();
      const unsubscribe = deps.subscribeApps((fingerprint) => {
        if (fingerprint === caller.fingerprint && !find()) deleted.abort();
      });
      count(caller.fingerprint, 1);
      try {
        const options = { follow, previous, timestamps, pod, tailLines, sinceSeconds };
        yield* streamLogs(deps, app, options, deleted.signal, context.signal);
      } finally {
        count(caller.fingerprint, -1);
        unsubscribe();
      }
    },
  };
}
