/** Pods across the link, both ends: what peers may read of theirs here, and reading ours there. */
import type { ConnectRouter, Transport } from "@connectrpc/connect";
import { PodService } from "../gen/fairlead/peer/v1/pods_pb.ts";
import type { KubeClient } from "../kube/client.ts";
import { createReflector } from "../kube/reflector.ts";
import { pods } from "../kube/resources.ts";
import type { PeeringAudit } from "../peering/audit-entry.ts";
import { createStreamRecord } from "../peering/stream-record.ts";
import { followLogs, type LogEvent, type LogRequest } from "./follow-logs.ts";
import { createLogsService, type LogsService, type LogsServiceDeps } from "./logs-service.ts";

export interface PodsDeps extends Omit<LogsServiceDeps, "watchPods" | "record"> {
  client: Pick<KubeClient, "list" | "watch">;
  /** RPC to a peer, as the switchboard gives it. */
  transport(peer: string): Transport;
  audit: PeeringAudit;
}

export interface Pods extends Pick<LogsService, "review"> {
  /** Adds what peers may call here. */
  routes(router: ConnectRouter): void;
  /** The log of an app of ours at a peer. Throws a ConnectError. */
  followLogs(
    peer: string,
    app: { namespace: string; name: string },
    request: LogRequest,
    signal: AbortSignal,
  ): AsyncIterable<LogEvent>;
  /** Writes down what the record has only counted so far. */
  close(): void;
}

export function createPods(deps: PodsDeps): Pods {
  const { client, clock, log, audit } = deps;
  // Of each end its own, so that what peers read here takes no room from what is read there.
  const hosted = createStreamRecord({ audit, clock });
  const followed = createStreamRecord({ audit, clock });
  const { service, review } = createLogsService({
    ...deps,
    record: hosted,
    watchPods: (scope) => createReflector({ client, kind: pods, ...scope, clock, log }),
  });
  return {
    routes: (router) => void router.service(PodService, service),
    review,
    followLogs: (peer, app, request, signal) =>
      followLogs({ transport: deps.transport(peer), record: followed, peer }, app, request, signal),
    close() {
      hosted.close();
      followed.close();
    },
  };
}
