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

export function createLogsService(deps: LogsServiceDeps): ServiceImpl<typeof PodService> {
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
      const deleted = new AbortController();
      const unsubscribe = deps.subscribeApps((fingerprint) => {
        if (fingerprint === caller.fingerprint && !find()) deleted.abort();
      });
      try {
        const options = { follow, previous, timestamps, pod, tailLines, sinceSeconds };
        yield* streamLogs(deps, app, options, deleted.signal, context.signal);
      } finally {
        unsubscribe();
      }
    },
  };
}
