/** Pods across the link, both ends: what peers may read of theirs here, and reading ours there. */
import type { ConnectRouter, Transport } from "@connectrpc/connect";
import { PodService } from "../gen/fairlead/peer/v1/pods_pb.ts";
import type { KubeClient } from "../kube/client.ts";
import { createReflector } from "../kube/reflector.ts";
import { pods } from "../kube/resources.ts";
import { followLogs, type LogEvent, type LogRequest } from "./follow-logs.ts";
import { createLogsService, type LogsServiceDeps } from "./logs-service.ts";

export interface PodsDeps extends Omit<LogsServiceDeps, "watchPods"> {
  client: Pick<KubeClient, "list" | "watch">;
  /** RPC to a peer, as the switchboard gives it. */
  transport(peer: string): Transport;
}

export interface Pods {
  /** Adds what peers may call here. */
  routes(router: ConnectRouter): void;
  /** The log of an app of ours at a peer. Throws a ConnectError. */
  followLogs(
    peer: string,
    app: { namespace: string; name: string },
    request: LogRequest,
    signal: AbortSignal,
  ): AsyncIterable<LogEvent>;
}

export function createPods(deps: PodsDeps): Pods {
  const { client, clock, log } = deps;
  const service = createLogsService({
    ...deps,
    watchPods: (scope) => createReflector({ client, kind: pods, ...scope, clock, log }),
  });
  return {
    routes: (router) => void router.service(PodService, service),
    followLogs: (peer, app, request, signal) => followLogs(deps.transport(peer), app, request, signal),
  };
}
